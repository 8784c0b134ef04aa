// `residency` in the real process: a route never uses an endpoint outside, not for a retry, not in a panic, not when nobody
// else is there; and explain and the decisions show that none was looked at.

import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Explanation } from '../../src/control/types.ts';
import { type Config, type Fermat, runFermat, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Answer, exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const CITY = join(import.meta.dirname, '../fixtures/geoip/GeoLite2-City-Test.mmdb');

const origins: Origin[] = [];
let frankfurt: Origin;
let paris: Origin;
let virginia: Origin;
beforeAll(async () => {
  for (let i = 0; i < 3; i++) origins.push(await startOrigin());
  [frankfurt, paris, virginia] = origins as [Origin, Origin, Origin];
});
afterEach(() => {
  for (const origin of origins) origin.reset();
});
afterAll(async () => {
  for (const origin of origins) await origin.refuse();
});

function config(residency: readonly string[], pool: Config = {}, route: Config = {}): Config {
  const endpoints = [
    { id: 'fra', url: frankfurt.url, region: 'aws:eu-central-1' },
    { id: 'par', url: paris.url, region: 'gcp:europe-west9' },
    { id: 'iad', url: virginia.url, region: 'aws:us-east-1' },
  ];
  const probe = { type: 'tcp', interval: '50ms', timeout: '1s', rise: 1, fall: 1 };
  // Everything that might lead outside is as eager as can be.
  const balance = { explorePercent: 100, slowStart: '0s' };
  return {
    pools: { main: { endpoints, probe, balance, outlier: { consecutive: 1_000_000 }, ...pool } },
    routes: [
      { name: 'kept', path: '/kept', pool: 'main', residency, ...route },
      { name: 'free', pool: 'main' },
    ],
  };
}

interface Decision {
  readonly route: string;
  readonly residency: readonly string[];
  readonly candidates: readonly { readonly id: string }[];
}

const ask = (fermat: Fermat, path = '/kept', fields = ''): Promise<Answer> => exchange(fermat.port, get(path, fields));

const explained = (fermat: Fermat, path = '/kept'): Promise<Explanation> =>
  fermat.json<Explanation>(`/api/v1/explain?client=192.0.2.1&path=${path}`);

async function areHealthy(fermat: Fermat, ...ids: string[]): Promise<void> {
  await until(
    async () => {
      const rows = await fermat.json<{ id: string; healthy: boolean }[]>('/api/v1/endpoints');
      return rows.every(({ id, healthy }) => healthy === ids.includes(id));
    },
    `just ${ids.join(', ')} to be healthy`,
  );
}

it('keeps every request inside, exploration and retries included, while the rest of the pool is used by others', async () => {
  await using fermat = await startFermat(config(['DE', 'FR'], { retry: { attempts: 3, budgetPercent: 100 } }));
  await areHealthy(fermat, 'fra', 'par', 'iad');
  for (let i = 0; i < 60; i++) expect((await ask(fermat)).status).toBe(200);
  expect(virginia.requests).toEqual([]);
  expect(frankfurt.requests.length + paris.requests.length).toBe(60);
  for (const origin of [frankfurt, paris]) origin.script = (request) => request.answer(503, 'no');
  for (let i = 0; i < 20; i++) expect((await ask(fermat)).status).toBe(503);
  expect(virginia.requests).toEqual([]);
  expect(frankfurt.requests.length + paris.requests.length).toBeGreaterThan(80);
  await until(async () => {
    await ask(fermat, '/free');
    return virginia.requests.length > 0;
  }, 'another route to use the rest of the pool');
  // They are taken from the workers on the next tick.
  const kept = await until(async () => {
    const decisions = await fermat.json<Decision[]>('/api/v1/decisions?limit=1000');
    const ofRoute = decisions.filter(({ route }) => route === 'kept');
    return ofRoute.length > 0 && ofRoute;
  }, 'decisions of the route');
  for (const { residency, candidates } of kept) {
    expect(residency).toEqual(['DE', 'FR']);
    expect(candidates.map(({ id }) => id).sort()).toEqual(['fra', 'par']);
  }
});

it('answers 503 with its own code when none inside is healthy, and never asks the one outside that is', async () => {
  await using fermat = await startFermat(config(['FR'], { balance: { whenAllDown: 'fail', slowStart: '0s' } }));
  await areHealthy(fermat, 'fra', 'par', 'iad');
  expect((await ask(fermat)).status).toBe(200);
  await paris.refuse();
  try {
    await areHealthy(fermat, 'fra', 'iad');
    const answer = await ask(fermat, '/kept', 'Accept: application/json\r\n');
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text).error.code).toBe('no_endpoint_in_residency');
    expect(answer.field('proxy-status')).toBe('fermat; error=destination_unavailable; details="residency"');
    expect(answer.field('retry-after')).toBe('1');
    expect((await ask(fermat, '/free')).status).toBe(200);
    for (let i = 0; i < 20; i++) expect((await ask(fermat)).status).toBe(503);
    expect(frankfurt.requests.length + virginia.requests.length).toBe(1);
    expect(await explained(fermat)).toMatchObject({ chosen: null, residency: ['FR'], candidates: [{ id: 'par' }] });
  } finally {
    await paris.listen();
  }
  await areHealthy(fermat, 'fra', 'par', 'iad');
  await until(async () => (await ask(fermat)).status === 200, 'Paris again');
});

it('with trials, tries the one inside at most, and its failure is told as what it is', async () => {
  await using fermat = await startFermat(config(['FR']));
  await areHealthy(fermat, 'fra', 'par', 'iad');
  await paris.refuse();
  try {
    await areHealthy(fermat, 'fra', 'iad');
    const codes = new Set<string>();
    for (let i = 0; i < 20; i++) {
      codes.add(JSON.parse((await ask(fermat, '/kept', 'Accept: application/json\r\n')).text).error.code);
    }
    expect([...codes].every((code) => code === 'no_endpoint_in_residency' || code === 'connect_failed')).toBe(true);
    expect(codes).toContain('no_endpoint_in_residency');
    expect([...frankfurt.requests, ...virginia.requests]).toEqual([]);
  } finally {
    await paris.listen();
  }
});

it('explain names the residency and lists only candidates inside', async () => {
  await using fermat = await startFermat(config(['DE', 'gcp:europe-west9']));
  await areHealthy(fermat, 'fra', 'par', 'iad');
  const kept = await explained(fermat);
  expect(kept.residency).toEqual(['DE', 'gcp:europe-west9']);
  expect(kept.candidates.map(({ id }) => id).sort()).toEqual(['fra', 'par']);
  expect(kept.candidates.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 2);
  const free = await explained(fermat, '/');
  expect(free.residency).toEqual([]);
  expect(free.candidates).toHaveLength(3);
});

it('a reload moves the bounds, and one that leaves nobody inside is refused', async () => {
  await using fermat = await startFermat(config(['DE']));
  await areHealthy(fermat, 'fra', 'par', 'iad');
  const goesTo = async (origin: Origin): Promise<void> => {
    for (const { requests } of origins) requests.length = 0;
    for (let i = 0; i < 10; i++) expect((await ask(fermat)).status).toBe(200);
    expect(origin.requests).toHaveLength(10);
  };
  await goesTo(frankfurt);
  fermat.writeConfig(config(['US']));
  expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
  await goesTo(virginia);
  fermat.writeConfig(config(['JP']));
  const { status, text } = await fermat.admin('/api/v1/reload', { method: 'POST' });
  expect(status).toBeGreaterThanOrEqual(400);
  expect(text).toContain('no endpoint of pool main is inside');
  await goesTo(virginia);
  const validated = await runFermat(['validate', '-c', fermat.file]);
  expect(validated.code).not.toBe(0);
  expect(validated.stderr + validated.stdout).toContain('routes[0].residency: no endpoint of pool main is inside');
});

it('holds for redirects too', async () => {
  await using fermat = await startFermat(config(['US'], {}, { mode: 'redirect' }));
  await areHealthy(fermat, 'fra', 'par', 'iad');
  expect((await ask(fermat)).field('location')).toBe(`${virginia.url}/kept`);
  await virginia.refuse();
  try {
    await areHealthy(fermat, 'fra', 'par');
    const answer = await ask(fermat, '/kept', 'Accept: application/json\r\n');
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([503, 'no_endpoint_in_residency']);
  } finally {
    await virginia.listen();
  }
});

it('takes nobody for inside whose place only GeoIP could tell and does not: 503, and a warning at start', async () => {
  const pools = { main: { endpoints: [{ id: 'lost', url: frankfurt.url }], probe: { type: 'tcp', interval: '50ms' } } };
  const routes = [{ name: 'kept', pool: 'main', residency: ['DE'] }];
  await using fermat = await startFermat({ geoip: { databases: [CITY] }, pools, routes });
  await areHealthy(fermat, 'lost');
  const answer = await ask(fermat, '/', 'Accept: application/json\r\n');
  expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([503, 'no_endpoint_in_residency']);
  expect(frankfurt.requests).toEqual([]);
  const warning = fermat.events.find(({ type }) => type === 'config.warning');
  expect(warning?.message).toBe('route kept: no endpoint is known to be in DE: it answers 503');
  expect(await explained(fermat, '/')).toMatchObject({ candidates: [], note: 'no endpoint is in DE: 503' });
});
