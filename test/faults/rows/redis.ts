// Redis: not there, killed, hanging, cut off, emptied, full of what others wrote. Nothing of it is on the way of a request, so the
// question is what requests notice: windows with the fault alternate with windows without, on one load.

import { startCluster } from '../../support/cluster.ts';
import { type Fermat, startFermat } from '../../support/fermat.ts';
import { type RedisServer, startRedis } from '../../support/redis-server.ts';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { nowMs, type Phase, startLoad } from '../load.ts';
import { configOf, type FaultRig, pause, startRig, WARM_UP_MS } from '../rig.ts';

const RATE = 500;
const PROBE = { interval: '1s' } as const;
/** Of each window the beginning belongs to the one before. */
const SETTLE_MS = 300;
const PAUSE_MS = 30_000;
/** What p99 may be later by, in parts of the p99 without. */
const P99_RATIO = 0.1;

interface Windows {
  readonly pairs: number;
  readonly ms: number;
}

const windowsOf = ({ isQuick }: How): Windows => (isQuick ? { pairs: 1, ms: 1000 } : { pairs: 10, ms: 2500 });

const stateOf = (id: string, url: string) => ({ node: { id, region: 'aws:eu-central-1' }, state: { redis: url } });

/** Two nodes before the same origins; the first one has the load. */
async function startPair(urls: readonly [string, string]): Promise<{ rig: FaultRig; other: Fermat }> {
  const rig = await startRig({ pool: { probe: PROBE }, config: stateOf('one', urls[0]) });
  const other = await startFermat(configOf(rig.origins, { probe: PROBE }, stateOf('two', urls[1])));
  return { rig, other };
}

interface FleetView {
  readonly redis: { readonly up: boolean };
  readonly nodes: readonly { readonly node: string }[];
}

const fleetOf = (fermat: Fermat) => fermat.json<FleetView>('/api/v1/fleet');
const isUp = async (fermat: Fermat) => (await fleetOf(fermat)).redis.up;
const hears = async (fermat: Fermat) => (await fleetOf(fermat)).nodes.length > 0;
const told = (fermat: Fermat, type: string) => fermat.events.filter((event) => event.type === type).length;

/** Runs `begin`, a window, `end`, a window, so many times; gives the moments of the windows. */
async function alternate({ pairs, ms }: Windows, begin: () => unknown, end: () => unknown) {
  const spans: { readonly fromMs: number; readonly middleMs: number; readonly toMs: number }[] = [];
  for (let i = 0; i < pairs; i++) {
    const fromMs = nowMs();
    await begin();
    await pause(ms);
    const middleMs = nowMs();
    await end();
    await pause(ms);
    spans.push({ fromMs, middleMs, toMs: nowMs() });
  }
  return spans;
}

type Spans = Awaited<ReturnType<typeof alternate>>;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** What requests noticed: nothing lost, and p99 with the fault beside that without, pair by pair. */
function noticed(all: Phase, spans: Spans, what: string): Figure[] {
  const p99 = (fromMs: number, toMs: number) => all.between(fromMs + SETTLE_MS, toMs).quantileMs(0.99);
  const pairs = spans.map(({ fromMs, middleMs, toMs }) => ({
    fault: p99(fromMs, middleMs),
    calm: p99(middleMs, toMs),
  }));
  const calmMs = median(pairs.map(({ calm }) => calm));
  const moreMs = median(pairs.map(({ fault, calm }) => fault - calm));
  return [
    timed(`p99 ${what}`, median(pairs.map(({ fault }) => fault)), 'ms'),
    timed('… without', calmMs, 'ms'),
    timed(`… more, median of ${pairs.length}`, moreMs, 'ms', { atMost: calmMs * P99_RATIO }),
  ];
}

async function dies(how: How): Promise<Figure[]> {
  await using redis = await startRedis();
  await redis.kill();
  const startMs = performance.now();
  const { rig, other } = await startPair([redis.url, redis.url]);
  try {
    const readyMs = performance.now() - startMs;
    await using load = await startLoad(rig.port, RATE);
    await pause(how.isQuick ? 500 : WARM_UP_MS);
    await redis.start();
    await until(() => hears(rig.fermat), 'the other node', 20_000);
    how.say('killed and started again and again');
    const spans = await alternate(
      windowsOf(how),
      () => redis.kill(),
      () => redis.start(),
    );
    await until(() => isUp(rig.fermat), 'Redis', 20_000);
    const all = await load.end();
    return [
      timed('both nodes ready without Redis after', readyMs / 1000, 's'),
      firm('requests', all.requests),
      firm('lost', all.lost(), { atMost: 0 }),
      ...noticed(all, spans, 'while it is dead'),
      firm('told that it is away, times', told(rig.fermat, 'redis.down'), { atLeast: 1, atMost: spans.length + 1 }),
    ];
  } finally {
    await rig[Symbol.asyncDispose]();
    await other.stop();
  }
}

async function hangs(how: How): Promise<Figure[]> {
  await using bed = await startCluster(0, { origins: [] });
  const { redis } = bed;
  const way = (mode: 'open' | 'swallow' | 'cut') => bed.way('redis', { host: '127.0.0.1', port: redis.port }, { mode });
  const { port } = await way('open');
  const { rig, other } = await startPair([`redis://127.0.0.1:${port}`, redis.url]);
  try {
    await using load = await startLoad(rig.port, RATE);
    await until(() => hears(rig.fermat), 'the other node', 20_000);
    await pause(how.isQuick ? 0 : WARM_UP_MS);
    const { pairs, ms } = windowsOf(how);
    how.say('stopped and resumed again and again');
    const stops = await alternate(
      { pairs, ms },
      () => redis.pause(),
      () => redis.resume(),
    );
    how.say('cut off, silently');
    const cuts = await alternate(
      { pairs: Math.ceil(pairs / 2), ms },
      () => way('swallow'),
      // What was swallowed is missing in its stream: such a connection must not go on.
      async () => {
        await way('cut');
        await way('open');
      },
    );
    await until(() => isUp(rig.fermat), 'Redis', 20_000);
    how.say('stopped for long');
    redis.pause();
    const waiting = await longestWait(rig, how.isQuick ? 1000 : PAUSE_MS);
    redis.resume();
    await until(() => hears(rig.fermat), 'the other node again', 20_000);
    const all = await load.end();
    return [
      firm('requests', all.requests),
      firm('lost', all.lost(), { atMost: 0 }),
      ...noticed(all, stops, 'while it is stopped'),
      ...noticed(all, cuts, 'while it is cut off'),
      timed('calls that waited, in the long stop', waiting, '', { atMost: 40 }),
    ];
  } finally {
    redis.resume();
    await rig[Symbol.asyncDispose]();
    await other.stop();
  }
}

/** Calls of the first node that ran into their time-out while Redis stood still for `ms`. */
async function longestWait(rig: FaultRig, ms: number): Promise<number> {
  const timeouts = () => rig.fermat.metric('fermat_redis_commands_total', 'result="timeout"');
  const before = await timeouts();
  await pause(ms);
  return (await timeouts()) - before;
}

/** Ours replaced by other types, a giant, and noise on the channel; everything dropped in between. */
async function litter({ client }: RedisServer): Promise<void> {
  await client.flushall();
  await client.set('fermat:{fleet}:nodes', 'x'.repeat(1_000_000));
  for (const key of await client.keys('fermat:{fleet}:*')) if (!key.endsWith('nodes')) await client.del(key);
  for (let i = 0; i < 20; i++) await client.publish('fermat:fleet', Buffer.alloc(i * 1000, i));
  await client.publish('fermat:fleet', 'x'.repeat(500_000));
}

async function foreign(how: How): Promise<Figure[]> {
  await using redis = await startRedis();
  const { rig, other } = await startPair([redis.url, redis.url]);
  try {
    await using load = await startLoad(rig.port, RATE);
    await until(() => hears(rig.fermat), 'the other node', 20_000);
    await pause(how.isQuick ? 0 : WARM_UP_MS);
    let timer: NodeJS.Timeout | undefined;
    const spans = await alternate(
      windowsOf(how),
      () => {
        timer = setInterval(() => void litter(redis), 200);
      },
      () => clearInterval(timer),
    );
    await until(async () => (await hears(rig.fermat)) && (await isUp(rig.fermat)), 'the other node again', 20_000);
    const counted = await rig.fermat.metric('fermat_share_digests_total', 'result="foreign"');
    const all = await load.end();
    return [
      firm('requests', all.requests),
      firm('lost', all.lost(), { atMost: 0 }),
      ...noticed(all, spans, 'while it is littered and flushed'),
      firm('unreadable messages counted', counted, { atLeast: 1 }),
      firm('… told of, times', told(rig.fermat, 'share.unreadable'), { atLeast: 1, atMost: 3 }),
      firm('the other node is heard', Number(await hears(rig.fermat)), { atLeast: 1 }),
    ];
  } finally {
    await rig[Symbol.asyncDispose]();
    await other.stop();
  }
}

export const REDIS: readonly FaultCase[] = [
  {
    table: 'dependency',
    fault: 'Redis down at start / dies',
    injected: `two nodes start without Redis; it comes; then it is killed and started again ten times, under ${RATE} requests/s`,
    expected: 'both start and serve; 0 lost; p99 with the fault within 10 % of p99 without; told once each time',
    isShort: false,
    run: dies,
  },
  {
    table: 'dependency',
    fault: 'Redis slow (SIGSTOP) / partitioned',
    injected: `Redis is stopped ten times, cut off silently five times, then stopped for 30 s, under ${RATE} requests/s`,
    expected:
      'never on the request path: 0 lost, p99 within 10 %; a few calls wait for their time-out, then none is made',
    isShort: false,
    run: hangs,
  },
  {
    table: 'dependency',
    fault: 'Redis holds stale / foreign data',
    injected: `flushed five times a second, other types and a giant at our keys, noise on the channel, under ${RATE} requests/s`,
    expected: 'counted, told once, ignored: 0 lost, p99 within 10 %, nodes go on hearing each other',
    isShort: false,
    run: foreign,
  },
];
