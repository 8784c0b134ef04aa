// What a proxy adds to a request's time when it is not at its limit: a constant rate, half of what the slowest C proxy can
// carry (20,000/s at most), straight to the origin and through each proxy in turn. And whether Fermat ever stops: its longest
// silence in a minute, beside what an idle process pinned to the same core misses (pause.ts). Throughput and CPU are compare.ts's.
// npm run bench:load -- latency [--peers nginx,haproxy,fermat] [--rate N] [--rounds 5] [--seconds 4] [--pause-seconds 60]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findGenerators } from '../support/load.ts';
import { commandOf, loadAverage, machineOf } from '../support/machine.ts';
import type { Running } from '../support/process.ts';
import { median, tableOf, writeCompact } from '../support/report.ts';
import { type SteadyResult, steadyLoad } from '../support/steady.ts';
import { makeCertificate } from './certificate.ts';
import { baseOf } from './check.ts';
import { placementOf } from './cores.ts';
import { measurePause, type Pause } from './pause.ts';
import { PEERS } from './peers.ts';
import { PLAIN } from './proxies/setup.ts';
import { prepareGrounds, type Stall, startStall } from './stable.ts';

const CONNECTIONS = 64;
const WARM_UP_S = 1;
/** The first window of a just-in-time compiler is not what it can do. */
const FIRST_WARM_UP_S = 4;
const CAPACITY_S = 2;
const CAPACITY_ROUNDS = 2;
/** The generator shares a core with the origin: from 25,000 on it sent late itself. */
const MOST_PER_SECOND = 20_000;
const PAUSE_LIMIT_MS = 20;
const DIRECT = 'direct';

const { values: flags } = parseArgs({
  options: {
    peers: { type: 'string', default: 'nginx,haproxy,fermat' },
    rate: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    'pause-peers': { type: 'string', default: 'fermat' },
    'pause-seconds': { type: 'string', default: '60' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const USAGE = `npm run bench:load -- latency [--peers nginx,haproxy,fermat] [--rate N, default: half of the slowest C peer's capacity]
  [--rounds 5] [--seconds 4] [--pause-peers fermat] [--pause-seconds 60, 0 = none] [--quick]`;

const listOf = (text: string) => text.split(',').filter(Boolean);
const [rounds, seconds, pauseSeconds] = flags.quick
  ? ([1, 2, 5] as const)
  : ([Number(flags.rounds), Number(flags.seconds), Number(flags['pause-seconds'])] as const);
const names = [...new Set([...listOf(flags.peers), ...listOf(flags['pause-peers'])])];
const isUsable =
  names.every((name) => Object.hasOwn(PEERS, name)) &&
  [rounds, seconds].every((number) => Number.isInteger(number) && number > 0) &&
  [Number(flags.rate), pauseSeconds].every((number) => Number.isInteger(number) && number >= 0);
if (flags.help || !isUsable) {
  console.log(USAGE);
  process.exit(flags.help ? 0 : 2);
}

interface Target {
  readonly name: string;
  readonly port: number;
}

interface Window extends Omit<SteadyResult, 'silences'> {
  readonly target: string;
  readonly round: number;
}

/** µs. Quantiles as seen, then what they are above going direct and above nginx in the same round. Medians of the rounds. */
export interface LatencySummary {
  readonly target: string;
  readonly seen: Quantiles;
  readonly added: Quantiles | null;
  readonly overNginx: Quantiles | null;
  readonly errors: number;
}

export interface Quantiles {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

process.exitCode = await bench();

async function bench(): Promise<number> {
  if (PEERS.nginx!.version() === null) {
    console.error('The origin is nginx, which is not installed: apt-get install nginx');
    return 1;
  }
  const at = new Date().toISOString();
  const machine = machineOf();
  console.log(`${machine.cpu}, ${machine.cores} cores, commit ${machine.commit}, load average ${machine.loadAverage}`);
  const folder = mkdtempSync(join(tmpdir(), 'fermat-latency-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const grounds = await prepareGrounds(folder, makeCertificate(folder), 1);
  const running: Running[] = [grounds.http.running, grounds.echo.running];
  try {
    const stalls = new Map<string, Stall>();
    for (const name of names.filter((peer) => PEERS[peer]!.version() !== null)) {
      const stall = await startStall(grounds, name, PLAIN, placementOf(1).proxy);
      running.push(stall.running);
      stalls.set(name, stall);
    }
    const capacities = Number(flags.rate) > 0 ? {} : await capacitiesOf(stalls);
    const half = Math.floor(Math.min(...Object.values(capacities)) / 2);
    const rate = Number(flags.rate) || Math.min(half, MOST_PER_SECOND);
    console.log(`${rate} requests/s over ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s each`);

    const through = listOf(flags.peers).flatMap((name) => {
      const stall = stalls.get(name);
      return stall ? [{ name, port: stall.port }] : [];
    });
    const windows = await alternate([{ name: DIRECT, port: grounds.http.port }, ...through], rate);
    const summary = summarise(windows);
    report(summary);
    const late = median(windows.filter(({ target }) => target === DIRECT).map(({ sentLateP99Us }) => sentLateP99Us));
    console.log(`The generator itself sent late by ${late} µs at p99 when it went direct.`);
    const pauses: Record<string, Pause> = {};
    for (const name of pauseSeconds > 0 ? listOf(flags['pause-peers']) : []) {
      const stall = stalls.get(name);
      if (stall) pauses[name] = await pauseOf(name, stall, rate);
    }
    const result = {
      at,
      command: commandOf('bench/load/main.ts latency'),
      machine: { ...machine, loadAverageAfter: loadAverage() },
      versions: Object.fromEntries([...stalls.keys()].map((name) => [name, PEERS[name]!.version()])),
      terms: { connections: CONNECTIONS, rate, capacities, rounds, seconds, path: '/small' },
      summary,
      pauses,
      windows,
    };
    console.log(flags.quick ? '\nQuick: not kept.' : `\nRaw figures: ${writeCompact('load-latency', result)}`);
    return summary.every(({ errors }) => errors === 0) ? 0 : 1;
  } finally {
    await Promise.all(running.map((process) => process.stop()));
  }
}

/** Requests per second that the C peers carry, by name: the best of some windows, since a busy machine only takes away. */
async function capacitiesOf(stalls: ReadonlyMap<string, Stall>): Promise<Record<string, number>> {
  const generator = findGenerators()['http/1.1'];
  const capacities: Record<string, number> = {};
  for (let round = 0; round < CAPACITY_ROUNDS; round++) {
    for (const name of ['nginx', 'haproxy']) {
      const stall = stalls.get(name);
      if (!stall) continue;
      const demand = { protocol: 'http/1.1', path: '/small', connections: CONNECTIONS, base: baseOf(stall) } as const;
      const result = await generator.run({ ...demand, seconds: CAPACITY_S, core: placementOf(1).load });
      capacities[name] = Math.max(capacities[name] ?? 0, Math.round(result.requests / result.seconds));
    }
  }
  for (const [name, perSecond] of Object.entries(capacities)) console.log(`${name} carries ${perSecond} requests/s`);
  return capacities;
}

async function alternate(targets: readonly Target[], rate: number): Promise<Window[]> {
  const windows: Window[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const { name, port } of targets) {
      const warmUpS = round === 0 ? FIRST_WARM_UP_S : WARM_UP_S;
      const load = { port, path: '/small', connections: CONNECTIONS, rate, warmUpS, seconds };
      const { silences: _, ...result } = await steadyLoad({ ...load, core: placementOf(1).load });
      // JSON has null for a quantile of nothing, and a median with a null in it would be a figure that nobody measured.
      if (!Number.isFinite(result.p999Us)) {
        throw new Error(
          `${name} answered nothing that was due within a window at ${rate} requests/s (${result.errors} errors): ` +
            'the machine has other work, or --rate is too high. Nothing was kept',
        );
      }
      windows.push({ target: name, round, ...result });
      console.log(`  round ${round + 1}/${rounds} ${name}: p50 ${result.p50Us} µs, p99 ${result.p99Us} µs`);
    }
  }
  return windows;
}

function summarise(windows: readonly Window[]): LatencySummary[] {
  return [...new Set(windows.map(({ target }) => target))].map((target) => {
    const mine = windows.filter((window) => window.target === target);
    return {
      target,
      seen: medians(mine),
      added: target === DIRECT ? null : above(mine, windows, DIRECT),
      overNginx: target === DIRECT || target === 'nginx' ? null : above(mine, windows, 'nginx'),
      errors: mine.reduce((sum, { errors }) => sum + errors, 0),
    };
  });
}

function above(mine: readonly Window[], all: readonly Window[], base: string): Quantiles | null {
  const differences = mine.flatMap((window) => {
    const other = all.find(({ target, round }) => target === base && round === window.round);
    if (!other) return [];
    return {
      p50Us: window.p50Us - other.p50Us,
      p99Us: window.p99Us - other.p99Us,
      p999Us: window.p999Us - other.p999Us,
    };
  });
  return differences.length > 0 ? medians(differences) : null;
}

function medians(windows: readonly Quantiles[]): Quantiles {
  return {
    p50Us: median(windows.map(({ p50Us }) => p50Us)),
    p99Us: median(windows.map(({ p99Us }) => p99Us)),
    p999Us: median(windows.map(({ p999Us }) => p999Us)),
  };
}

function report(summary: readonly LatencySummary[]): void {
  const cells = (quantiles: Quantiles | null) =>
    quantiles ? [quantiles.p50Us, quantiles.p99Us, quantiles.p999Us].map((us) => us.toFixed(0)) : ['–', '–', '–'];
  const rows = summary.map(({ target, seen, added, overNginx, errors }) => {
    return [target, ...cells(seen), ...cells(added), ...cells(overNginx), String(errors)];
  });
  const three = (title: string) => ['p50', 'p99', 'p99.9'].map((quantile) => `${title}${quantile}`);
  const head = ['µs', ...three(''), ...three('added '), ...three('− nginx '), 'errors'];
  console.log(`\n${tableOf(head, rows)}\n`);
}

async function pauseOf(name: string, stall: Stall, rate: number): Promise<Pause> {
  const pause = await measurePause(stall.port, rate, CONNECTIONS, pauseSeconds);
  const verdict = pause.beyondIdleMs <= PAUSE_LIMIT_MS ? 'within' : 'over';
  console.log(
    `${name}, ${pauseSeconds} s: longest silence ${pause.longestMs.toFixed(1)} ms, an idle process on its core missed at most ` +
      `${pause.idleLongestMs.toFixed(1)} ms; beyond what was missed meanwhile ${pause.beyondIdleMs.toFixed(1)} ms (${verdict} ${PAUSE_LIMIT_MS})`,
  );
  return pause;
}
