// Clients that ask, or send, but do not take what they are answered: what piles up for them is bounded, and so is its time.

import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const rig = useRig((origin) => simpleConfig([origin.url], {}, { limits: { idleTimeout: '1s', bodyTimeout: '800ms' } }));

/** No connection of a client is open. */
async function allGone(): Promise<void> {
  await until(async () => (await rig.fermat.metric('fermat_connections')) === 0, 'no open connections', 8000);
}

describe('pipelined requests', () => {
  it.each([2000, 16_000])('wait until the answers before them (of %i bytes) are taken', async (size) => {
    rig.origin.script = (request) => request.answer(200, 'x'.repeat(size));
    await rig.passed(get('/one'));
    const { answer } = await rig.passed(get('/one'));
    const bytes = answer.head.length + size;
    const count = Math.ceil((96 << 20) / size);
    using client = await rawClient(rig.port);
    client.socket.removeAllListeners('data').pause();
    const asked = () => rig.origin.requests.length;
    rig.origin.requests.length = 0;
    await client.send(get('/more').repeat(count));
    await until(
      async () => {
        const before = asked();
        await delay(200);
        return before > 0 && asked() === before;
      },
      'the last request that is passed on',
      20_000,
    );
    expect(asked()).toBeLessThan(count / 2);
    let received = 0;
    client.socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    client.socket.resume();
    await until(() => received >= bytes * count, 'all answers', 30_000);
    expect([received, asked()]).toEqual([bytes * count, count]);
  }, 60_000);

  it('of a client that takes nothing at all cost it the connection', async () => {
    rig.origin.script = (request) => request.answer(200, 'x'.repeat(16_000));
    using client = await rawClient(rig.port);
    client.socket.pause();
    await client.send(get().repeat(4000));
    await allGone();
    expect(rig.origin.requests.length).toBeLessThan(3000);
  });
});

it('an endpoint that never ends its interim answers is given up', async () => {
  const flood = `HTTP/1.1 103 Early Hints\r\nLink: <${'a'.repeat(900)}>\r\n\r\n`.repeat(100);
  rig.origin.script = (request) => {
    const { socket } = request.connection;
    const more = (): void => {
      while (!socket.destroyed && request.send(flood));
      socket.once('drain', more);
    };
    more();
  };
  const before = rig.fermat.rssBytes;
  using client = await rawClient(rig.port);
  await client.send(get());
  const request = await rig.origin.nth(1);
  await until(() => request.connection.isClosed, 'the end of the upstream connection');
  expect((await client.answer()).status).toBe(502);
  expect(rig.fermat.rssBytes - before).toBeLessThan(48 << 20);
});

describe('an answer before the end of the request', () => {
  const early = (length: number) => `POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: ${length}\r\n\r\n`;

  it('that is not taken costs the client its connection, also when it has sent its whole body meanwhile', async () => {
    rig.origin.script = (request) => request.answer(200, Buffer.alloc(32 << 20));
    using client = await rawClient(rig.port);
    client.socket.pause();
    await client.send(early(3));
    const request = await rig.origin.nth(1);
    await until(() => request.connection.socket.writableLength > 0, 'an answer on its way');
    await delay(300);
    await client.send('abc');
    await allGone();
    await until(() => request.connection.isClosed, 'the end of the upstream connection');
  });

  it('and a body that the endpoint does not read hold no connection for ever', async () => {
    rig.origin.script = (request) => {
      request.connection.socket.pause();
      request.answer(200, Buffer.alloc(32 << 20));
    };
    using client = await rawClient(rig.port);
    client.socket.pause();
    await client.send(early(64 << 20));
    const request = await rig.origin.nth(1);
    client.socket.write(Buffer.alloc(64 << 20));
    await allGone();
    request.connection.socket.resume();
    await until(() => request.connection.isClosed, 'the end of the upstream connection');
  });
});
