// More work than may be taken on: who is turned away, how soon, and who is not.

import { exchange, get } from '../../support/raw.ts';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { startLoad } from '../load.ts';
import type { FaultyOrigin } from '../origins.ts';
import { configOf, pause, startRig, WARM_UP_MS, WELL } from '../rig.ts';

const MIB = 1 << 20;
const SHED = (outcome: number) => outcome === 503;

const ROUTES = [
  { host: 'low.test', pool: 'main', priority: 'low' },
  { host: 'high.test', pool: 'main', priority: 'high' },
  { pool: 'main' },
];

/** In flight at once: 50 may be; low ones alone would be 80, high ones 2. */
async function priorities({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ config: { routes: ROUTES, limits: { requests: 50 } } });
  await Promise.all(rig.origins.map((origin) => origin.behave({ ...WELL, headMs: 100 }, WELL)));
  await using low = await startLoad(rig.port, 800, { host: 'low.test' });
  await using high = await startLoad(rig.port, 20, { host: 'high.test' });
  await pause(isQuick ? 2000 : 8000);
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => exchange(rig.port, get('/').replace('example.com', 'low.test'))),
  );
  const turnedAway = answers.filter(({ status }) => status === 503);
  const startMs = performance.now();
  const admin = await rig.fermat.admin('/readyz');
  const metrics = await rig.fermat.admin('/metrics');
  const adminMs = performance.now() - startMs;
  const [lows, highs] = await Promise.all([low.end(), high.end()]);
  return [
    firm('low: requests', lows.requests),
    firm(
      'low: served',
      lows.count((outcome) => outcome === 200),
      { atLeast: lows.requests / 8 },
    ),
    firm('low: 503', lows.count(SHED), { atLeast: 1 }),
    timed('low: 503 at the median', lows.quantileMs(0.5, SHED), 'ms', { atMost: 5 }),
    timed('low: 503 at p99', lows.quantileMs(0.99, SHED), 'ms'),
    firm('low: 503 without Retry-After', turnedAway.filter((answer) => answer.field('retry-after') === null).length, {
      atMost: 0,
    }),
    firm('high: requests', highs.requests),
    firm('high: lost', highs.lost(), { atMost: 0 }),
    firm('counted in fermat_shed_total', await rig.fermat.metric('fermat_shed_total'), { atLeast: lows.count(SHED) }),
    firm('admin and metrics answer', Number(admin.status === 200 && metrics.status === 200), { atLeast: 1 }),
    timed('… both after', adminMs, 'ms'),
  ];
}

const limited = (origins: readonly FaultyOrigin[], bytes: number) =>
  configOf(origins, {}, { routes: ROUTES, limits: { memory: Math.round(bytes) } });

/** The limit is put where memory is, since memory cannot be put where the limit is. */
async function memory({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ config: { routes: ROUTES } });
  await using high = await startLoad(rig.port, 50, { host: 'high.test' });
  await pause(isQuick ? 1000 : WARM_UP_MS);
  const ask = (host: string) => exchange(rig.port, get('/').replace('example.com', host));
  const limit = async (share: number) => {
    rig.fermat.writeConfig(limited(rig.origins, rig.fermat.rssBytes / share));
    if ((await rig.fermat.admin('/api/v1/reload', { method: 'POST' })).status !== 200) throw new Error('not reloaded');
  };
  const rss = rig.fermat.rssBytes;
  await limit(0.925);
  await until(async () => (await ask('high.test')).field('connection') === 'close', 'no keep-alive', 10_000);
  const at92 = await ask('low.test');
  await limit(0.962);
  await until(async () => (await ask('low.test')).status === 503, 'low ones turned away', 10_000);
  const at96 = [await ask('low.test'), await ask('high.test')] as const;
  const admin = await rig.fermat.admin('/metrics');
  await limit(0.5);
  await until(async () => (await ask('low.test')).status === 200, 'low ones served again', 10_000);
  const all = await high.end();
  return [
    timed('RSS', rss / MIB, 'MiB'),
    firm('at 92 %: low', at92.status, { atLeast: 200, atMost: 200 }),
    firm('at 92 %: Connection: close', 1, { atLeast: 1 }),
    firm('at 96 %: low', at96[0].status, { atLeast: 503, atMost: 503 }),
    firm('at 96 %: with Retry-After', Number(at96[0].field('retry-after') !== null), { atLeast: 1 }),
    firm('at 96 %: high', at96[1].status, { atLeast: 200, atMost: 200 }),
    firm('admin and metrics answer', admin.status, { atLeast: 200, atMost: 200 }),
    firm('high: lost in all', all.lost(), { atMost: 0 }),
  ];
}

export const OVERLOAD: readonly FaultCase[] = [
  {
    table: 'lifecycle',
    fault: 'overload: shedding by priority',
    injected: '800 requests/s on a low route and 20/s on a high one, 100 ms each; limits.requests: 50',
    expected: 'low ones get 503 with Retry-After in under 5 ms, high ones lose nothing; admin and metrics answer',
    isShort: true,
    run: priorities,
  },
  {
    table: 'lifecycle',
    fault: 'overload: memory',
    injected: 'limits.memory is put so that the process is at 92 %, at 96 %, at half of it',
    expected:
      'at 90 % no keep-alive, at 95 % 503 + Retry-After for low priority; high served; admin answers; all well afterwards',
    isShort: false,
    run: memory,
  },
];
