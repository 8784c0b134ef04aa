// Limits per client where the one who connects is none: a proxy that is trusted, and whoever is behind a UNIX socket.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

const PROXY = '127.0.0.9';
const LIMIT = 3;

let directory: string;
let path: string;
let origin: Origin;
let fermat: Fermat;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fermat-clients-'));
  path = join(directory, 's.sock');
  origin = await startOrigin();
  const limits = { connectionsPerClient: LIMIT, requestsPerClient: LIMIT };
  const config = simpleConfig([origin.url], {}, { limits, trustedProxies: [`${PROXY}/32`] });
  const listeners = [
    { name: 'tcp', address: '127.0.0.1:0' },
    { name: 'unix', address: `unix:${path}` },
  ];
  fermat = await startFermat({ ...config, listeners });
});
afterAll(async () => {
  await fermat?.stop();
  await origin?.refuse();
  rmSync(directory, { recursive: true, force: true });
});

/** The statuses that so many get who ask at once over a connection each; 0 = theirs was closed. */
async function askedAtOnce(count: number, to: number | string, from?: string): Promise<number[]> {
  let waiting = 0;
  origin.script = async (request) => {
    waiting++;
    // Who is turned away may have been told so before it could ask, and then has only heard the end.
    const isRefused = ({ hasEnded, isClosed, pending }: RawClient): boolean =>
      hasEnded || isClosed || pending.length > 0;
    await until(() => waiting >= count || clients.some(isRefused), 'all of them, or a refusal');
    request.answer();
  };
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await rawClient(to, from));
  for (const [i, client] of clients.entries()) {
    if (!client.hasEnded) await client.send(get('/', `X-Forwarded-For: 192.0.2.${i}\r\n`)).catch(() => {});
  }
  const statuses = await Promise.all(
    clients.map((client) =>
      client.answer().then(
        ({ status }) => status,
        () => 0,
      ),
    ),
  );
  for (const client of clients) client.destroy();
  await until(async () => (await fermat.metric('fermat_connections')) === 0, 'the end of all connections');
  return statuses;
}

const allOf = (count: number): number[] => Array.from({ length: count }, () => 200);

describe('a limit per client', () => {
  it('is one for an address', async () => {
    const statuses = await askedAtOnce(LIMIT + 2, fermat.port);
    expect(statuses.filter((status) => status === 200)).toHaveLength(LIMIT);
  });

  it('is none for a proxy that is trusted, only for those it names', async () => {
    expect(await askedAtOnce(10, fermat.port, PROXY)).toEqual(allOf(10));
  });

  it('is none where nobody has an address', async () => {
    expect(await askedAtOnce(10, path)).toEqual(allOf(10));
  });
});
