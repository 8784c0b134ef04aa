// requestsPerEndpoint on endpoints that really have a capacity: found out by latency, or stated, over HTTP/1.1 and HTTP/2.

import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, type OriginRequest, startOrigin } from '../support/origin.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

/** Works on so many requests at once, each for WORK_MS; the others wait inside it. */
const PLACES = 4;
const WORK_MS = 10;

async function clientsOf(fermat: Fermat, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => rawClient(fermat.port)));
}

describe('an endpoint whose capacity nobody knows', () => {
  let origin: Origin;
  const queue: OriginRequest[] = [];
  let busy = 0;
  /** Requests inside it, the waiting ones included. */
  let inside: number[] = [];

  function work(): void {
    while (busy < PLACES && queue.length > 0) {
      const request = queue.shift()!;
      busy++;
      setTimeout(() => {
        busy--;
        request.answer();
        work();
      }, WORK_MS);
    }
  }

  beforeAll(async () => {
    origin = await startOrigin();
    origin.script = (request) => {
      queue.push(request);
      inside.push(queue.length + busy);
      work();
    };
  });
  afterAll(async () => {
    await origin.refuse();
  });

  /** What is inside the endpoint in the last second of three, with sixty clients that ask all the time; and what they got. */
  async function crowded(limits: Config): Promise<{ inside: number; statuses: Set<number>; answers: number }> {
    const pool = { limits: { queueTimeout: '5s', ...limits } };
    await using fermat = await startFermat(simpleConfig([origin.url], pool));
    const one = await rawClient(fermat.port);
    for (let i = 0; i < 30; i++) {
      await one.send(get());
      await one.answer();
    }
    let isOver = false;
    let answers = 0;
    const statuses = new Set<number>();
    const clients = await clientsOf(fermat, 60);
    const all = clients.map(async (client) => {
      while (!isOver) {
        await client.send(get());
        statuses.add((await client.answer()).status);
        answers++;
      }
    });
    await delay(2000);
    inside = [];
    answers = 0;
    await delay(1000);
    const seen = inside.sort((a, b) => a - b);
    const result = { inside: seen[seen.length >> 1]!, statuses, answers };
    isOver = true;
    await Promise.all(all);
    for (const client of [...clients, one]) client.destroy();
    return result;
  }

  it('has no long queue inside with `auto`, serves as much, and nobody is turned away', async () => {
    const without = await crowded({});
    const auto = await crowded({ requestsPerEndpoint: 'auto' });
    expect(without.inside).toBeGreaterThan(45);
    expect(auto.inside).toBeLessThan(25);
    expect(auto.statuses).toEqual(new Set([200]));
    expect(auto.answers).toBeGreaterThan(0.7 * without.answers);
  }, 30_000);
});

describe('an HTTP/2 endpoint', () => {
  let server: Http2Server;
  let fermat: Fermat;
  const held: ServerHttp2Stream[] = [];

  beforeAll(async () => {
    server = createServer();
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      held.push(stream as ServerHttp2Stream);
    });
    server.on('session', (session) => session.on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`;
    fermat = await startFermat(simpleConfig([url], { limits: { requestsPerEndpoint: 2, queueTimeout: '5s' } }));
  });
  afterAll(async () => {
    await fermat.stop();
    server.close();
  });

  const answer = (stream: ServerHttp2Stream): void => {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  };

  it('gets as many streams at once as its limit allows; who waits goes when one ends, and when one is aborted', async () => {
    const clients = await clientsOf(fermat, 5);
    for (const client of clients) client.socket.write(get());
    await until(() => held.length === 2, 'two streams');
    await delay(100);
    expect(held).toHaveLength(2);
    answer(held[0]!);
    await until(() => held.length === 3, 'the third stream');
    const answered = await Promise.any(clients.map((client) => client.answer().then(() => client)));
    // Whoever is still at the endpoint goes away: two who wait take their places.
    for (const client of clients) if (client !== answered) client.reset();
    const more = await clientsOf(fermat, 2);
    for (const client of more) client.socket.write(get());
    await until(() => held.length >= 5, 'streams in the place of aborted ones');
    for (const stream of held.slice(1)) if (!stream.destroyed) answer(stream);
    for (const client of more) expect((await client.answer()).status).toBe(200);
    for (const client of [...clients, ...more]) client.destroy();
  });
});
