// Endpoints that are called by name, in front of a real name server whose answers change, fail and come late. One port, several
// loopback addresses: which of them answered is what each answer says.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startBlackhole } from '../support/blackhole.ts';
import { type DnsServer, startDns } from '../support/dns.ts';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type NamedOptions, NamedOrigin } from '../support/named-origin.ts';
import { Pki } from '../support/pki.ts';
import { delay, until } from '../support/until.ts';

const HOST = 'shop.test';
const CRASH = '/crash';
const [A, B, C] = ['127.0.0.11', '127.0.0.12', '127.0.0.13'] as const;

let dns: DnsServer;
let fermat: Fermat | null = null;
const origins: NamedOrigin[] = [];
let port = 0;

beforeEach(async () => {
  dns = await startDns();
  port = 0;
});
afterEach(async () => {
  const died =
    fermat?.events.filter(({ type, error }) => type === 'worker.error' && !String(error).includes(CRASH)) ?? [];
  await fermat?.stop();
  fermat = null;
  await Promise.all(origins.splice(0).map((origin) => origin.stop().catch(() => {})));
  await dns.close().catch(() => {});
  expect(died).toEqual([]);
});

/** The first takes any port, the others the same. */
async function origin(address: string, options: NamedOptions = {}): Promise<NamedOrigin> {
  const one = await NamedOrigin.start(address, port, options);
  port = one.port;
  origins.push(one);
  return one;
}

const configOf = (pool: Config, scheme: string, resolver: DnsServer): Config => ({
  node: { id: 'test', resolvers: [resolver.address] },
  pools: { main: poolOf([`${scheme}://${HOST}:${port}`], pool) },
  routes: [{ pool: 'main' }],
});

async function start(pool: Config = {}, scheme = 'http', isUnready = false): Promise<Fermat> {
  fermat = await startFermat(configOf(pool, scheme, dns), { isUnready, env: { FERMAT_TEST_CRASH_PATH: CRASH } });
  return fermat;
}

async function ask(): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${fermat!.port}/`, { signal: AbortSignal.timeout(8000) });
  return `${response.status} ${await response.text()}`;
}

/** Requests at a steady rate; `stop` gives the answers, in the order of the requests. */
function load(everyMs: number): { stop(): Promise<string[]> } {
  const answers: Promise<string>[] = [];
  const timer = setInterval(() => answers.push(ask().catch((error) => `lost: ${error}`)), everyMs);
  return {
    stop: () => {
      clearInterval(timer);
      return Promise.all(answers);
    },
  };
}

interface Listening extends AsyncDisposable {
  readonly port: number;
  accepted: number;
}

async function listening(address: string, at: number, onSocket: (socket: Socket) => void): Promise<Listening> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    self.accepted++;
    open.add(socket.on('error', () => {}));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(at, address, resolve));
  const self = {
    port: (server.address() as AddressInfo).port,
    accepted: 0,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}

describe('an endpoint that is called by name', () => {
  it('is served over all of its addresses in turn, under its own name', async () => {
    const all = [await origin(A), await origin(B), await origin(C)];
    dns.set(HOST, [A, B, C], 60);
    await start({ timeouts: { connectionAge: '1ms' } }); // every request over a new connection
    for (let i = 0; i < 12; i++) expect(await ask()).toMatch(/^200 127/);
    expect(all.map(({ requests }) => requests)).toEqual([4, 4, 4]);
    expect(all[0]!.lastHost).toBe(`127.0.0.1:${fermat!.port}`);
  });

  it('loses nothing when one of two addresses is dead, and tries that one but now and then', async () => {
    const alive = await origin(A);
    dns.set(HOST, [A, B], 60);
    await start({ timeouts: { connectionAge: '1ms' } });
    const answers: string[] = [];
    for (let i = 0; i < 40; i++) answers.push(await ask());
    expect(new Set(answers)).toEqual(new Set([`200 ${A}`]));
    expect(alive.requests).toBe(40);
    expect(await fermat!.metric('fermat_retries_total')).toBe(0); // the attempt itself went on
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
  });

  it('loses nothing when one of two addresses takes no SYN: it gets its share of the time, once in a while', async () => {
    using hole = await startBlackhole();
    port = hole.port;
    await origin(A);
    dns.set(HOST, ['127.0.0.1', A], 60);
    await start({
      timeouts: { connect: '1s', connectionAge: '1ms' },
      probe: { type: 'tcp', interval: '1h', timeout: '3s' },
    });
    const times: number[] = [];
    using watch = new Stopwatch();
    for (let i = 0; i < 10; i++) {
      const startMs = performance.now();
      expect(await ask()).toBe(`200 ${A}`);
      times.push(performance.now() - startMs);
    }
    expect(times.filter((ms) => ms > 400)).toHaveLength(1);
    expect(Math.max(...times)).toBeLessThan(watch.allowed(900)); // half of the second, and some
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
  });

  it.each(['http', 'h2c'] as const)('moves with its address under load, and loses nothing (%s)', async (protocol) => {
    const before = await origin(A, { protocol, delayMs: 20 });
    const after = await origin(B, { protocol, delayMs: 20 });
    dns.set(HOST, [A], 1);
    await start({ timeouts: { idle: '1m' } }, protocol);
    const traffic = load(10);
    await until(() => before.requests > 50, 'traffic');
    dns.set(HOST, [B], 1);
    using watch = new Stopwatch();
    await until(() => after.requests > 0, 'a request at the new address');
    expect(watch.ms).toBeLessThan(watch.allowed(2000)); // TTL and a second
    await until(() => before.sockets.size === 0, 'the end of the connections to the old address');
    await delay(300);
    const answers = await traffic.stop();
    expect(answers.filter((answer) => !answer.startsWith('200 '))).toEqual([]);
    expect(answers.at(-1)).toBe(`200 ${B}`);
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
  });

  it('moves over TLS, and is verified by its name wherever it is', async () => {
    using pki = new Pki();
    const { certPem: cert, keyPem: key, cert: ca } = pki.issue('shop', { san: `DNS:${HOST}` });
    await origin(A, { protocol: 'https', cert, key });
    await origin(B, { protocol: 'https', cert, key });
    dns.set(HOST, [A], 1);
    await start({ tls: { ca } }, 'https');
    expect(await ask()).toBe(`200 ${A}`);
    dns.set(HOST, [B], 1);
    await until(async () => (await ask()) === `200 ${B}`, 'the new address');
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
  });

  it.each([['resets'], ['closes']])('loses nothing when one of two addresses %s whoever begins TLS', async (how) => {
    using pki = new Pki();
    const { certPem: cert, keyPem: key, cert: ca } = pki.issue('shop', { san: `DNS:${HOST}` });
    await origin(B, { protocol: 'https', cert, key });
    await using rude = await listening(A, port, (socket) => {
      socket.once('data', () => (how === 'resets' ? socket.resetAndDestroy() : socket.end()));
    });
    dns.set(HOST, [A, B], 60);
    await start({ tls: { ca }, timeouts: { connectionAge: '1ms' } }, 'https');
    for (let i = 0; i < 10; i++) expect(await ask()).toBe(`200 ${B}`);
    expect(rude.accepted).toBeLessThanOrEqual(5); // one request and the first probes, not every request: it is put last
    expect(await fermat!.metric('fermat_retries_total')).toBe(0); // the attempt itself went on
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
  });

  it('is found at its second address behind a PROXY header and TLS, when the first is dead', async () => {
    using pki = new Pki();
    const { certPem: cert, keyPem: key, cert: ca } = pki.issue('shop', { san: `DNS:${HOST}` });
    const inner = await NamedOrigin.start(C, 0, { protocol: 'https', cert, key });
    origins.push(inner);
    await using outer = await listening(B, 0, (socket) => {
      socket.once('data', (bytes: Buffer) => {
        const to = connect(inner.port, C).on('error', () => socket.destroy());
        to.write(bytes.subarray(bytes.indexOf('\r\n') + 2));
        socket.pipe(to).pipe(socket);
      });
    });
    port = outer.port;
    dns.set(HOST, [A, B], 60);
    await start({ tls: { ca }, proxyProtocol: 'v1', timeouts: { connectionAge: '1ms' } }, 'https', true);
    for (let i = 0; i < 10; i++) expect(await ask()).toBe(`200 ${C}`);
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
  });

  it('moves where each client has connections of its own', async () => {
    const before = await origin(A, { protocol: 'proxied' });
    await origin(B, { protocol: 'proxied' });
    dns.set(HOST, [A], 1);
    await start({ proxyProtocol: 'v1', timeouts: { idle: '1m' } });
    expect(await ask()).toBe(`200 ${A}`);
    dns.set(HOST, [B], 1);
    await until(async () => (await ask()) === `200 ${B}`, 'the new address');
    await until(() => before.sockets.size === 0, 'the end of the connections to the old address');
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
  });

  it('may have IPv6 addresses only', async () => {
    await origin('::1');
    dns.set(HOST, ['::1'], 60);
    await start();
    expect(await ask()).toBe('200 ::1');
  });

  it('is asked of other name servers when the configuration says so', async () => {
    await origin(A);
    await origin(B);
    dns.set(HOST, [A], 60);
    await start();
    expect(await ask()).toBe(`200 ${A}`);
    const other = await startDns();
    try {
      other.set(HOST, [B], 60);
      fermat!.writeConfig(configOf({}, 'http', other));
      expect(await fermat!.json('/api/v1/reload', { method: 'POST' })).toMatchObject({ ok: true });
      await until(async () => (await ask()) === `200 ${B}`, 'the other answer');
      // A configuration that is refused asks nobody.
      const { length } = dns.questions;
      fermat!.writeConfig({ ...configOf({}, 'http', dns), routes: [{ pool: 'none' }] });
      expect(await fermat!.json('/api/v1/reload', { method: 'POST' })).toMatchObject({ ok: false });
      expect(dns.questions).toHaveLength(length);
    } finally {
      await other.close();
    }
  });

  it('is known to a worker that takes the place of a dead one', async () => {
    await origin(A);
    dns.set(HOST, [A], 60);
    await start();
    expect(await ask()).toBe(`200 ${A}`);
    await fetch(`http://127.0.0.1:${fermat!.port}${CRASH}`).catch(() => {});
    const { length } = dns.questions;
    await until(async () => (await ask().catch(String)) === `200 ${A}`, 'an answer');
    expect(dns.questions).toHaveLength(length);
  });

  it('keeps what it has when the name server fails or is gone, and its probes go on', async () => {
    const only = await origin(A);
    dns.set(HOST, [A], 1);
    const http = { type: 'http', interval: '200ms', timeout: '500ms', fall: 2 };
    await start({ probe: http, timeouts: { connectionAge: '1ms' } });
    for (const fault of ['servfail', 'nxdomain', 'silence'] as const) {
      dns.zone.set(HOST, fault);
      await until(async () => (await fermat!.metric('fermat_dns_queries_total')) > 2, 'another question');
      expect(await ask()).toBe(`200 ${A}`);
    }
    await dns.close();
    const { requests } = only;
    await until(() => only.requests > requests + 5, 'more probes');
    expect(await ask()).toBe(`200 ${A}`);
    expect(await fermat!.json('/api/v1/endpoints')).toMatchObject([{ healthy: true }]);
  });

  it('is unhealthy while it has no address at the start, answers 502 or 503, and serves once it has one', async () => {
    await origin(A);
    const http = { type: 'http', interval: '200ms', timeout: '500ms', fall: 1, rise: 1 };
    await start({ probe: http }, 'http', true);
    await until(async () => {
      const [endpoint] = await fermat!.json<{ state: string; why: string }[]>('/api/v1/endpoints');
      return endpoint!.state === 'unhealthy' && endpoint!.why === 'dns ENOTFOUND';
    }, 'an unhealthy endpoint');
    expect(await ask()).toMatch(/^50[23] /);
    dns.set(HOST, [A], 60);
    await until(async () => (await ask()) === `200 ${A}`, 'an answer', 9000);
  });

  it('has its first requests wait for a slow first answer, for no longer than a connect may take', async () => {
    await origin(A);
    dns.set(HOST, [A], 60);
    dns.delayMs.set('A', 500).set('AAAA', 500);
    await start({ timeouts: { connect: '2s' } }, 'http', true);
    expect(await ask()).toBe(`200 ${A}`);
  });

  it('is a 502 with a DNS error when nothing is ever heard of its name', async () => {
    await origin(A);
    dns.zone.set(HOST, 'silence');
    await start({ timeouts: { connect: '300ms' } }, 'http', true);
    const response = await fetch(`http://127.0.0.1:${fermat!.port}/`);
    expect([response.status, response.headers.get('proxy-status')]).toEqual([502, 'fermat; error=dns_error']);
    expect(await fermat!.metric('fermat_upstream_failures_total', 'reason="dns"')).toBe(1);
  });
});

describe('the age of a connection', () => {
  it.each(['http', 'h2c'] as const)('ends it between two requests, never within one (%s)', async (protocol) => {
    const only = await origin(A, { protocol, delayMs: 100 });
    dns.set(HOST, [A], 60);
    await start({ timeouts: { connectionAge: '1s', idle: '1m' } }, protocol);
    const first = await ask();
    const [socket] = only.sockets;
    expect(first).toBe(`200 ${A}`);
    const traffic = load(50);
    await until(() => !only.sockets.has(socket!), 'the end of the first connection');
    expect(new Set(await traffic.stop())).toEqual(new Set([`200 ${A}`]));
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(0);
    await until(() => only.sockets.size === 0, 'the end of all others');
  });
});
