// Requests that belong together, on the real process: by a cookie inside the band of `fastest`, by a header under `hash`.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const COUNT = 4;

let origins: Origin[];
let fermat: Fermat;

beforeAll(async () => {
  origins = await Promise.all(Array.from({ length: COUNT }, () => startOrigin()));
  const urls = origins.map((o) => o.url);
  fermat = await startFermat({
    workers: 2,
    listeners: [{ address: '127.0.0.1:0', name: 'http' }],
    pools: {
      shop: poolOf(urls, { balance: { hashOn: 'cookie:sid', bandMs: 1000 } }, 's'),
      blog: poolOf(urls, { balance: { policy: 'hash', hashOn: 'header:X-Tenant' } }, 'b'),
    },
    routes: [
      { path: '/shop', pool: 'shop', serverTiming: true },
      { path: '/blog', pool: 'blog', serverTiming: true },
    ],
  });
  await until(async () => {
    const endpoints = await fermat.json<{ healthy: boolean }[]>('/api/v1/endpoints');
    return endpoints.length === 2 * COUNT && endpoints.every((e) => e.healthy);
  });
});

afterAll(async () => {
  await fermat?.stop();
  await Promise.all(origins?.map((o) => o[Symbol.asyncDispose]()) ?? []);
});

/** Each over a connection of its own, so that both workers answer. */
async function endpointOf(path: string, field = ''): Promise<string> {
  const answer = await exchange(fermat.port, get(path, `${field}Connection: close\r\n`));
  expect(answer.status).toBe(200);
  return answer.field('x-fermat-endpoint') ?? '';
}

describe.each([
  ['a cookie, inside the band', '/shop', (key: string) => `Cookie: other=1; sid=${key}\r\n`],
  ['a header, under the policy hash', '/blog', (key: string) => `X-Tenant: ${key}\r\n`],
])('by %s', (_, path, fieldOf) => {
  it('requests of one key stay at one endpoint, on every worker; keys spread over all', async () => {
    const seen = new Set<string>();
    for (let key = 0; key < 24; key++) {
      const first = await endpointOf(path, fieldOf(`k${key}`));
      for (let i = 0; i < 4; i++) expect(await endpointOf(path, fieldOf(`k${key}`))).toBe(first);
      seen.add(first);
    }
    expect(seen.size).toBe(COUNT);
  });

  it('requests without a key go anywhere', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 40; i++) seen.add(await endpointOf(path));
    expect(seen.size).toBeGreaterThan(1);
  });
});

it('a key moves when its endpoint is drained, the others stay', async () => {
  const keys = Array.from({ length: 16 }, (_, i) => `X-Tenant: k${i}\r\n`);
  const before: string[] = [];
  for (const key of keys) before.push(await endpointOf('/blog', key));
  await fermat.json(`/api/v1/endpoints/${before[0]}/drain`, { method: 'POST' });
  for (const [i, key] of keys.entries()) {
    const now = await endpointOf('/blog', key);
    if (before[i] === before[0]) expect(now).not.toBe(before[0]);
    else expect(now).toBe(before[i]);
  }
});
