// Limits on the rate of requests in the real process, each node by itself: what is let through, what the others are told, and whom
// a limit is for. Over several nodes: limits-fleet.test.ts.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Answer, exchange, get, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

let origin: Origin;
let fermat: Fermat;

const limit = (path: string, ...rateLimit: Record<string, unknown>[]) => ({
  path,
  pool: 'main',
  name: path,
  rateLimit,
});

beforeAll(async () => {
  origin = await startOrigin();
  fermat = await startFermat({
    // Two workers: a bucket is the node's, not a worker's.
    workers: 2,
    trustedProxies: ['127.0.0.0/8'],
    pools: { main: poolOf([origin.url]) },
    routes: [
      limit('/client', { rate: '1/h', burst: 3, headers: true }),
      limit('/route', { rate: '2/h', key: 'route' }),
      limit('/tenant', { rate: '1/h', burst: 2, key: 'header:X-Tenant' }),
      limit('/cookie', { rate: '1/h', key: 'cookie:sid', onMissingKey: 'pass' }),
      limit('/path', { rate: '1/h', key: 'path:2', onMissingKey: 'refuse' }),
      limit('/both', { name: 'hour', rate: '5/h', key: 'route' }, { name: 'who', rate: '1/h', key: 'header:X-Tenant' }),
      limit('/quick', { rate: '50/s', burst: 1, key: 'route' }),
      {
        path: '/respond',
        respond: { status: 200, body: 'here' },
        rateLimit: { rate: '1/h', key: 'route', headers: true },
      },
    ],
  });
});
afterEach(() => origin.reset());
afterAll(async () => {
  await fermat.stop();
  await origin.refuse();
});

const ask = (path: string, fields = ''): Promise<Answer> => exchange(fermat.port, get(path, fields));

async function statuses(count: number, path: string, fields = ''): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push((await ask(path, fields)).status);
  return all;
}

describe('a limit', () => {
  it('lets the burst through, over all workers and connections, and tells the others when to come back', async () => {
    const passed = await ask('/client', 'X-Forwarded-For: 203.0.113.1\r\n');
    expect(passed.status).toBe(200);
    expect(passed.field('ratelimit-policy')).toBe('"default";q=3;w=10800');
    expect(passed.field('ratelimit')).toBe('"default";r=2;t=3600');
    const asked = await Promise.all(
      Array.from({ length: 20 }, () => ask('/client', 'X-Forwarded-For: 203.0.113.1\r\n')),
    );
    expect(asked.filter(({ status }) => status === 200)).toHaveLength(2);
    const refused = asked.find(({ status }) => status === 429)!;
    expect(refused.field('retry-after')).toMatch(/^3(600|5\d\d)$/);
    expect(refused.field('ratelimit-policy')).toBe('"default";q=3;w=10800');
    expect(refused.field('ratelimit')).toMatch(/^"default";r=0;t=10(800|7\d\d)$/);
    expect(refused.field('proxy-status')).toBe('fermat; error=http_request_denied; details="default"');
    expect(refused.field('connection')).toBeNull();
    expect(await fermat.metric('fermat_rate_limited_total', 'route="/client"')).toBe(18);
  });

  it('is each client’s own: an IPv4 address, or an IPv6 /64, as trusted proxies tell', async () => {
    expect(await statuses(4, '/client', 'X-Forwarded-For: 203.0.113.2\r\n')).toEqual([200, 200, 200, 429]);
    const host = (i: number) => `X-Forwarded-For: 2001:db8:1:2::${i}\r\n`;
    expect(
      (await Promise.all([1, 2, 3, 4].map((i) => ask('/client', host(i))))).filter((a) => a.status === 429),
    ).toHaveLength(1);
    expect((await ask('/client', 'X-Forwarded-For: 2001:db8:1:3::1\r\n')).status).toBe(200);
  });

  it('may be one for all, or go by a header, a cookie or a part of the path', async () => {
    expect(await statuses(3, '/route')).toEqual([200, 200, 429]);
    expect(await statuses(3, '/tenant', 'X-Tenant: a\r\n')).toEqual([200, 200, 429]);
    expect(await statuses(1, '/tenant', 'x-tenant: b\r\n')).toEqual([200]);
    expect(await statuses(2, '/cookie', 'Cookie: a=1; sid=x\r\n')).toEqual([200, 429]);
    expect(await statuses(1, '/cookie', 'Cookie: sid="y"; sid=x\r\n')).toEqual([200]);
    expect(await statuses(2, '/path/acme/books?x=1')).toEqual([200, 429]);
    expect(await statuses(2, '/path/%61cme')).toEqual([429, 429]);
    expect(await statuses(1, '/path/b')).toEqual([200]);
  });

  it('says what becomes of requests without its key', async () => {
    expect(await statuses(3, '/tenant')).toEqual([200, 200, 429]);
    expect(await statuses(3, '/cookie')).toEqual([200, 200, 200]);
    const refused = await ask('/path');
    expect([refused.status, refused.field('proxy-status')]).toEqual([
      400,
      'fermat; error=http_request_denied; details="default"',
    ]);
  });

  it('takes nothing from whom another limit of the route turns away', async () => {
    expect(await statuses(4, '/both', 'X-Tenant: a\r\n')).toEqual([200, 429, 429, 429]);
    const others = ['b', 'c', 'd', 'e', 'f'].map((name) => statuses(1, '/both', `X-Tenant: ${name}\r\n`));
    const all = (await Promise.all(others)).flat();
    expect(all.filter((status) => status === 200)).toHaveLength(4);
    const refused = await ask('/both', 'X-Tenant: g\r\n');
    expect(refused.field('proxy-status')).toContain('details="hour"');
  });

  it('holds for answers that no endpoint gives, too', async () => {
    const first = await ask('/respond');
    expect([first.status, first.field('ratelimit')]).toEqual([200, '"default";r=0;t=3600']);
    expect((await ask('/respond')).status).toBe(429);
  });

  it('gives room again as time goes by, on a connection that stays open', async () => {
    using client = await rawClient(fermat.port);
    const startMs = performance.now();
    let passed = 0;
    while (passed < 10) {
      await client.send(get('/quick'));
      const { status } = await client.answer();
      expect([200, 429]).toContain(status);
      if (status === 200) passed++;
    }
    expect(performance.now() - startMs).toBeGreaterThan(170); // nine intervals of 20 ms, less what a clock may be off
  });
});

it('keys in use are counted, and forgotten when they owe nothing', async () => {
  await until(
    async () => (await fermat.metric('fermat_rate_limit_keys')) > 5,
    'the table to have been looked through',
    20_000,
  );
});
