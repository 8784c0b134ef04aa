// Sessions over several workers: whichever of them the kernel gives a connection to, it resumes what another one began, and a
// worker that was replaced does so too.

import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { Pki, tlsConnect, tlsListener } from '../support/pki.ts';
import { get, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

const CONNECTIONS = 20;
const pki = new Pki();
let origin: Origin;
let fermat: Fermat;
let port: number;

beforeAll(async () => {
  origin = await startOrigin();
  const sites = [pki.issue('one', { san: 'DNS:one.test' }), pki.issue('two', { san: 'DNS:two.test', key: 'rsa' })];
  const listeners = [tlsListener(sites), { name: 'http', address: '127.0.0.1:0' }];
  fermat = await startFermat(simpleConfig([origin.url], {}, { listeners, workers: 2 }), {
    env: { FERMAT_TEST_CRASH_PATH: '/crash' },
  });
  port = fermat.ports.https!;
});

afterAll(async () => {
  await fermat?.stop();
  await origin?.refuse();
  pki[Symbol.dispose]();
});

/** One request and its answer; what the client would resume with next time. */
async function visit(options: ConnectionOptions): Promise<{ isResumed: boolean; session: Buffer; status: string }> {
  const socket: TLSSocket = await tlsConnect(port, options);
  let session: Buffer | undefined;
  let text = '';
  socket.on('session', (ticket: Buffer) => {
    session = ticket;
  });
  socket.on('data', (chunk) => {
    text += chunk;
  });
  const isResumed = socket.isSessionReused();
  if (socket.getProtocol() === 'TLSv1.2') session = socket.getSession(); // in 1.3 the ticket comes later
  socket.write(`GET / HTTP/1.1\r\nHost: ${options.servername}\r\nConnection: close\r\n\r\n`);
  await until(() => text.includes('\r\n\r\n'), 'an answer');
  const found = await until(() => session ?? (isResumed && options.session), 'a ticket');
  socket.destroy();
  return { isResumed, session: found, status: text.slice(9, 12) };
}

it.each([['TLSv1.2'], ['TLSv1.3']] as const)('resumes all of 20 sessions on two workers (%s)', async (version) => {
  for (const servername of ['one.test', 'two.test']) {
    const options = { servername, minVersion: version, maxVersion: version };
    const first = await visit(options);
    expect(first.isResumed).toBe(false);
    const seen: boolean[] = [];
    for (let i = 0; i < CONNECTIONS; i++) {
      const { isResumed, status } = await visit({ ...options, session: first.session });
      expect(status).toBe('200');
      seen.push(isResumed);
    }
    expect(seen).toEqual(Array(CONNECTIONS).fill(true));
  }
  expect(await fermat.metric('fermat_tls_handshakes_total', 'result="resumed"')).toBeGreaterThanOrEqual(
    CONNECTIONS * 2,
  );
});

it('shows another certificate, or resumes under it, when the name changes; never the wrong one', async () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { minVersion: version, maxVersion: version };
    const { session } = await visit({ ...options, servername: 'one.test' });
    const other = await visit({ ...options, servername: 'two.test', session });
    expect(other.status).toBe('200');
  }
});

it('resumes at a worker that took the place of a dead one', async () => {
  const options = { servername: 'one.test' };
  const { session } = await visit(options);
  const restarts = await fermat.metric('fermat_worker_restarts_total');
  for (let killed = 1; killed <= 2; killed++) {
    using client = await rawClient(fermat.ports.http!);
    await client.send(get('/crash'));
    await client.closed();
    await until(async () => (await fermat.metric('fermat_worker_restarts_total')) >= restarts + killed, 'a restart');
    await until(async () => (await visit(options).catch(() => null)) !== null, 'a worker that serves');
  }
  for (let i = 0; i < CONNECTIONS; i++) {
    const again = await until(() => visit({ ...options, session }).catch(() => null), 'an answer');
    expect(again.isResumed).toBe(true);
  }
});
