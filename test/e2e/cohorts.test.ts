// Cohorts in the real process: clients of one country, told by a GeoIP database, whose data is nearer to another endpoint.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { simpleConfig, startFermat } from '../support/fermat.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const CITY = join(import.meta.dirname, '../fixtures/geoip/GeoLite2-City-Test.mmdb');
const LONDON = '81.2.69.160';
const SWEDEN = '89.160.20.112';

/** Answers with its name after `delayMs`; later by what the client's address says. */
function slowServer(name: string, delayMs: number, awayMs: (client: string) => number) {
  const server = createServer((req, res) => {
    const client = String(req.headers['x-forwarded-for'] ?? '');
    setTimeout(() => res.end(name), delayMs + awayMs(client));
  });
  server.keepAliveTimeout = 60_000;
  return server;
}

const near = slowServer('near', 5, (client) => (client.startsWith(SWEDEN) ? 80 : 0));
const far = slowServer('far', 40, () => 0);

beforeAll(async () => {
  for (const server of [near, far]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  for (const server of [near, far]) {
    server.closeAllConnections();
    server.close();
  }
});

it('sends the clients of a country to the endpoint that is fastest for them, others where they were, and says so', async () => {
  const urls = [near, far].map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const probe = { type: 'http', path: '/', interval: '500ms', timeout: '1s' };
  await using fermat = await startFermat(
    simpleConfig(urls, { probe }, { geoip: { databases: [CITY] }, trustedProxies: ['127.0.0.1'] }),
  );
  const servedBy = async (client: string, n: number): Promise<string[]> =>
    Promise.all(
      Array.from({ length: n }, async () =>
        (await exchange(fermat.port, get('/', `X-Forwarded-For: ${client}\r\n`))).body.toString(),
      ),
    );
  const share = (names: readonly string[], name: string) => names.filter((n) => n === name).length / names.length;
  interface Explained {
    readonly cohort: { readonly key: string; readonly country: string };
    readonly chosen: string;
  }
  const explain = (client: string) => fermat.json<Explained>(`/api/v1/explain?client=${client}&path=/`);

  await until(
    async () => {
      await servedBy(LONDON, 6);
      return share(await servedBy(SWEDEN, 2), 'far') === 1 && (await explain(SWEDEN)).cohort.key !== 'edge';
    },
    'the Swedish clients at the far endpoint',
    20_000,
  );
  const swedish: string[] = [];
  const british: string[] = [];
  for (let i = 0; i < 15; i++) {
    british.push(...(await servedBy(LONDON, 3)));
    swedish.push(...(await servedBy(SWEDEN, 1)));
  }
  expect(share(swedish, 'far')).toBeGreaterThan(0.7);
  expect(share(british, 'near')).toBeGreaterThan(0.9);
  const { cohort, chosen } = await explain(SWEDEN);
  expect(['country:SE', 'prefix:89.160.20.0/24']).toContain(cohort.key);
  expect({ country: cohort.country, chosen }).toEqual({ country: 'SE', chosen: 'e1' });
  // Of the edge's row; or of their own, should the Swedish ones have made that worse than they find it.
  expect(await explain(LONDON)).toMatchObject({ cohort: { country: 'GB' }, chosen: 'e0' });
});
