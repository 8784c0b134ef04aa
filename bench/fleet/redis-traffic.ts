// What sharing costs Redis: the real publishers with the real codec and schedule on real connections, many nodes in one process,
// before a real redis-server that counts. Per node: bytes a second in and out, and commands. `steady`: figures tremble as they do
// under traffic; `storm`: every figure of every endpoint is news every time.
// A run replaces its own rows of bench/results/fleet-redis.json. All publishers share one core: `late` tells whether it was enough.
// Run: node bench/fleet/redis-traffic.ts [--nodes 16,256] [--endpoints 300] [--seconds 30] [--mood steady,storm]

import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { nowMs } from '../../src/clock.ts';
import { redisOf } from '../../src/control/config/redis.ts';
import { createEventLog } from '../../src/control/events.ts';
import { RedisLink } from '../../src/control/redis/link.ts';
import { Share } from '../../src/control/share/share.ts';
import { seeded } from '../../src/core/selector.ts';
import type { SharedEndpoint } from '../../src/core/share/digest.ts';
import { type RedisServer, startRedis } from '../../test/support/redis-server.ts';
import { normalOf } from '../route/sim/jobs.ts';
import { commandOf, machineOf } from '../support/machine.ts';
import { tableOf, writeResult } from '../support/report.ts';

const PROBE_INTERVAL_MS = 2000;
/** Nodes come one by one, or the first second would be all there is to see. */
const START_EVERY_MS = 100;
/** A node sends requests to so many of the endpoints; of the rest it knows its probes. */
const USED_RATIO = 0.1;
const MOODS = ['steady', 'storm'] as const;
type Mood = (typeof MOODS)[number];

const { values: flags } = parseArgs({
  options: {
    nodes: { type: 'string', default: '16,256' },
    endpoints: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '30' },
    mood: { type: 'string', default: MOODS.join(',') },
  },
});

interface Counted {
  readonly atMs: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** As clients sent them, and those within scripts too. */
  readonly calls: ReadonlyMap<string, number>;
}

interface Row {
  readonly nodes: number;
  readonly endpoints: number;
  readonly mood: Mood;
  readonly heard: number;
  /** p99 of how late this process's event loop was. ms */
  readonly lateMs: number;
  /** Per node and second, as Redis counts them. */
  readonly sentBytesPerS: number;
  readonly receivedBytesPerS: number;
  readonly commandsPerS: number;
  readonly byCommand: Readonly<Record<string, number>>;
}

const rows: Row[] = [];
for (const nodes of flags.nodes.split(',').map(Number)) {
  for (const mood of MOODS.filter((name) => flags.mood.split(',').includes(name))) {
    rows.push(await measured(nodes, Number(flags.endpoints), mood));
  }
}
const path = writeResult('fleet-redis', {
  at: new Date().toISOString(),
  command: commandOf('bench/fleet/redis-traffic.ts'),
  machine: machineOf(),
  rows: [...rows, ...before()],
});
const head = ['nodes', 'endpoints', '', 'sent B/s', 'received B/s', 'commands/s', 'others heard', 'late ms'];
const lines = rows.map((r) => [
  String(r.nodes),
  String(r.endpoints),
  r.mood,
  r.sentBytesPerS.toFixed(0),
  r.receivedBytesPerS.toFixed(0),
  r.commandsPerS.toFixed(2),
  r.heard.toFixed(0),
  r.lateMs.toFixed(0),
]);
console.log(`${tableOf(head, lines)}\n\n${path}`);

/** Rows of earlier runs that this one has not measured anew; none if there was none. */
function before(): readonly Row[] {
  const keyOf = ({ nodes, endpoints, mood }: Row) => `${nodes} ${endpoints} ${mood}`;
  const replaced = new Set(rows.map(keyOf));
  try {
    const kept = readFileSync(new URL('../results/fleet-redis.json', import.meta.url), 'utf8');
    return (JSON.parse(kept) as { rows: Row[] }).rows.filter((row) => !replaced.has(keyOf(row)));
  } catch {
    return [];
  }
}

async function measured(nodes: number, endpoints: number, mood: Mood): Promise<Row> {
  await using redis = await startRedis();
  const all = [];
  try {
    for (let n = 0; n < nodes; n++) {
      all.push(nodeOf(redis, n, endpoints, mood));
      await pause(START_EVERY_MS);
    }
    // Two turns, and they tell as little as so many do.
    await pause(2 * PROBE_INTERVAL_MS * Math.max(nodes / 64, 1));
    const loop = monitorEventLoopDelay({ resolution: 10 });
    loop.enable();
    const from = await counted(redis);
    await pause(Number(flags.seconds) * 1000);
    loop.disable();
    const lateMs = loop.percentile(99) / 1e6;
    return rowOf(from, await counted(redis), { nodes, endpoints, mood, lateMs, heard: all.at(-1)!.share.peers.size });
  } finally {
    for (const { share, link } of all) {
      await share.stop();
      link.destroy();
    }
  }
}

function nodeOf(redis: RedisServer, n: number, endpoints: number, mood: Mood) {
  const events = createEventLog({ level: 'silent' });
  const random = seeded(n + 1);
  const link = new RedisLink(redisOf(redis.url, '.', [], []), { events, clock: nowMs, random });
  const place = { latDeg: random() * 120 - 60, lonDeg: random() * 360 - 180 };
  const base = Array.from({ length: endpoints }, (_, e) => endpointOf(e, random));
  const share = new Share({
    link,
    events,
    clock: nowMs,
    random,
    self: () => ({ node: `n${n}`, region: null, place, probeIntervalMs: PROBE_INTERVAL_MS }),
    shared: () => base.map((e) => trembling(e, mood, random)),
    onDigest: () => {},
  });
  share.start();
  return { share, link };
}

function endpointOf(e: number, random: () => number): SharedEndpoint {
  const isUsed = random() < USED_RATIO;
  const perS = isUsed ? 5 + random() * 50 : 0;
  return {
    key: 1000 + e,
    state: 'healthy',
    reason: null,
    ageMs: 500,
    networkMs: 1 + random() * 200,
    serverMs: 10 + random() * 20,
    baseMs: 10,
    offsetMs: 8,
    inflight: perS * 0.05,
    perS,
    errorRatio: 0,
    samples: isUsed ? 10_000 : 0,
  };
}

/** As it is measured the next time. */
function trembling(e: SharedEndpoint, mood: Mood, random: () => number): SharedEndpoint {
  const factor = (deviation: number) => Math.exp(deviation * normalOf(random));
  if (mood === 'storm')
    return { ...e, networkMs: e.networkMs * (1 + random()), serverMs: e.serverMs * (1 + 9 * random()) };
  return {
    ...e,
    networkMs: e.networkMs * factor(0.02),
    serverMs: e.perS > 0 ? e.serverMs * factor(0.06) : e.serverMs,
    inflight: Math.max(0, Math.round(e.inflight + Math.sqrt(e.inflight) * normalOf(random))),
    perS: Math.max(0, e.perS * factor(0.08)),
  };
}

async function counted(redis: RedisServer): Promise<Counted> {
  const stats = await redis.info('stats');
  const calls = new Map<string, number>();
  for (const [name, value] of await redis.info('commandstats')) {
    calls.set(name.replace('cmdstat_', ''), Number(/calls=(\d+)/.exec(value)?.[1] ?? 0));
  }
  const of = (name: string) => Number(stats.get(name));
  return {
    atMs: performance.now(),
    inBytes: of('total_net_input_bytes'),
    outBytes: of('total_net_output_bytes'),
    calls,
  };
}

function rowOf(from: Counted, to: Counted, of: Pick<Row, 'nodes' | 'endpoints' | 'mood' | 'heard' | 'lateMs'>): Row {
  const perNodeS = (of.nodes * (to.atMs - from.atMs)) / 1000;
  const byCommand: Record<string, number> = {};
  for (const [name, calls] of to.calls) {
    const made = (calls - (from.calls.get(name) ?? 0)) / perNodeS;
    if (made > 0.001 && name !== 'info') byCommand[name] = made;
  }
  return {
    ...of,
    sentBytesPerS: (to.inBytes - from.inBytes) / perNodeS,
    receivedBytesPerS: (to.outBytes - from.outBytes) / perNodeS,
    // The rest is what scripts do within.
    commandsPerS: (byCommand.evalsha ?? 0) + (byCommand.eval ?? 0),
    byCommand,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
