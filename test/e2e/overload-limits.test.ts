// Limits on requests in flight: per node, client, pool and endpoint, over several workers; who waits, and who is turned away.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, type OriginRequest, startOrigin } from '../support/origin.ts';
import { type Answer, type RawClient, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const HOSTS = ['plain', 'narrow', 'single', 'double', 'high', 'low'] as const;
type Host = (typeof HOSTS)[number];

let origin: Origin;
let fermat: Fermat;
const held: OriginRequest[] = [];
const clients: RawClient[] = [];

function config(): Config {
  const pool = (name: string, limits: Config): [string, Config] => [name, poolOf([origin.url], { limits }, `${name}-`)];
  return {
    workers: 2,
    trustedProxies: ['127.0.0.9/32'],
    limits: { requests: 20, requestsPerClient: 12 },
    pools: Object.fromEntries([
      pool('plain', {}),
      pool('narrow', { requests: 3 }),
      pool('single', { requestsPerEndpoint: 1, queueTimeout: '300ms' }), // one for each worker
      pool('double', { requestsPerEndpoint: 4, queue: 0 }),
    ]),
    routes: HOSTS.map((host) =>
      host === 'high' || host === 'low' ? { host, pool: 'plain', priority: host } : { host, pool: host },
    ),
  };
}

beforeAll(async () => {
  origin = await startOrigin();
  fermat = await startFermat(config());
});
afterEach(async () => {
  // Whatever a test left behind has been counted out again, or the next one would find less room.
  for (const client of clients.splice(0)) client.reset();
  await until(async () => (await fermat.metric('fermat_connections')) === 0, 'the end of all connections');
  held.length = 0;
  origin.reset();
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(async () => {
  await fermat.stop();
  await origin.refuse();
});

const ask = (host: Host, fields = ''): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;

async function connected(from?: string): Promise<RawClient> {
  const client = await rawClient(fermat.port, from);
  clients.push(client);
  return client;
}

/** `count` requests that the endpoint has and does not answer. Over connections of their own, from addresses of their own. */
async function hold(host: Host, count: number, from = (i: number): string => `127.0.1.${i + 1}`): Promise<RawClient[]> {
  const before = held.length;
  origin.script = (request) => held.push(request);
  const asking = await Promise.all(Array.from({ length: count }, (_, i) => connected(from(i))));
  for (const client of asking) await client.send(ask(host));
  await until(() => held.length === before + count, `${count} requests at the endpoint`);
  return asking;
}

async function answerOf(host: Host, from: string, fields = ''): Promise<Answer> {
  const client = await connected(from);
  await client.send(ask(host, fields));
  return client.answer();
}

function release(): void {
  origin.script = (request) => request.answer();
  for (const request of held.splice(0)) request.answer();
}

describe('requests in flight', () => {
  it('at the node: one too many is a 503 that says when to come back; when one has ended the next is served', async () => {
    const holders = await hold('high', 20);
    const refused = await answerOf('high', '127.0.2.1');
    expect([refused.status, refused.field('retry-after')]).toEqual([503, '1']);
    expect(refused.field('proxy-status')).toBe('fermat; error=http_request_denied; details="requests"');
    expect(refused.field('connection')).toBeNull(); // the connection is none too many
    held.shift()!.answer();
    await Promise.any(holders.map((client) => client.answer()));
    // The last byte of an answer may be here a moment before its request is counted out.
    const client = await connected('127.0.2.1');
    await until(async () => {
      await client.send(ask('high'));
      await until(() => held.length === 20 || client.pending.length > 0, 'the next request, or a refusal');
      if (held.length < 20) expect((await client.answer()).status).toBe(503);
      return held.length === 20;
    }, 'the next request to be served');
    release();
    expect((await client.answer()).status).toBe(200);
    expect(await fermat.metric('fermat_shed_total', 'route="high/"', 'reason="requests"')).toBeGreaterThan(0);
  });

  it('at the node: low routes leave a fifth of them to others, normal ones a tenth to high ones', async () => {
    await hold('low', 16);
    expect((await answerOf('low', '127.0.2.1')).status).toBe(503);
    await hold('plain', 2, (i) => `127.0.3.${i + 1}`);
    expect((await answerOf('plain', '127.0.2.1')).status).toBe(503);
    await hold('high', 2, (i) => `127.0.4.${i + 1}`);
    expect((await answerOf('high', '127.0.2.1')).status).toBe(503);
  });

  it('of a client: one too many is a 429, and other clients do not notice', async () => {
    await hold('high', 12, () => '127.0.1.1');
    const refused = await answerOf('high', '127.0.1.1');
    expect([refused.status, refused.field('retry-after')]).toEqual([429, '1']);
    expect(refused.field('proxy-status')).toBe('fermat; error=http_request_denied; details="client"');
    await hold('high', 1, () => '127.0.1.2');
  });

  it('of a client that a trusted proxy names are that client’s, a whole IPv6 /64 as one', async () => {
    origin.script = (request) => held.push(request);
    for (let i = 0; i < 12; i++) {
      const client = await connected('127.0.0.9');
      await client.send(ask('high', `X-Forwarded-For: 2001:db8:0:7::${i + 1}\r\n`));
    }
    await until(() => held.length === 12, 'twelve requests at the endpoint');
    const forwardedFor = (address: string) => answerOf('high', '127.0.0.9', `X-Forwarded-For: ${address}\r\n`);
    expect((await forwardedFor('2001:db8:0:7:a::1')).status).toBe(429);
    release();
    expect((await forwardedFor('2001:db8:0:8::1')).status).toBe(200);
  });

  it('in a pool: one too many is a 503, and other pools do not notice', async () => {
    await hold('narrow', 3);
    const refused = await answerOf('narrow', '127.0.2.1');
    expect(refused.status).toBe(503);
    expect(refused.field('proxy-status')).toBe('fermat; error=http_request_denied; details="pool"');
    await hold('plain', 1, () => '127.0.2.2');
    release();
    await until(async () => (await answerOf('narrow', '127.0.2.1')).status === 200);
  });

  it('of aborted requests are none: a limit is no less for them', async () => {
    for (let round = 0; round < 4; round++) {
      for (const client of await hold('high', 10)) client.reset();
      await until(() => held.every((request) => request.connection.isClosed), 'the aborts at the endpoint');
      await until(async () => (await fermat.metric('fermat_connections')) === 0, 'the end of all connections');
      held.length = 0;
    }
    await hold('high', 20);
  });
});

describe('requests sent to one endpoint', () => {
  it('wait for their turn over the connections there are, and all are served', async () => {
    const order: string[] = [];
    let atOnce = 0;
    let most = 0;
    origin.script = async (request) => {
      most = Math.max(most, ++atOnce);
      order.push(request.target);
      await delay(30);
      atOnce--;
      request.answer();
    };
    const asking = await Promise.all(Array.from({ length: 8 }, (_, i) => connected(`127.0.1.${i + 1}`)));
    for (const client of asking) await client.send(ask('single'));
    const answers = await Promise.all(asking.map((client) => client.answer()));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(order).toHaveLength(8);
    expect(most).toBeLessThanOrEqual(2); // one for each of two workers
    expect(new Set(origin.requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2);
  });

  it('wait no longer than the queue’s time-out, then there is a 503, counted', async () => {
    await hold('single', 1, () => '127.0.1.1');
    using watch = new Stopwatch();
    // Two more: one of them may be the other worker's.
    const waiting = await Promise.all([1, 2, 3].map((i) => connected(`127.0.2.${i}`)));
    for (const client of waiting) await client.send(ask('single'));
    const first = await Promise.any(waiting.map((client) => client.answer()));
    const tookMs = watch.ms;
    expect([first.status, first.field('retry-after')]).toEqual([503, '1']);
    expect(tookMs).toBeGreaterThan(290);
    expect(tookMs).toBeLessThan(watch.allowed(1500));
    expect(await fermat.metric('fermat_shed_total', 'route="single/"', 'reason="endpoint"')).toBeGreaterThan(0);
  });

  it('are turned away at once where there is no queue', async () => {
    origin.script = (request) => held.push(request);
    const asking = await Promise.all(Array.from({ length: 12 }, (_, i) => connected(`127.0.1.${i + 1}`)));
    for (const client of asking) await client.send(ask('double'));
    await until(() => held.length >= 2, 'what may go');
    const refused = asking.filter((client) => client.pending.length > 0).length;
    await until(() => asking.filter((client) => client.pending.length > 0).length === 12 - held.length, 'the rest');
    expect(refused).toBeLessThanOrEqual(10);
    expect(held.length).toBeLessThanOrEqual(4); // two for each worker
    for (const client of asking.filter(({ pending }) => pending.length > 0))
      expect((await client.answer()).status).toBe(503);
  });

  it('do not include tunnels that have been opened: a WebSocket leaves room for the next request', async () => {
    origin.script = (request) => {
      if (request.field('upgrade') === null) return request.answer();
      request.tunnel(() => {});
      request.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    };
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    for (let i = 0; i < 4; i++) expect((await answerOf('single', `127.0.1.${i + 1}`, upgrade)).status).toBe(101);
    for (let i = 0; i < 4; i++) expect((await answerOf('single', `127.0.2.${i + 1}`)).status).toBe(200);
  });
});

describe('a reload', () => {
  it('changes limits for requests from then on, and forgets none of those under way', async () => {
    await hold('high', 4);
    fermat.writeConfig({ ...config(), limits: { requests: 5 } });
    await fermat.admin('/api/v1/reload', { method: 'POST' });
    await hold('high', 1, () => '127.0.2.1');
    expect((await answerOf('high', '127.0.2.2')).status).toBe(503);
    release();
    fermat.writeConfig(config());
    await fermat.admin('/api/v1/reload', { method: 'POST' });
    expect((await answerOf('high', '127.0.2.2')).status).toBe(200);
  });
});
