// `mode: redirect` in the real process: each client is sent to the endpoint that is near to it, at its very first request,
// and never to one that is ill, drained, or no URL to send anybody to.

import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../src/control/types.ts';
import { type Config, type Fermat, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Answer, exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const CITY = join(import.meta.dirname, '../fixtures/geoip/GeoLite2-City-Test.mmdb');
/** All in the City file. */
const IN_LONDON = '81.2.69.160';
const IN_SWEDEN = '89.160.20.112';
const NEAR_SEATTLE = '216.160.83.56';
const NOWHERE = '192.0.2.1';

let london: Origin;
let oregon: Origin;
beforeAll(async () => {
  london = await startOrigin();
  oregon = await startOrigin();
});
afterEach(() => {
  london.reset();
  oregon.reset();
});
afterAll(async () => {
  await london?.refuse();
  await oregon?.refuse();
});

function config(route: Config = {}): Config {
  const balance = { slowStart: '0s' };
  const probe = { type: 'tcp', interval: '50ms', timeout: '1s', rise: 1, fall: 1 };
  const endpoints = [
    { id: 'london', url: london.url, region: 'aws:eu-west-2' },
    { id: 'oregon', url: oregon.url, region: 'aws:us-west-2' },
  ];
  return {
    geoip: { databases: [CITY] },
    trustedProxies: ['127.0.0.1'],
    pools: { main: { endpoints, probe, balance } },
    routes: [{ name: 'main', pool: 'main', mode: 'redirect', ...route }],
  };
}

/** Resolves when both endpoints are known to be well: until then the first to be judged is all there is. */
async function run(route: Config = {}): Promise<Fermat> {
  const fermat = await startFermat(config(route));
  await isHealthy(fermat, 'london', true);
  await isHealthy(fermat, 'oregon', true);
  return fermat;
}

const from = (client: string): string => `X-Forwarded-For: ${client}\r\n`;

async function ask(fermat: Fermat, client: string, path = '/', fields = ''): Promise<Answer> {
  return exchange(fermat.port, get(path, `${from(client)}${fields}`));
}

async function explained(fermat: Fermat, client: string): Promise<Explanation> {
  return fermat.json<Explanation>(`/api/v1/explain?client=${client}&path=/`);
}

async function isHealthy(fermat: Fermat, id: string, wanted: boolean): Promise<void> {
  await until(
    async () => {
      const rows = await fermat.json<{ id: string; healthy: boolean }[]>('/api/v1/endpoints');
      return rows.find((row) => row.id === id)?.healthy === wanted;
    },
    `${id} to be ${wanted ? 'healthy' : 'unhealthy'}`,
  );
}

describe('a client', () => {
  it('is sent to the endpoint near to it at its very first request, and no request reaches an endpoint', async () => {
    await using fermat = await run();
    const first = await ask(fermat, IN_LONDON, '/a/b?c=d&e');
    expect([first.status, first.field('location')]).toEqual([307, `${london.url}/a/b?c=d&e`]);
    expect(first.field('cache-control')).toBe('no-store');
    expect(first.body).toHaveLength(0);
    for (const [client, origin] of [
      [NEAR_SEATTLE, oregon],
      [IN_SWEDEN, london],
      [IN_LONDON, london],
    ] as const) {
      for (let i = 0; i < 5; i++) expect((await ask(fermat, client)).field('location')).toBe(`${origin.url}/`);
    }
    expect([...london.requests, ...oregon.requests]).toEqual([]);
    await until(
      async () => (await fermat.metric('fermat_selections_total', 'endpoint="london"', 'role="band"')) === 11,
      'the selections',
    );
    expect(await fermat.metric('fermat_requests_total', 'endpoint="oregon"', 'code="307"', 'route="main"')).toBe(5);
    expect(await fermat.metric('fermat_endpoint_inflight')).toBe(0);
  });

  it('of an unknown place gets what is best from here, and the same each time', async () => {
    await using fermat = await run();
    const locations = new Set<string | null>();
    for (let i = 0; i < 10; i++) locations.add((await ask(fermat, NOWHERE)).field('location'));
    expect(locations.size).toBe(1);
    expect((await explained(fermat, NOWHERE)).note).toContain('ranked from this edge');
  });

  it('is sent elsewhere while the near endpoint is ill or drained, and back when it is well', async () => {
    await using fermat = await run();
    const goesTo = async (origin: Origin): Promise<boolean> =>
      (await ask(fermat, IN_LONDON)).field('location') === `${origin.url}/`;
    await london.refuse();
    await until(() => goesTo(oregon), 'the far endpoint');
    await london.listen();
    await until(() => goesTo(london), 'the near endpoint');
    await fermat.admin('/api/v1/endpoints/london/drain', { method: 'POST' });
    expect(await goesTo(oregon)).toBe(true);
    await fermat.admin('/api/v1/endpoints/london/enable', { method: 'POST' });
    expect(await goesTo(london)).toBe(true);
  });

  it('gets a 503 at once when no endpoint is there', async () => {
    await using fermat = await run();
    await london.refuse();
    await oregon.refuse();
    try {
      await until(async () => (await ask(fermat, IN_LONDON)).status === 503, 'a 503');
      const answer = await ask(fermat, IN_LONDON, '/', 'Accept: application/json\r\n');
      expect(JSON.parse(answer.text).error.code).toBe('no_healthy_endpoint');
      expect(await explained(fermat, IN_LONDON)).toMatchObject({ chosen: null });
    } finally {
      await london.listen();
      await oregon.listen();
    }
  });
});

describe('the answer', () => {
  it('carries every method on, without waiting for a body', async () => {
    await using fermat = await run();
    for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'PURGE']) {
      const bytes = `${method} /x HTTP/1.1\r\nHost: example.com\r\n${from(IN_LONDON)}Content-Length: 5\r\n\r\n`;
      const answer = await exchange(fermat.port, bytes, method);
      expect([answer.status, answer.field('location')]).toEqual([307, `${london.url}/x`]);
    }
  });

  it('goes nowhere but to the endpoint, whatever the path and Host say', async () => {
    await using fermat = await run();
    for (const path of [
      '//evil.example/x',
      '/\\evil.example',
      '/@evil.example',
      '/.evil.example',
      '/%0d%0aX:y',
      '/?//e',
    ]) {
      const { status, ...answer } = await ask(fermat, IN_LONDON, path, 'X-Forwarded-Host: evil.example\r\n');
      if (status === 400) continue; // refused before: as good
      expect(status).toBe(307);
      const location = answer.fields.find(([name]) => name.toLowerCase() === 'location')![1];
      expect(location).toBe(`${london.url}${path}`);
      expect(new URL(location).origin).toBe(london.url);
    }
    const star = await exchange(fermat.port, `OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n${from(IN_LONDON)}\r\n`);
    expect(star.field('location')).toBe(london.url);
    const absolute = `GET http://evil.example/p?q HTTP/1.1\r\nHost: evil.example\r\n${from(IN_LONDON)}\r\n`;
    expect((await exchange(fermat.port, absolute)).field('location')).toBe(`${london.url}/p?q`);
  });

  it('has the prefix stripped where the route says so, and the route’s own fields', async () => {
    await using fermat = await run({
      path: '/shop/',
      stripPrefix: true,
      serverTiming: true,
      responseHeaders: { set: { 'X-Shop': 'yes', 'Cache-Control': 'private, max-age=5' } },
    });
    const answer = await ask(fermat, IN_LONDON, '/shop/cart?id=1');
    expect(answer.field('location')).toBe(`${london.url}/cart?id=1`);
    expect(answer.field('x-shop')).toBe('yes');
    expect(answer.all('cache-control')).toEqual(['private, max-age=5']);
    expect(answer.field('x-fermat-endpoint')).toBe('london');
  });

  it('is a 508 when the client would be sent to what it has just asked', async () => {
    await using fermat = await run();
    const host = london.url.slice('http://'.length);
    const bytes = `GET / HTTP/1.1\r\nHost: ${host}\r\n${from(IN_LONDON)}\r\n`;
    const answer = await exchange(fermat.port, bytes);
    expect([answer.status, answer.field('proxy-status')]).toEqual([508, 'fermat; error=proxy_loop_detected']);
    expect(answer.field('location')).toBeNull();
    const tls = `GET / HTTP/1.1\r\nHost: ${host}\r\n${from(IN_LONDON)}X-Forwarded-Proto: https\r\n\r\n`;
    expect((await exchange(fermat.port, tls)).status).toBe(307);
  });
});

it('explain shows the scores that redirect: distances from the client, and the endpoint it gets', async () => {
  await using fermat = await run();
  for (const [client, near, far] of [
    [IN_LONDON, 'london', 'oregon'],
    [NEAR_SEATTLE, 'oregon', 'london'],
  ] as const) {
    const explanation = await explained(fermat, client);
    expect(explanation).toMatchObject({ mode: 'redirect', chosen: near, residency: [] });
    expect(explanation.note).toContain('ranked from the client’s place');
    const [first, second] = explanation.candidates;
    expect(first).toMatchObject({ id: near, role: 'band', share: 1, networkMs: null });
    expect(second).toMatchObject({ id: far, role: 'out', share: 0 });
    expect(first!.distanceKm).toBeLessThan(500);
    expect(second!.distanceKm).toBeGreaterThan(7000);
    expect(second!.scoreMs! - first!.scoreMs!).toBeGreaterThan(100);
  }
});

it('a reload turns a forwarding route into a redirecting one, and back', async () => {
  await using fermat = await run({ mode: 'forward' });
  expect((await ask(fermat, IN_LONDON)).status).toBe(200);
  for (const [mode, status] of [
    ['redirect', 307],
    ['forward', 200],
  ] as const) {
    fermat.writeConfig(config({ mode }));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    expect((await ask(fermat, IN_LONDON)).status).toBe(status);
  }
});
