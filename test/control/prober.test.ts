import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nowMs } from '../../src/clock.ts';
import { createEventLog } from '../../src/control/events.ts';
import { Names } from '../../src/control/names.ts';
import { Prober } from '../../src/control/prober.ts';
import type { ProbeResult, ProbeSpec } from '../../src/control/types.ts';
import type { EndpointSpec, PoolSpec, Snapshot, TlsSpec } from '../../src/core/snapshot.ts';

const SPEC: ProbeSpec = {
  type: 'http',
  service: '',
  method: 'GET',
  path: '/health',
  host: null,
  intervalMs: 40,
  timeoutMs: 1000,
  expectStatus: [[200, 399]],
  expectBody: null,
  rise: 2,
  fall: 3,
};
const NO_TLS: TlsSpec = { ca: null, cert: null, key: null, serverName: null, verify: true };

// --- origins -------------------------------------------------------------------------------------------------------

const servers: { server: Server; sockets: Set<Socket> }[] = [];

/** Listens on 127.0.0.1 (or a UNIX socket) and is gone after the test. */
async function listen<S extends Server>(server: S, path?: string): Promise<S> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  servers.push({ server, sockets });
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  return server;
}

const origin = (handler: RequestListener) => listen(createHttp(handler));
const rawOrigin = (handler: (socket: Socket) => void) => listen(createTcp(handler));
const portOf = (server: Server) => (server.address() as AddressInfo).port;
const openSockets = (server: Server) => servers.find((entry) => entry.server === server)!.sockets.size;

// --- the prober under test -----------------------------------------------------------------------------------------

let slots = 0;

function endpointAt(at: number | string, fields: Partial<EndpointSpec> = {}): EndpointSpec {
  const slot = slots++;
  const isPath = typeof at === 'string';
  return {
    uid: slot,
    id: `e${slot}`,
    url: '',
    slot,
    generation: 1,
    scheme: 'http',
    host: isPath ? '' : '127.0.0.1',
    port: isPath ? 0 : at,
    socketPath: isPath ? at : null,
    authority: isPath ? 'localhost' : `127.0.0.1:${at}`,
    region: null,
    location: null,
    weight: 1,
    capacity: 0,
    egressUsdPerGb: 0,
    labels: {},
    ...fields,
  };
}

/** As much of a Snapshot as the prober reads. */
function snapshotOf(endpoints: readonly EndpointSpec[], tls: TlsSpec = NO_TLS): Snapshot {
  const pool = { name: 'pool', endpoints: endpoints.map((_, i) => i), tls } as unknown as PoolSpec;
  return { pools: [pool], endpoints } as unknown as Snapshot;
}

interface Seen {
  readonly slot: number;
  readonly generation: number;
  readonly result: ProbeResult;
}

class Bench {
  readonly seen: Seen[] = [];
  readonly events = createEventLog({ level: 'silent' });
  readonly names = new Names({ clock: nowMs });
  readonly prober: Prober;
  #wake: () => void = () => undefined;
  onResult: (seen: Seen) => void = () => undefined;

  constructor() {
    this.prober = new Prober({
      clock: nowMs,
      names: this.names,
      random: Math.random,
      events: this.events,
      onResult: (slot, generation, result) => {
        const seen = { slot, generation, result };
        this.seen.push(seen);
        this.#wake();
        this.onResult(seen);
      },
    });
    benches.push(this);
  }

  install(endpoints: readonly EndpointSpec[], spec: Partial<ProbeSpec> = {}, tls: TlsSpec = NO_TLS): void {
    this.prober.install(snapshotOf(endpoints, tls), new Map([['pool', { ...SPEC, ...spec }]]));
  }

  /** Resolves when so many results are in. */
  async results(count: number): Promise<readonly ProbeResult[]> {
    while (this.seen.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.seen.map((seen) => seen.result);
  }
}

const benches: Bench[] = [];

/** The first results of one endpoint. */
async function probed(
  endpoint: EndpointSpec,
  spec: Partial<ProbeSpec> = {},
  tls: TlsSpec = NO_TLS,
  count = 1,
): Promise<readonly ProbeResult[]> {
  const bench = new Bench();
  bench.install([endpoint], spec, tls);
  const results = await bench.results(count);
  await bench.prober.stop();
  return results.slice(0, count);
}

afterEach(async () => {
  const done = benches.splice(0);
  await Promise.all(done.map((bench) => bench.prober.stop()));
  for (const bench of done) bench.names.close();
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'fermat-prober-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const until = async (isTrue: () => boolean): Promise<void> => {
  for (let i = 0; i < 1000 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isTrue()).toBe(true);
};

// --- what a probe measures -----------------------------------------------------------------------------------------

describe('a probe that succeeds', () => {
  test('times connect and first byte apart: a slow answer is no slow network', async () => {
    const server = await origin((_request, response) => setTimeout(() => response.end('ok'), 80));
    const [result] = await probed(endpointAt(portOf(server)));
    expect(result).toMatchObject({ ok: true, status: 200, dnsMs: null, tlsMs: null, error: null, failure: null });
    expect(result!.firstByteMs).toBeGreaterThanOrEqual(78);
    expect(result!.connectMs).toBeLessThan(60);
    expect(result!.atMs).toBeLessThanOrEqual(nowMs());
  });

  test('connects anew every time, and asks on the connection of the first from the second on', async () => {
    const ports: (number | undefined)[] = [];
    const server = await origin((request, response) => {
      ports.push(request.socket.remotePort);
      response.end('ok');
    });
    const results = await probed(endpointAt(portOf(server)), {}, NO_TLS, 4);
    expect(results.map((result) => result.warm)).toEqual([false, true, true, true]);
    expect(new Set(ports).size).toBe(1);
    for (const result of results) expect(result.connectMs).toBeGreaterThan(0);
  });

  test('renews the warm connection now and then, for a balancer behind it has more than one server', async () => {
    const server = await origin((_request, response) => response.end('ok'));
    const results = await probed(endpointAt(portOf(server)), { intervalMs: 20 }, NO_TLS, 12);
    expect(results.filter((result) => !result.warm)).toHaveLength(2);
    expect(results.every((result) => result.ok)).toBe(true);
  });

  test('leaves nothing but the warm connection open at the endpoint', async () => {
    const server = await origin((_request, response) => response.end('ok'));
    const bench = new Bench();
    bench.install([endpointAt(portOf(server))]);
    await bench.results(6);
    await until(() => openSockets(server) === 1);
  });

  test('takes an endpoint that closes after every answer as it is', async () => {
    const server = await origin((_request, response) => response.setHeader('connection', 'close').end('ok'));
    const results = await probed(endpointAt(portOf(server)), {}, NO_TLS, 3);
    expect(results.map((result) => [result.ok, result.warm])).toEqual(Array(3).fill([true, false]));
  });

  test('does not blame the endpoint for closing an idle connection', async () => {
    const server = await rawOrigin((socket) => {
      let asked = 0;
      socket.on('data', () => {
        // Says nothing on the second request: what a server does whose keep-alive just ran out.
        if (asked++ > 0) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const results = await probed(endpointAt(portOf(server)), {}, NO_TLS, 4);
    expect(results.map((result) => [result.ok, result.warm, result.error])).toEqual(Array(4).fill([true, false, null]));
  });

  test('sends the configured request, and asks for nothing else', async () => {
    const heads: unknown[] = [];
    const server = await origin(({ method, url, headers }, response) => {
      heads.push([method, url, headers.host, headers['user-agent']]);
      response.end();
    });
    await probed(endpointAt(portOf(server)), { method: 'HEAD', path: '/up?x=1', host: 'shop.example' }, NO_TLS, 2);
    expect(heads.slice(0, 2)).toEqual(Array(2).fill(['HEAD', '/up?x=1', 'shop.example', 'fermat-probe']));
  });

  test('does not follow a redirect: a status in the range is good', async () => {
    let asked = 0;
    const server = await origin((_request, response) => {
      asked++;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect((await probed(endpointAt(portOf(server))))[0]).toMatchObject({ ok: true, status: 302 });
    expect(asked).toBe(1);
  });

  test('waits past interim answers', async () => {
    const server = await rawOrigin((socket) => {
      socket.on('data', () => {
        socket.write('HTTP/1.1 103 Early Hints\r\n\r\n');
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    expect((await probed(endpointAt(portOf(server))))[0]).toMatchObject({ ok: true, status: 200 });
  });

  test('is content with the head when the body never ends', async () => {
    const server = await origin((_request, response) => response.writeHead(200).write('data: 1\n\n'));
    expect((await probed(endpointAt(portOf(server)), { timeoutMs: 100 }))[0]).toMatchObject({ ok: true, status: 200 });
  });

  test('reaches a UNIX socket', async () => {
    const path = join(scratch, 'origin.sock');
    await listen(
      createHttp((_request, response) => response.end('ok')),
      path,
    );
    const [result] = await probed(endpointAt(path));
    expect(result).toMatchObject({ ok: true, status: 200, dnsMs: null });
    expect(result!.connectMs).not.toBeNull();
  });

  test('reaches a name whose first address does not answer', async () => {
    const server = await origin((_request, response) => response.end('ok'));
    const results = await probed(endpointAt(portOf(server), { host: 'localhost' }), {}, NO_TLS, 2);
    expect(results[0]).toMatchObject({ ok: true, dnsMs: expect.any(Number) });
    // The name is remembered for a while.
    expect(results[1]).toMatchObject({ ok: true, dnsMs: null });
  });

  test('speaks HTTP/2 to an endpoint that is configured so', async () => {
    const server = await listen(createHttp2((_request, response) => response.end('ok')) as unknown as Server);
    const results = await probed(endpointAt(portOf(server), { scheme: 'h2c' }), {}, NO_TLS, 2);
    expect(results[1]).toMatchObject({ ok: true, status: 200, warm: true });
  });

  test('of type tcp connects, and no more', async () => {
    let bytes = 0;
    const server = await rawOrigin((socket) => {
      socket.on('data', (chunk) => (bytes += chunk.length));
    });
    const results = await probed(endpointAt(portOf(server)), { type: 'tcp' }, NO_TLS, 3);
    for (const result of results) expect(result).toMatchObject({ ok: true, status: null, firstByteMs: null });
    expect(results[2]!.connectMs).toBeGreaterThan(0);
    expect(bytes).toBe(0);
    await until(() => openSockets(server) === 0);
  });
});

describe('a probe that fails says how', () => {
  test.each(['http', 'tcp'] as const)('refused (%s)', async (type) => {
    const server = await rawOrigin(() => undefined);
    const port = portOf(server);
    server.close();
    const [result] = await probed(endpointAt(port), { type });
    expect(result).toMatchObject({ ok: false, failure: 'connect', error: 'connect ECONNREFUSED', connectMs: null });
  });

  test('no such UNIX socket', async () => {
    const [result] = await probed(endpointAt(join(scratch, 'none.sock')));
    expect(result).toMatchObject({ ok: false, failure: 'connect', error: 'connect ENOENT' });
  });

  test('no such name', async () => {
    const [result] = await probed(endpointAt(80, { host: 'bad..name' }), { timeoutMs: 5000 });
    expect(result).toMatchObject({ ok: false, failure: 'dns', error: expect.stringMatching(/^dns /), connectMs: null });
  });

  test('silent', async () => {
    const server = await rawOrigin(() => undefined);
    const [result] = await probed(endpointAt(portOf(server)), { timeoutMs: 120 });
    expect(result).toMatchObject({ ok: false, failure: 'timeout', error: 'no answer in 120ms', status: null });
    expect(result!.connectMs).toBeGreaterThan(0);
    expect(nowMs() - result!.atMs).toBeGreaterThanOrEqual(119);
  });

  test('closing and resetting before an answer, and in the middle of one', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf';
    const cases: [(socket: Socket) => void, RegExp][] = [
      [(socket) => socket.resetAndDestroy(), /^connection reset before an answer$/],
      [(socket) => socket.end(), /^connection closed before an answer$/],
      [(socket) => socket.write(head, () => setTimeout(() => socket.resetAndDestroy(), 20)), /middle of the answer$/],
      [(socket) => socket.end(head), /^connection closed in the middle of the answer$/],
    ];
    for (const [answer, error] of cases) {
      const server = await rawOrigin((socket) => socket.on('data', () => answer(socket)));
      const [result] = await probed(endpointAt(portOf(server)));
      expect(result).toMatchObject({ ok: false, failure: 'protocol', error: expect.stringMatching(error) });
    }
  });

  test('garbage', async () => {
    for (const garbage of ['SSH-2.0-OpenSSH_9.2\r\n', '\0\x01\x02\x03garbage\r\n\r\n', 'HTTP/1.1 abc\r\n\r\n']) {
      const server = await rawOrigin((socket) => socket.on('data', () => socket.write(garbage)));
      const [result] = await probed(endpointAt(portOf(server)));
      expect(result).toMatchObject({ ok: false, failure: 'protocol', error: expect.stringMatching(/^bad HTTP: \w/) });
    }
  });

  test('a wrong status, on a connection that stays warm', async () => {
    const server = await origin((_request, response) => response.writeHead(503).end('busy'));
    const results = await probed(
      endpointAt(portOf(server)),
      {
        expectStatus: [
          [200, 204],
          [301, 301],
        ],
      },
      NO_TLS,
      2,
    );
    for (const result of results) {
      expect(result).toMatchObject({
        ok: false,
        failure: 'status',
        status: 503,
        error: 'status 503, expected 200-204, 301',
      });
      expect(result.firstByteMs).toBeGreaterThan(0);
    }
    expect(results[1]!.warm).toBe(true);
  });

  test('a body that lacks what is expected', async () => {
    const server = await origin((_request, response) => response.end('all is lost'));
    const [result] = await probed(endpointAt(portOf(server)), { expectBody: 'all is well' });
    expect(result).toMatchObject({ ok: false, failure: 'body', status: 200, error: 'body lacks "all is well"' });
  });

  test('an expected body that does not come in time', async () => {
    const server = await origin((_request, response) => response.writeHead(200).write('all is'));
    const [result] = await probed(endpointAt(portOf(server)), { expectBody: 'all is well', timeoutMs: 100 });
    expect(result).toMatchObject({ ok: false, failure: 'timeout', error: 'body not complete in 100ms' });
  });
});

test('the expected text is looked for in the first 64 KiB, however the body is cut', async () => {
  const answer = (before: number) =>
    origin((_request, response) => {
      response.write('x'.repeat(before));
      response.write('all is ');
      setTimeout(() => response.end(`well${'y'.repeat(1 << 20)}`), 10);
    });
  const spec = { expectBody: 'all is well' };
  expect((await probed(endpointAt(portOf(await answer(65_536 - 11))), spec))[0]).toMatchObject({ ok: true });
  expect((await probed(endpointAt(portOf(await answer(65_536 - 10))), spec))[0]).toMatchObject({
    ok: false,
    failure: 'body',
  });
});

// --- TLS -----------------------------------------------------------------------------------------------------------

describe('https', () => {
  let good: { cert: string; key: string };
  let expired: { cert: string; key: string };

  function certificate(name: string, days: string): { cert: string; key: string } {
    const file = (ending: string) => join(scratch, `${name}.${ending}`);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file('key'));
    const subject = ['-subj', '/CN=origin.test', '-addext', 'subjectAltName=DNS:origin.test,IP:127.0.0.1'];
    openssl('req', '-new', '-key', file('key'), '-out', file('csr'), ...subject);
    openssl(
      'x509',
      '-req',
      '-in',
      file('csr'),
      '-signkey',
      file('key'),
      '-days',
      days,
      '-copy_extensions',
      'copy',
      '-out',
      file('pem'),
    );
    return { cert: readFileSync(file('pem'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
  }

  beforeAll(() => {
    good = certificate('good', '2');
    expired = certificate('expired', '-1');
  });

  const secure = (pair: { cert: string; key: string }) =>
    listen(createHttps(pair, (_request, response) => response.end('ok')) as unknown as Server);
  const https = (server: Server, fields: Partial<EndpointSpec> = {}) =>
    endpointAt(portOf(server), { scheme: 'https', ...fields });

  test('is verified with the pool’s CA, by address or by name, and the handshake is timed by itself', async () => {
    const server = await secure(good);
    for (const serverName of [null, 'origin.test']) {
      const results = await probed(https(server), {}, { ...NO_TLS, ca: good.cert, serverName }, 2);
      expect(results.map((result) => [result.ok, result.warm, result.error])).toEqual([
        [true, false, null],
        [true, true, null],
      ]);
      for (const result of results) {
        expect(result.tlsMs).toBeGreaterThan(0);
        expect(result.connectMs).toBeGreaterThan(0);
      }
    }
  });

  test.each([
    ['self-signed', () => good, NO_TLS, 'self-signed certificate'],
    ['for another name', () => good, { ...NO_TLS, serverName: 'other.test' }, 'certificate is for another name'],
    ['expired', () => expired, NO_TLS, 'certificate has expired'],
  ])('fails when the certificate is %s', async (_what, pair, tls, error) => {
    const ca = error === 'self-signed certificate' ? null : pair().cert;
    const [result] = await probed(https(await secure(pair())), {}, { ...tls, ca });
    expect(result).toMatchObject({ ok: false, failure: 'tls', error, tlsMs: null, status: null });
    expect(result!.connectMs).toBeGreaterThan(0);
  });

  test('takes any certificate where the pool says so', async () => {
    const [result] = await probed(https(await secure(expired)), {}, { ...NO_TLS, verify: false });
    expect(result).toMatchObject({ ok: true, status: 200 });
  });

  test('fails at an endpoint that speaks plain HTTP, is silent, or hangs up, and never falls back', async () => {
    let asked = 0;
    const plain = await origin((_request, response) => {
      asked++;
      response.end('ok');
    });
    expect((await probed(https(plain)))[0]).toMatchObject({
      ok: false,
      failure: 'tls',
      error: expect.stringMatching(/^no TLS there/),
    });
    expect(asked).toBe(0);
    const silent = await rawOrigin(() => undefined);
    const [late] = await probed(https(silent), { timeoutMs: 100 });
    expect(late).toMatchObject({ ok: false, failure: 'tls', error: 'tls: no answer in 100ms' });
    const rude = await rawOrigin((socket) => socket.once('data', () => socket.destroy()));
    const [cut] = await probed(https(rude));
    expect(cut).toMatchObject({ ok: false, failure: 'tls', error: 'connection closed during the TLS handshake' });
  });

  test('fails, and does not throw, with a CA that is no certificate', async () => {
    const [result] = await probed(
      https(await secure(good)),
      {},
      { ...NO_TLS, ca: '-----BEGIN CERTIFICATE-----\nxx\n' },
    );
    expect(result).toMatchObject({ ok: false, failure: 'tls' });
  });
});

// --- the schedule --------------------------------------------------------------------------------------------------

describe('the schedule', () => {
  test('probes a new endpoint at once, five times quickly, then at its interval give or take a fifth', async () => {
    const server = await origin((_request, response) => response.end('ok'));
    const bench = new Bench();
    const startMs = nowMs();
    bench.install([endpointAt(portOf(server))], { intervalMs: 300 });
    const results = await bench.results(7);
    expect(results[0]!.atMs - startMs).toBeLessThan(150);
    const gaps = results.slice(1).map((result, i) => result.atMs - results[i]!.atMs);
    for (const gapMs of gaps.slice(0, 4)) expect(gapMs).toBeLessThan(0.7 * 300);
    for (const gapMs of gaps.slice(4)) expect(gapMs).toBeGreaterThanOrEqual(0.8 * 300 - 2);
  });

  test('never has two probes of one endpoint at a time, however slow it is', async () => {
    let running = 0;
    let most = 0;
    const server = await origin((_request, response) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        response.end('ok');
      }, 60);
    });
    const results = await probed(endpointAt(portOf(server)), { intervalMs: 10 }, NO_TLS, 6);
    expect(most).toBe(1);
    for (let i = 1; i < 6; i++) expect(results[i]!.atMs - results[i - 1]!.atMs).toBeGreaterThanOrEqual(58);
  });

  test('keeps the probes of endpoints that stay, with their connection, begins new ones and ends old ones', async () => {
    const ports = new Map<string, Set<number | undefined>>();
    const named = (name: string) => {
      ports.set(name, new Set());
      return origin((request, response) => {
        ports.get(name)!.add(request.socket.remotePort);
        response.end('ok');
      });
    };
    const [stays, goes, comes] = [await named('stays'), await named('goes'), await named('comes')];
    const [a, b, c] = [endpointAt(portOf(stays)), endpointAt(portOf(goes)), endpointAt(portOf(comes))];
    const bench = new Bench();
    bench.install([a, b], { intervalMs: 100 });
    await until(() => bench.seen.filter((seen) => seen.slot === a.slot).length >= 2);
    await until(() => bench.seen.some((seen) => seen.slot === b.slot));

    bench.seen.length = 0;
    bench.install([{ ...a }, c], { intervalMs: 100 });
    await until(() => bench.seen.filter((seen) => seen.slot === a.slot).length >= 2);
    await until(() => bench.seen.some((seen) => seen.slot === c.slot));
    expect(bench.seen.some((seen) => seen.slot === b.slot)).toBe(false);
    expect(bench.seen.find((seen) => seen.slot === a.slot)!.result.warm).toBe(true);
    expect(ports.get('stays')!.size).toBe(1);
    await until(() => openSockets(goes) === 0);
  });

  test('begins anew when the slot has another endpoint, or the probe another form', async () => {
    const server = await origin((_request, response) => response.end('ok'));
    const endpoint = endpointAt(portOf(server));
    const bench = new Bench();
    bench.install([endpoint]);
    await bench.results(2);
    bench.install([{ ...endpoint, generation: 2 }]);
    bench.seen.length = 0;
    await bench.results(1);
    expect(bench.seen[0]).toMatchObject({ generation: 2, result: { ok: true, warm: false } });
    bench.install([{ ...endpoint, generation: 2 }], { expectStatus: [[500, 599]] });
    bench.seen.length = 0;
    await bench.results(1);
    expect(bench.seen[0]!.result).toMatchObject({ ok: false, failure: 'status', warm: false });
  });

  test('does not probe pools that have no probe', async () => {
    let connections = 0;
    const server = await rawOrigin(() => connections++);
    const bench = new Bench();
    bench.prober.install(snapshotOf([endpointAt(portOf(server))]), new Map([['other', SPEC]]));
    const other = await origin((_request, response) => response.end('ok'));
    await probed(endpointAt(portOf(other)), {}, NO_TLS, 8);
    expect(connections).toBe(0);
  });

  test('goes on when who takes the results throws', async () => {
    const server = await origin((_request, response) => response.end('ok'));
    const bench = new Bench();
    bench.onResult = () => {
      throw new Error('not mine');
    };
    bench.install([endpointAt(portOf(server))]);
    await bench.results(3);
    expect(bench.events.recent()[0]).toMatchObject({ type: 'prober.failed', error: 'not mine' });
  });

  test('ends every probe, connection and timer with stop(), whatever they are doing, and reports no more', async () => {
    // It reads: what does not would not hear of the end.
    const silent = await rawOrigin((socket) => socket.resume());
    const endless = await origin((_request, response) => response.writeHead(200).write('x'));
    const fine = await origin((_request, response) => response.end('ok'));
    const bench = new Bench();
    const endpoints = [silent, endless, fine].map((server) => endpointAt(portOf(server)));
    bench.install([...endpoints, endpointAt(portOf(silent), { scheme: 'https' })], {
      timeoutMs: 60_000,
      intervalMs: 60_000,
    });
    await until(() => openSockets(silent) === 2 && openSockets(endless) === 1 && bench.seen.length === 1);
    await bench.prober.stop();
    const count = bench.seen.length;
    await until(() => [silent, endless, fine].every((server) => openSockets(server) === 0));
    bench.install(endpoints);
    expect(bench.seen.length).toBe(count);
    const busy = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap' || kind === 'TLSWrap');
    expect(busy).toEqual([]);
  });
});

test('a stall of our own loop is told, and what came late by it is not a failure', async () => {
  const server = await rawOrigin((socket) => {
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      // The whole process stands still for longer than the probe may take, with the answer already on its way.
      for (const endMs = nowMs() + 300; nowMs() < endMs; );
    });
  });
  const [result] = await probed(endpointAt(portOf(server)), { timeoutMs: 150 });
  expect(result).toMatchObject({ ok: true, stalled: true, status: 200 });
});

test('a time-out that our own loop is to blame for is not reported, and the next one is', async () => {
  const server = await rawOrigin(() => undefined);
  const bench = new Bench();
  bench.install([endpointAt(portOf(server))], { timeoutMs: 200, intervalMs: 100 });
  // Within the first probe, and beyond the grace that its deadline gets for being late.
  await until(() => openSockets(server) > 0);
  for (const endMs = nowMs() + 150; nowMs() < endMs; );
  const [first] = await bench.results(1);
  expect(first).toMatchObject({ ok: false, failure: 'timeout', stalled: false });
});
