// How many handshakes begin at a time, who waits, and who makes room: real sockets, a plane of one's own.

import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CELL, HANDSHAKE_RESULTS } from '../../src/core/cells.ts';
import { Handshakes } from '../../src/data/handshakes.ts';
import type { Plane } from '../../src/data/plane.ts';
import { TlsContexts } from '../../src/data/tls.ts';
import { Wheel } from '../../src/data/wheel.ts';
import { Pki } from '../support/pki.ts';
import { until } from '../support/until.ts';

const IN_FLIGHT = 512;
const pki = new Pki();
const site = pki.issue('site', { san: 'DNS:site.test' });
const contexts = new TlsContexts(
  {
    certificates: [{ cert: site.certPem, key: site.keyPem, names: ['site.test'], expiresAtMs: 0 }],
    minVersion: '1.2',
    clientCa: null,
    alpn: ['http/1.1'],
  },
  'a',
  undefined,
);
let nowMs: number;
let wheel: Wheel;
let counts: Record<string, number>;
let closed: number;
let secured: TLSSocket[];
let held: number;
let server: Server;
let port: number;
const clients: Socket[] = [];

afterAll(() => pki[Symbol.dispose]());

beforeEach(async () => {
  nowMs = 0;
  closed = 0;
  held = 0;
  secured = [];
  counts = { ok: 0, resumed: 0, failed: 0, timeout: 0 };
  wheel = new Wheel(() => nowMs);
  // What of a plane a handshake uses; the clock is the test's.
  const plane = {
    wheel,
    limits: { headTimeoutMs: 10_000 },
    remember: () => void held++,
    forget: () => void held--,
    lane: {
      count: (kind: number, uid: number, result: number) => {
        expect([kind, uid]).toEqual([CELL.HANDSHAKES, 7]);
        counts[HANDSHAKE_RESULTS[result]!]!++;
      },
    },
  } as unknown as Plane;
  const handshakes = new Handshakes(plane);
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    handshakes.begin(
      accepted,
      contexts,
      7,
      (socket) => void secured.push(socket),
      () => void closed++,
    );
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const socket of secured) socket.destroy();
  await until(() => {
    advance(1000); // who still waits is not read, and so not seen to go
    return held === 0;
  }, 'the end of all');
  server.close();
});

/** Connections that say nothing. */
async function crowd(size: number): Promise<void> {
  for (let i = 0; i < size; i++) {
    const client = connectTcp(port, '127.0.0.1');
    client.on('error', () => {});
    clients.push(client);
  }
  const before = held;
  await until(() => held === before + size, 'the crowd');
}

function visitor(): TLSSocket {
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  client.on('error', () => {});
  clients.push(client);
  return client;
}

function advance(ms: number): void {
  for (const end = nowMs + ms; nowMs < end; ) {
    nowMs += 25;
    wheel.advance(nowMs);
  }
}

describe('handshakes', () => {
  it('go on beside silent clients as long as there is room', async () => {
    await crowd(IN_FLIGHT - 1);
    visitor();
    await until(() => secured.length === 1, 'the handshake');
    expect(counts).toEqual({ ok: 1, resumed: 0, failed: 0, timeout: 0 });
    expect(held).toBe(IN_FLIGHT - 1);
  });

  it('wait where there is none, and the oldest silent one makes room after a second, no sooner', async () => {
    await crowd(IN_FLIGHT);
    visitor();
    await until(() => held === IN_FLIGHT + 1, 'the visitor');
    advance(975);
    expect(closed).toBe(0);
    advance(50);
    await until(() => secured.length === 1, 'the handshake');
    expect(counts).toMatchObject({ ok: 1, timeout: 1 });
    expect(closed).toBe(1);
  });

  it('are given their whole time where nobody waits, and end with it', async () => {
    await crowd(3);
    advance(9975);
    expect(closed).toBe(0);
    advance(50);
    expect(closed).toBe(3);
    expect(counts).toEqual({ ok: 0, resumed: 0, failed: 0, timeout: 3 });
    expect(held).toBe(0);
  });

  it('of a client that goes leave room at once', async () => {
    await crowd(IN_FLIGHT);
    visitor();
    await until(() => held === IN_FLIGHT + 1, 'the visitor');
    clients[0]!.destroy();
    await until(() => secured.length === 1, 'the handshake');
    expect(counts).toEqual({ ok: 1, resumed: 0, failed: 1, timeout: 0 });
  });

  it('that wait end with their time as well', async () => {
    await crowd(IN_FLIGHT + 5);
    advance(10_050);
    expect(closed).toBe(IN_FLIGHT + 5);
    expect(held).toBe(0);
  });
});
