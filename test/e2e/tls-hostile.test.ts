// Clients that mean no good, before they have said who they are: garbage for a ClientHello, silence, a thousand handshakes left
// half way, renegotiation. None of it ends a worker, keeps others waiting for long, or goes uncounted.

import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { Pki, tlsClient, tlsConnect, tlsListener } from '../support/pki.ts';
import { get, rawClient } from '../support/raw.ts';
import { delay, until, within } from '../support/until.ts';

const HALF_HANDSHAKES = 1000;
const pki = new Pki();
let origin: Origin;
let fermat: Fermat;
let port: number;

beforeAll(async () => {
  origin = await startOrigin();
  const site = pki.issue('site', { san: 'DNS:example.com' });
  const limits = { headTimeout: '4s' };
  fermat = await startFermat(simpleConfig([origin.url], {}, { listeners: [tlsListener([site])], limits }));
  port = fermat.ports.https!;
});

afterEach(async () => {
  origin.reset();
  await until(async () => (await fermat.metric('fermat_connections')) === 0, 'no connections left', 10_000);
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});

afterAll(async () => {
  await fermat?.stop();
  await origin?.refuse();
  pki[Symbol.dispose]();
});

const counted = (result: string): Promise<number> => fermat.metric('fermat_tls_handshakes_total', `result="${result}"`);

/** A whole visit takes so long at most. */
async function visitWithin(ms: number): Promise<void> {
  using watch = new Stopwatch();
  using client = await tlsClient(port);
  await client.send(get());
  expect((await client.answer()).status).toBe(200);
  expect(watch.ms).toBeLessThan(watch.allowed(ms));
}

/** The first bytes that a client of TLS sends. */
async function clientHello(): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const { createServer } = await import('node:net');
  const server = createServer((socket) => socket.once('data', (bytes: Buffer) => resolve(bytes)).on('error', () => {}));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  const victim = typeof address === 'object' && address !== null ? address.port : 0;
  const handshake = tlsConnect(victim).catch(() => null);
  const hello = await within(5000, 'a ClientHello', promise);
  server.close();
  void handshake;
  return hello;
}

describe('a hostile client', () => {
  it('that sends garbage, or speaks plain HTTP, is closed quietly and counted', async () => {
    const before = await counted('failed');
    const garbage = [
      get(),
      '\x16\x03\x01\xff\xff',
      Buffer.alloc(20_000, 0x16),
      '\x80\x2e\x01\x00\x02',
      '\0\0\0\0\0\0\0\0',
    ];
    for (const bytes of garbage) {
      using client = await rawClient(port);
      await client.send(bytes);
      client.halfClose();
      await until(() => client.isClosed || client.hasEnded, 'the close');
    }
    await until(async () => (await counted('failed')) >= before + garbage.length, 'the count');
    await visitWithin(1000);
  });

  it('that breaks off anywhere in its ClientHello does no harm', async () => {
    const hello = await clientHello();
    for (let bytes = 1; bytes < hello.length; bytes += 97) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(hello.subarray(0, bytes));
      if (bytes % 2 === 0) socket.end();
      else setTimeout(() => socket.resetAndDestroy(), 5);
      await new Promise((resolve) => socket.once('close', resolve));
    }
    await visitWithin(1000);
  });

  it('that changes any one byte of its ClientHello does no harm', async () => {
    const hello = await clientHello();
    for (let at = 0; at < hello.length; at += 41) {
      const changed = Buffer.from(hello);
      changed[at]! ^= 0xff;
      using client = await rawClient(port);
      await client.send(changed);
      await delay(2);
    }
    await visitWithin(1000);
  });

  it('that says nothing is closed when its time is up', async () => {
    const before = await counted('timeout');
    using client = await rawClient(port);
    await delay(1000);
    expect(client.isClosed || client.hasEnded).toBe(false);
    await client.closed(6000);
    await until(async () => (await counted('timeout')) > before, 'the count');
  });

  it.each([
    ['connect and say nothing', false],
    ['leave their handshakes half way', true],
  ])('is not alone: a thousand that %s keep another one waiting for two seconds at most', async (_, saysHello) => {
    const hello = await clientHello();
    const crowd: Socket[] = [];
    const ended = async () => (await counted('timeout')) + (await counted('failed'));
    const before = await ended();
    try {
      for (let i = 0; i < HALF_HANDSHAKES; i++) {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        if (saysHello) socket.write(hello);
        crowd.push(socket);
      }
      // Where a thousand take longer than one of them may: those that were there.
      await until(
        async () => (await fermat.metric('fermat_connections')) + (await ended()) - before >= HALF_HANDSHAKES,
        'the crowd',
      );
      for (let i = 0; i < 3; i++) await visitWithin(2000);
      expect(fermat.rssBytes).toBeLessThan(400 << 20);
      await until(async () => (await fermat.metric('fermat_connections')) === 0, 'the end of the crowd', 10_000);
    } finally {
      for (const socket of crowd) socket.destroy();
    }
    expect(await ended()).toBeGreaterThanOrEqual(before + HALF_HANDSHAKES);
  });

  it('cannot renegotiate', async () => {
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2', '-legacy_renegotiation', '-quiet'];
    const client = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    client.stdout.on('data', (text) => {
      said += text;
    });
    client.stderr.on('data', (text) => {
      said += text;
    });
    client.stdin.on('error', () => {});
    try {
      await until(() => said.includes('verify'), 'the handshake');
      client.stdin.write('R\n');
      await until(
        () => /renegotiat|closed|alert/i.test(said.replace('RENEGOTIATING', '')) || client.exitCode !== null,
        'a refusal',
      );
    } finally {
      client.kill('SIGKILL');
    }
    expect(await counted('ok')).toBeGreaterThan(0);
    await visitWithin(1000);
  });
});
