// Endpoints that fail at TLS, each in its own way: what the client is told, what the metrics call it, that the handshake is part of
// the connect time-out, and that nothing is ever said to, or believed from, whoever has not finished one.

import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Issued, Pki } from '../support/pki.ts';

const CONNECT_MS = 500;
const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nforged';

let pki: Pki;
let ca: Issued;
let fermat: Fermat | null = null;
let server: Server | null = null;
const sockets = new Set<Socket>();
/** Whatever came over a connection that was not through with its handshake, beyond TLS records. */
let overheard = '';

beforeAll(() => {
  pki = new Pki();
  ca = pki.issue('ca');
});
afterAll(() => pki[Symbol.dispose]());
afterEach(async () => {
  await fermat?.stop();
  fermat = null;
  for (const socket of sockets) socket.destroy();
  server?.close();
});

function secured({ certPem: cert, keyPem: key }: Issued): (socket: Socket) => void {
  const secureContext = createSecureContext({ cert, key });
  return (socket) => {
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    secure.on('error', () => {});
    secure.on('data', (bytes) => {
      overheard += bytes.toString('latin1');
      secure.end(HELLO);
    });
  };
}

async function start(scheme: string, accept: (socket: Socket) => void): Promise<Fermat> {
  overheard = '';
  server = createTcp((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    accept(socket);
  });
  const port = await new Promise<number>((resolve) => {
    server!.listen(0, '127.0.0.1', () => resolve((server!.address() as { port: number }).port));
  });
  const pool = { tls: { ca: ca.cert }, timeouts: { connect: `${CONNECT_MS}ms` }, retry: { attempts: 0 } };
  fermat = await startFermat({
    pools: { main: poolOf([`${scheme}://127.0.0.1:${port}`], pool) },
    routes: [{ pool: 'main' }],
  });
  return fermat;
}

const san = 'IP:127.0.0.1';
const heard = (socket: Socket): void =>
  void socket.on('data', (bytes) => {
    if (bytes[0] !== 0x16 && bytes[0] !== 0x15) overheard += bytes.toString('latin1'); // neither a hello nor an alert
  });

const WAYS: readonly [reason: string, status: number, type: string, accept: () => (socket: Socket) => void][] = [
  ['tls_expired', 502, 'tls_certificate_error', () => secured(pki.issue('expired', { san, by: ca, days: -1 }))],
  ['tls_name', 502, 'tls_certificate_error', () => secured(pki.issue('other', { san: 'DNS:other.test', by: ca }))],
  ['tls_untrusted', 502, 'tls_certificate_error', () => secured(pki.issue('alone', { san }))],
  ['tls_plaintext', 502, 'tls_protocol_error', () => (socket) => heard(socket.on('data', () => socket.end(HELLO)))],
  ['tls_plaintext', 502, 'tls_protocol_error', () => (socket) => heard(socket.setNoDelay(true)) ?? socket.write(HELLO)],
  ['tls', 502, 'tls_protocol_error', () => (socket) => socket.once('data', () => socket.destroy())],
  ['tls_timeout', 504, 'connection_timeout', () => heard],
];

describe.each(['https', 'h2'])('an %s endpoint', (scheme) => {
  it.each(WAYS)('that fails with %s is a %i, %s', async (reason, status, type, accept) => {
    const { port } = await start(scheme, accept());
    const startMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}/secret`);
    const tookMs = performance.now() - startMs;
    expect([response.status, response.headers.get('proxy-status')]).toEqual([status, `fermat; error=${type}`]);
    expect(await response.text()).not.toContain('forged');
    expect(overheard).toBe('');
    expect(tookMs).toBeLessThan(CONNECT_MS + 400);
    if (reason === 'tls_timeout') expect(tookMs).toBeGreaterThanOrEqual(CONNECT_MS - 5);
    expect(await fermat!.metric('fermat_upstream_failures_total', `reason="${reason}"`)).toBe(1);
    expect(await fermat!.metric('fermat_upstream_failures_total')).toBe(1);
  });
});

it('an endpoint that refuses, or is not there, is told apart from those', async () => {
  const { port } = await start('https', secured(pki.issue('good', { san, by: ca })));
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('forged');
  for (const socket of sockets) socket.destroy();
  server!.close();
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(502);
  expect(await fermat!.metric('fermat_upstream_failures_total', 'reason="refused"')).toBe(1);
});
