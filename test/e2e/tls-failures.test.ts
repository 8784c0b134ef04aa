// Endpoints that fail at TLS, each in its own way: what the client is told, what the metrics call it, that the handshake is part of
// the connect time-out, and that nothing is ever said to, or believed from, whoever has not finished one.

import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Issued, Pki } from '../support/pki.ts';

const CONNECT_MS = 500;
const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nforged';
const SCHEMES = ['https', 'h2'] as const;
const san = 'IP:127.0.0.1';

type Accept = (socket: Socket) => void;

const pki = new Pki();
const ca = pki.issue('ca');
const servers: Server[] = [];
const sockets = new Set<Socket>();
let fermat: Fermat;
/** What requests said to endpoints that were not through with their handshake: anything but TLS records. */
let overheard = '';

function secured({ certPem: cert, keyPem: key }: Issued): Accept {
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

const heard: Accept = (socket) => {
  socket.on('data', (bytes) => {
    if (bytes[0] !== 0x16 && bytes[0] !== 0x15) overheard += bytes.toString('latin1'); // neither a hello nor an alert
  });
};

const WAYS: readonly { how: string; reason: string; status: number; type: string; accept: Accept }[] = [
  {
    how: 'shows a certificate that has expired',
    reason: 'tls_expired',
    status: 502,
    type: 'tls_certificate_error',
    accept: secured(pki.issue('expired', { san, by: ca, days: -1 })),
  },
  {
    how: 'shows a certificate for another name',
    reason: 'tls_name',
    status: 502,
    type: 'tls_certificate_error',
    accept: secured(pki.issue('other', { san: 'DNS:other.test', by: ca })),
  },
  {
    how: 'shows a certificate that nobody known has signed',
    reason: 'tls_untrusted',
    status: 502,
    type: 'tls_certificate_error',
    accept: secured(pki.issue('alone', { san })),
  },
  {
    how: 'answers the hello in plain text',
    reason: 'tls_plaintext',
    status: 502,
    type: 'tls_protocol_error',
    accept(socket) {
      heard(socket);
      socket.once('data', () => socket.end(HELLO));
    },
  },
  {
    how: 'has a forged answer ready before the hello',
    reason: 'tls_plaintext',
    status: 502,
    type: 'tls_protocol_error',
    accept(socket) {
      heard(socket);
      socket.write(HELLO);
    },
  },
  {
    how: 'closes in mid-handshake',
    reason: 'tls',
    status: 502,
    type: 'tls_protocol_error',
    accept: (socket) => socket.once('data', () => socket.destroy()),
  },
  { how: 'never says a word', reason: 'tls_timeout', status: 504, type: 'connection_timeout', accept: heard },
];

async function listen(accept: Accept): Promise<number> {
  const server = createTcp((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    accept(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** One pool and one path for each way of each scheme: `/https-0`, `/h2-0`, … */
beforeAll(async () => {
  const pool = { tls: { ca: ca.cert }, timeouts: { connect: `${CONNECT_MS}ms` }, retry: { attempts: 0 } };
  const pools: Record<string, Config> = {};
  for (const [i, { accept }] of WAYS.entries()) {
    const port = await listen(accept);
    for (const scheme of SCHEMES)
      pools[`${scheme}-${i}`] = poolOf([`${scheme}://127.0.0.1:${port}`], pool, `${scheme}-${i}-`);
  }
  const good = await listen(secured(pki.issue('good', { san, by: ca })));
  pools.good = poolOf([`https://127.0.0.1:${good}`], pool, 'good-');
  const routes = Object.keys(pools).map((name) => ({ path: `/${name}`, pool: name }));
  fermat = await startFermat({ pools, routes });
});
afterAll(async () => {
  await fermat?.stop();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  pki[Symbol.dispose]();
});

const failures = (...labels: string[]): Promise<number> => fermat.metric('fermat_upstream_failures_total', ...labels);

describe.each(SCHEMES)('an %s endpoint', (scheme) => {
  it.each(WAYS.map((way, i) => ({ ...way, i })))('that $how is a $status, $reason', async ({
    reason,
    status,
    type,
    i,
  }) => {
    overheard = '';
    using watch = new Stopwatch();
    const response = await fetch(`http://127.0.0.1:${fermat.port}/${scheme}-${i}`);
    const tookMs = watch.ms;
    expect([response.status, response.headers.get('proxy-status')]).toEqual([status, `fermat; error=${type}`]);
    expect(await response.text()).not.toContain('forged');
    expect(overheard).toBe('');
    expect(tookMs).toBeLessThan(watch.allowed(CONNECT_MS + 400));
    if (reason === 'tls_timeout') expect(tookMs).toBeGreaterThanOrEqual(CONNECT_MS - 5);
    expect(await failures(`pool="${scheme}-${i}"`, `reason="${reason}"`)).toBe(1);
    expect(await failures(`pool="${scheme}-${i}"`)).toBe(1);
  });
});

it('an endpoint that refuses is told apart from those', async () => {
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${fermat.port}/good`)).text();
  expect(await ask()).toBe('forged');
  servers.at(-1)!.close();
  expect(await ask()).toContain('502');
  expect(await failures('pool="good"')).toBe(1);
  expect(await failures('pool="good"', 'reason="refused"')).toBe(1);
});
