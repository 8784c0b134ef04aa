// Hedging whatever the endpoints speak: TLS, HTTP/2 in the clear and over TLS. Two of each kind, real servers of Node's; the
// first request for /late gets nothing or something late, the next one an answer.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createH2Server, createSecureServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { delay, until } from '../support/until.ts';

const KINDS = ['https', 'h2c', 'h2'] as const;
const LARGE = 300_000;

/** One request for /late at an endpoint. */
interface Late {
  readonly server: Server;
  readonly answer: (status: number, body: string) => void;
  isClosed: boolean;
}

let directory: string;
let fermat: Fermat;
const servers: Server[] = [];
const late: Late[] = [];
let script: (late: Late, n: number) => void = () => {};

interface Incoming {
  readonly url?: string | undefined;
}
interface Outgoing {
  writeHead(status: number): unknown;
  end(body?: string): unknown;
  on(event: 'close', listener: () => void): unknown;
}

function handlerOf(server: () => Server): (request: Incoming, response: Outgoing) => void {
  return (request, response) => {
    const answer = (status: number, body: string) => {
      response.writeHead(status);
      response.end(body);
    };
    if (!request.url!.endsWith('/late')) return answer(200, 'ok');
    const one: Late = { server: server(), answer, isClosed: false };
    response.on('close', () => {
      one.isClosed = true;
    });
    late.push(one);
    script(one, late.length);
  };
}

async function serve(kind: (typeof KINDS)[number], tls: { key: Buffer; cert: Buffer }): Promise<string> {
  const handler = handlerOf(() => server) as never;
  const server: Server =
    kind === 'https'
      ? createTlsServer(tls, handler)
      : ((kind === 'h2' ? createSecureServer(tls, handler) : createH2Server(handler)) as unknown as Server);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `${kind}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fermat-hedge-'));
  const { key, cert, certFile } = makeCertificate(directory);
  const hedge = { enabled: true, quantile: 0.8, budgetPercent: 100 };
  const pools: Record<string, unknown> = {};
  for (const kind of KINDS) {
    const urls = [await serve(kind, { key, cert }), await serve(kind, { key, cert })];
    const tls = kind === 'h2c' ? {} : { tls: { ca: certFile } };
    pools[kind] = poolOf(urls, { hedge, balance: { policy: 'round-robin' }, ...tls }, `${kind}-`);
  }
  fermat = await startFermat({ pools, routes: KINDS.map((kind) => ({ path: `/${kind}`, pool: kind })) });
  for (const kind of KINDS) for (let i = 0; i < 30; i++) expect((await ask(`/${kind}/`)).status).toBe(200);
  await until(
    async () =>
      (await fermat.json<{ requests: number }[]>('/api/v1/endpoints')).every(({ requests }) => requests >= 15),
    'every endpoint to be known',
  );
  await delay(300);
});
afterEach(() => {
  late.length = 0;
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(async () => {
  await fermat?.stop();
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
});

const ask = (path: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${fermat.port}${path}`, { signal: AbortSignal.timeout(5000) });

describe.each(KINDS)('endpoints that speak %s', (kind) => {
  it('a second attempt answers for a first one that does not', async () => {
    script = (one, n) => {
      if (n === 2) one.answer(200, 'x'.repeat(LARGE));
    };
    for (let i = 0; i < 3; i++) {
      late.length = 0;
      const response = await ask(`/${kind}/late`);
      expect([response.status, (await response.text()).length, late.length]).toEqual([200, LARGE, 2]);
      expect(late[0]!.server).not.toBe(late[1]!.server);
      await until(() => late[0]!.isClosed, 'the end of the first attempt', 1000);
    }
  });

  it('an answer without a body is one, too', async () => {
    script = (one, n) => {
      if (n === 2) one.answer(204, '');
    };
    expect((await ask(`/${kind}/late`)).status).toBe(204);
    expect((await ask(`/${kind}/`)).status).toBe(200);
  });

  it('a first attempt that answers after all ends the second', async () => {
    script = (one, n) => {
      if (n === 1) setTimeout(() => one.answer(200, 'first'), 300);
    };
    expect(await (await ask(`/${kind}/late`)).text()).toBe('first');
    expect(late.length).toBe(2);
    await until(() => late[1]!.isClosed, 'the end of the second attempt', 1000);
  });
});
