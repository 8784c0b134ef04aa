// Extended CONNECT (RFC 8441) in front of HTTP/1.1 endpoints, byte by byte: what ws would be too polite for. What real WebSocket
// clients see is in websocket.test.ts.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { h2Client } from '../support/h2.ts';
import { data, E, F, getFields, headers, reset, S } from '../support/h2-frames.ts';
import type { Field } from '../support/hpack.ts';
import type { OriginRequest } from '../support/origin.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const rig = useRig((origin) => ({
  ...simpleConfig([origin.url], { timeouts: { tunnelIdle: '600ms' } }),
  routes: [
    { path: '/said', respond: { status: 200, body: 'here' } },
    { path: '/moved', respond: { status: 307, location: 'https://other.example/' } },
    { pool: 'main' },
  ],
}));

const connectFields = (path = '/chat', more: readonly Field[] = []): Field[] => [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  ...getFields(path).slice(1),
  ['sec-websocket-version', '13'],
  ...more,
];

function switched(request: OriginRequest, more = ''): string {
  const proof = createHash('sha1')
    .update(`${request.field('sec-websocket-key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${proof}\r\n${more}\r\n`;
}

/** Agrees and sends everything back, in brackets. */
function echo(request: OriginRequest): void {
  request.tunnel((bytes) => request.send(`<${bytes.toString('latin1')}>`));
  request.send(switched(request));
}

describe('extended CONNECT', () => {
  it('is offered, is a GET with an upgrade to the endpoint, and a 200 to the client', async () => {
    rig.origin.script = (request) => {
      request.tunnel((bytes) => request.send(bytes));
      request.send(switched(request, 'Sec-WebSocket-Protocol: chat.v2\r\n'));
    };
    using client = await h2Client(rig.port);
    const stream = await client.head(client.start(connectFields('/chat?x', [['sec-websocket-protocol', 'chat.v2']])));
    expect([client.told.get(S.CONNECT), stream.status, stream.field('sec-websocket-protocol')]).toEqual([
      1,
      200,
      'chat.v2',
    ]);
    expect(stream.all('sec-websocket-accept')).toEqual([]);
    const { request } = rig.origin;
    expect([request.start, request.framing.kind]).toEqual(['GET /chat?x HTTP/1.1', 'none']);
    expect([request.all('connection'), request.all('upgrade'), request.field('host')]).toEqual([
      ['Upgrade'],
      ['websocket'],
      'example.com',
    ]);
    expect(Buffer.from(request.field('sec-websocket-key')!, 'base64')).toHaveLength(16);
    client.send(reset(stream.id));
  });

  it('is told 501 by a route that answers 2xx itself, which would be a tunnel to nobody', async () => {
    using client = await h2Client(rig.port);
    const said = await client.over(client.start(connectFields('/said')));
    expect([said.status, said.hasEnded, said.body]).toEqual([
      501,
      true,
      '501 nobody here takes an upgrade of this path\n',
    ]);
    expect((await client.over(client.start(connectFields('/moved')))).status).toBe(307);
    expect(rig.origin.requests).toEqual([]);
  });

  it('carries bytes both ways, those that came early too, and closes in order from either side', async () => {
    rig.origin.script = async (request) => {
      request.tunnel((bytes) => {
        request.send(`<${bytes.toString('latin1')}>`);
        if (bytes.includes('bye')) request.close();
      });
      await delay(30);
      request.send(switched(request));
    };
    using client = await h2Client(rig.port);
    const stream = client.start(connectFields());
    client.send(data(stream.id, 'early'));
    await client.come(() => stream.body === '<early>', 'the early bytes');
    client.send(data(stream.id, 'bye'));
    await client.over(stream);
    expect([stream.body, stream.hasEnded]).toEqual(['<early><bye>', true]);

    rig.origin.reset();
    rig.origin.script = echo;
    const other = await client.head(client.start(connectFields()));
    client.send(data(other.id, 'last words', F.END_STREAM));
    await client.over(other);
    expect([other.body, other.hasEnded]).toEqual(['<last words>', true]);
    await until(() => rig.origin.request.connection.isClosed, 'the end of the connection to the endpoint');
  });

  it('ends with the stream, and shows that the endpoint broke off', async () => {
    rig.origin.script = echo;
    using client = await h2Client(rig.port);
    const stream = await client.head(client.start(connectFields()));
    client.send(reset(stream.id));
    await until(() => rig.origin.request.connection.isClosed, 'the end of the connection to the endpoint');
    const cut = await client.head(client.start(connectFields()));
    (await rig.origin.nth(2)).reset();
    await client.over(cut);
  });

  it('that the endpoint refuses is answered as it says, and nothing more is sent there', async () => {
    rig.origin.script = (request) => request.answer(403, 'no');
    using client = await h2Client(rig.port);
    const stream = client.start(connectFields());
    client.send(data(stream.id, 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'));
    await client.come(() => stream.hasEnded, 'the answer');
    expect([stream.status, stream.body]).toEqual([403, 'no']);
    expect((await rig.settled()).map(({ target }) => target)).toEqual(['/chat']);
  });

  it('that the endpoint answers like any other request has not come about', async () => {
    rig.origin.script = (request) => request.answer(200, 'a page');
    using client = await h2Client(rig.port);
    const stream = client.start(connectFields());
    await client.come(() => stream.hasEnded, 'the answer');
    expect(stream.status).toBe(502);
    expect(stream.body).not.toContain('a page');
  });

  const REFUSED: [what: string, fields: readonly Field[], status: number][] = [
    ['another protocol', connectFields().map(([n, v]): Field => [n, n === ':protocol' ? 'connect-udp' : v]), 501],
    ['no :path', connectFields().filter(([n]) => n !== ':path'), 0],
    ['no :authority', connectFields().filter(([n]) => n !== ':authority'), 0],
    ['another method', connectFields().map(([n, v]): Field => [n, n === ':method' ? 'GET' : v]), 0],
    ['an upgrade as in HTTP/1.1', connectFields('/', [['upgrade', 'websocket']]), 0],
  ];
  it.each(REFUSED)('is refused with %s', async (_, fields, status) => {
    using client = await h2Client(rig.port);
    const stream = client.start(fields);
    await client.over(stream);
    expect([stream.status, stream.resetCode]).toEqual([status, status === 0 ? E.PROTOCOL_ERROR : E.NO_ERROR]);
    expect(await rig.settled()).toEqual([]);
  });

  it('ends when nothing moves, and holds back whoever sends more than is read', async () => {
    rig.origin.script = (request) => {
      request.tunnel(() => {});
      request.connection.socket.pause();
      request.send(switched(request));
    };
    using client = await h2Client(rig.port);
    const stream = await client.head(client.start(connectFields()));
    const before = rig.fermat.rssBytes;
    await client.upload(stream, Buffer.alloc(64 << 20), false, 3000).catch(() => {});
    expect(rig.fermat.rssBytes - before).toBeLessThan(32 << 20);
    await client.over(stream);
    rig.origin.request.connection.socket.resume(); // only who reads sees an end
    await until(() => rig.origin.request.connection.isClosed, 'the end of the connection to the endpoint');
  });

  it('without a way back is over when the endpoint has said all it has', async () => {
    rig.origin.script = echo;
    using client = await h2Client(rig.port);
    const stream = client.stream(client.id());
    client.send(headers(stream.id, connectFields(), F.END_STREAM));
    await client.over(stream);
    await until(() => rig.origin.requests.every(({ connection }) => connection.isClosed), 'the end of the connection');
  });
});
