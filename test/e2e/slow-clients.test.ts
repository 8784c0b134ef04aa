// Clients that are slow on purpose, over HTTP/1.1, TLS and HTTP/2 alike: each has its time, however it spends it, and the endpoint
// it keeps waiting is not blamed for what comes of that.

import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { h2Client } from '../support/h2.ts';
import { E, F, frame, getFields, headers, PREFACE, ping, S, settings, T } from '../support/h2-frames.ts';
import { writeFields } from '../support/hpack.ts';
import { type Origin, type OriginRequest, startOrigin } from '../support/origin.ts';
import { Pki, tlsClient, tlsListener } from '../support/pki.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const HEAD_MS = 600;
const IDLE_MS = 900;
/** Time-outs are taken off a coarse wheel, on a busy machine: never early, late by no more than this. */
const LATE_MS = 900;
const LARGE = 'x'.repeat(16 << 20);

let fermat: Fermat;
let origin: Origin;
const pki = new Pki();

beforeAll(async () => {
  origin = await startOrigin();
  const certificate = pki.issue('example.com', { san: 'DNS:example.com' });
  fermat = await startFermat(
    simpleConfig(
      [origin.url],
      { retry: { attempts: 0 } },
      {
        listeners: [{ name: 'http', address: '127.0.0.1:0' }, tlsListener([certificate])],
        limits: { headTimeout: `${HEAD_MS}ms`, idleTimeout: `${IDLE_MS}ms`, bodyTimeout: '20s' },
      },
    ),
  );
});
afterAll(async () => {
  await fermat.stop();
  await origin.refuse();
  pki[Symbol.dispose]();
});

afterEach(() => {
  origin.reset();
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});

const ways: [string, () => Promise<RawClient>][] = [
  ['HTTP/1.1', () => rawClient(fermat.port)],
  ['HTTP/1.1 over TLS', () => tlsClient(fermat.ports.https!, { servername: 'example.com' })],
];

const failures = () => fermat.metric('fermat_upstream_failures_total');

async function msUntil(what: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await what;
  return performance.now() - startMs;
}

/** Says something every `everyMs` until told to stop. */
function dripping(say: () => void, everyMs: number): Disposable {
  const timer = setInterval(say, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

describe('a connection on which nothing is asked', () => {
  it.each(ways)('has its time, though blank lines come all the while, over %s', async (_, connect) => {
    using client = await connect();
    using _drip = dripping(() => client.socket.write('\r\n'), 250);
    const tookMs = await msUntil(client.closed());
    expect(tookMs).toBeGreaterThan(IDLE_MS - 100);
    expect(tookMs).toBeLessThan(IDLE_MS + LATE_MS);
  });

  it.each(ways)('has it anew behind every answer, over %s', async (_, connect) => {
    using client = await connect();
    for (let i = 0; i < 4; i++) {
      await delay(IDLE_MS - 350);
      await client.send(get());
      expect((await client.answer()).status).toBe(200);
    }
  });

  it('has its time, though PINGs are exchanged all the while, over HTTP/2', async () => {
    using client = await h2Client(fermat.port);
    using _drip = dripping(() => client.send(ping()), 100);
    let code = -1;
    const tookMs = await msUntil(client.ended().then((c) => (code = c)));
    expect(code).toBe(E.NO_ERROR);
    expect(tookMs).toBeGreaterThan(IDLE_MS - 100);
    expect(tookMs).toBeLessThan(IDLE_MS + LATE_MS);
  });
});

describe('a client that is gone without a word', () => {
  it('is asked by the kernel whether it is there, though nothing else is timed', async () => {
    origin.script = () => {};
    using client = await rawClient(fermat.port);
    await client.send(get());
    const request = await origin.nth(1);
    // Of our side of the connection: which timer runs (2 = keep-alive), and when it is due, in ticks of 10 ms.
    const [local, remote] = [fermat.port, client.socket.localPort!].map((port) =>
      port.toString(16).toUpperCase().padStart(4, '0'),
    );
    const line = readFileSync('/proc/net/tcp', 'latin1').match(
      new RegExp(`:${local} \\S+:${remote} 01 \\S+ (\\w\\w):(\\w+)`),
    );
    expect(line?.[1]).toBe('02');
    expect(Number.parseInt(line![2]!, 16)).toBeGreaterThan(5000);
    expect(Number.parseInt(line![2]!, 16)).toBeLessThanOrEqual(6000);
    request.answer();
    expect((await client.answer()).status).toBe(200);
  });
});

describe('a head that comes byte by byte', () => {
  const section = writeFields([...getFields(), ...Array.from({ length: 40 }, (_, i) => [`x-${i}`, 'y'] as const)]);
  const pieces = (): Buffer[] => [
    frame(T.HEADERS, F.END_STREAM, 1, section.subarray(0, 9)),
    ...Array.from({ length: 15 }, (_, i) => frame(T.CONTINUATION, 0, 1, section.subarray(9 + i, 10 + i))),
  ];

  it('has its time over HTTP/2, whether in one frame or in many CONTINUATIONs', async () => {
    for (const bytes of [
      pieces(),
      [...frame(T.HEADERS, F.END_STREAM | F.END_HEADERS, 1, section)].map((b) => Buffer.of(b)),
    ]) {
      using client = await h2Client(fermat.port);
      let at = 0;
      using _drip = dripping(() => at < bytes.length && client.send(bytes[at++]!), 50);
      let code = -1;
      const tookMs = await msUntil(client.ended().then((c) => (code = c)));
      expect(code).toBe(E.ENHANCE_YOUR_CALM);
      expect(tookMs).toBeGreaterThan(HEAD_MS - 100);
      expect(tookMs).toBeLessThan(HEAD_MS + LATE_MS);
    }
  });

  it('has its time in the preface of HTTP/2, too', async () => {
    using client = await rawClient(fermat.port);
    let at = 0;
    using _drip = dripping(() => at < 20 && client.socket.write(PREFACE.subarray(at, ++at)), 60);
    expect(await msUntil(client.closed())).toBeLessThan(HEAD_MS + LATE_MS);
  });

  it('keeps nobody waiting who never acknowledges SETTINGS', async () => {
    using client = await h2Client(fermat.port, { isBare: true });
    const stream = client.stream(client.id());
    client.send(PREFACE, settings(), headers(stream.id, getFields(), F.END_STREAM));
    expect((await client.over(stream)).status).toBe(200);
  });
});

describe('a client that does not read', () => {
  const flooding = (request: OriginRequest) => request.answer(200, LARGE);

  it.each(ways)('is let go over %s, and its endpoint not blamed', async (_, connect) => {
    origin.script = flooding;
    const before = await failures();
    using client = await connect();
    client.socket.pause();
    await client.send(get());
    const request = await origin.nth(1);
    expect(await msUntil(until(() => request.connection.isClosed, 'the end'))).toBeLessThan(IDLE_MS + 2 * LATE_MS);
    expect(await failures()).toBe(before);
  });

  it('is let go over HTTP/2, whatever it sends meanwhile', async () => {
    origin.script = flooding;
    using client = await h2Client(fermat.port, { settings: [[S.WINDOW, 0x7fff_ffff]] });
    client.socket.pause();
    client.request();
    const request = await origin.nth(1);
    const rest = ping();
    let at = 0;
    using _drip = dripping(() => client.socket.write(rest.subarray(at % rest.length, (at++ % rest.length) + 1)), 50);
    expect(await msUntil(until(() => request.connection.isClosed, 'the end'))).toBeLessThan(IDLE_MS + 2 * LATE_MS);
  });

  it('gets its stream reset when it opens no window, and keeps the others', async () => {
    origin.script = (request) => request.answer(200, request.target === '/large' ? LARGE : 'ok');
    using client = await h2Client(fermat.port, { isGreedy: false });
    const stuck = client.request(getFields('/large'));
    let resetMs = 0;
    const startMs = performance.now();
    while (!stuck.isOver && performance.now() - startMs < 5000) {
      expect((await client.over(client.request(getFields('/small'), null))).id).toBeGreaterThan(1);
      client.open(0, 16);
      await delay(100);
    }
    resetMs = performance.now() - startMs;
    expect(client.framesOf(T.RST_STREAM, stuck.id).length).toBe(1);
    expect(resetMs).toBeGreaterThan(IDLE_MS - 100);
    expect(resetMs).toBeLessThan(IDLE_MS + 2 * LATE_MS);
  });

  it.each(ways)('is let go in a tunnel over %s', async (_, connect) => {
    origin.script = (request) => {
      request.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      request.tunnel(() => {});
      request.send(LARGE);
    };
    using client = await connect();
    await client.send(
      'GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n',
    );
    await client.answer();
    client.socket.pause();
    const request = origin.requests.at(-1)!;
    expect(await msUntil(until(() => request.connection.isClosed, 'the end'))).toBeLessThan(IDLE_MS + 2 * LATE_MS);
  });
});
