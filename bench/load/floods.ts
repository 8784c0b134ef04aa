// What other clients notice of an attack over HTTP/2: their p99 at a steady rate (HTTP/1.1, on the same listener and worker)
// with nobody else, and while a hostile process sends rapid resets or endless CONTINUATION frames over and over again.
// The hostile one has low priority on the core of generator and origin, so that it takes time from the proxy alone; what it
// costs that core all the same is shown by `burn`, which heats it and floods nobody. Windows alternate; medians of ratios.
// npm run bench:load -- floods [--peers fermat,haproxy] [--rate 5000] [--rounds 5] [--seconds 4]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commandOf, loadAverage, machineOf } from '../support/machine.ts';
import { cpuMs, outputOf, type Running, treeOf } from '../support/process.ts';
import { median, tableOf, writeCompact } from '../support/report.ts';
import { steadyLoad } from '../support/steady.ts';
import { makeCertificate } from './certificate.ts';
import { whatIsWrong } from './check.ts';
import { placementOf } from './cores.ts';
import { PEERS } from './peers.ts';
import { PLAIN } from './proxies/setup.ts';
import { prepareGrounds, type Stall, startStall } from './stable.ts';

/** `calm` is the measure of the others. */
const KINDS = ['calm', 'burn', 'rapid-reset', 'continuation'] as const;
type Kind = (typeof KINDS)[number];

const HOSTILE = fileURLToPath(new URL('../support/hostile-client.ts', import.meta.url));
const CONNECTIONS = 64;
const HOSTILE_CONNECTIONS = 8;
const WARM_UP_S = 1;
const FIRST_WARM_UP_S = 4;
/** Around the counted window. */
const HOSTILE_MARGIN_S = 0.5;
const LIMIT_RATIO = 2;
const H2C = { protocol: 'h2', path: '/small', connections: 1 } as const;

const { values: flags } = parseArgs({
  options: {
    peers: { type: 'string', default: 'fermat,haproxy' },
    rate: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const names = flags.peers.split(',').filter(Boolean);
const [rate, rounds, seconds] = [
  Number(flags.rate),
  flags.quick ? 1 : Number(flags.rounds),
  flags.quick ? 2 : Number(flags.seconds),
] as const;
const isUsable =
  names.every((name) => Object.hasOwn(PEERS, name)) &&
  [rate, rounds, seconds].every((number) => Number.isInteger(number) && number > 0);
if (flags.help || !isUsable) {
  console.log(
    'npm run bench:load -- floods [--peers fermat,haproxy] [--rate 5000] [--rounds 5] [--seconds 4] [--quick]',
  );
  process.exit(flags.help ? 0 : 2);
}

interface Window {
  readonly peer: string;
  readonly kind: Kind;
  readonly round: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
  /** Of the proxy's process tree, as a share of one core. */
  readonly cpuRatio: number;
  /** What the hostile client got done. */
  readonly hostileConnections: number;
  readonly hostileFrames: number;
}

export interface FloodSummary {
  readonly peer: string;
  readonly kind: Kind;
  readonly p50Us: number;
  readonly p99Us: number;
  /** p99 over that of the calm window of the same round; median. */
  readonly ratioToCalm: number;
  /** p99 over that of the window with a hot load core. */
  readonly ratioToBurn: number;
  readonly errors: number;
  /** Of one core, by the proxy. */
  readonly cpuRatio: number;
  readonly framesPerSecond: number;
  readonly connectionsPerSecond: number;
}

process.exitCode = await bench();

async function bench(): Promise<number> {
  const at = new Date().toISOString();
  const machine = machineOf();
  console.log(`${machine.cpu}, ${machine.cores} cores, commit ${machine.commit}, load average ${machine.loadAverage}`);
  const folder = mkdtempSync(join(tmpdir(), 'fermat-floods-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const grounds = await prepareGrounds(folder, makeCertificate(folder), 1);
  const running: Running[] = [grounds.http.running, grounds.echo.running];
  const absent: Record<string, string> = {};
  try {
    const windows: Window[] = [];
    for (const peer of names) {
      const stall = await startStall(grounds, peer, PLAIN, placementOf(1).proxy).catch((error: Error) => error.message);
      if (typeof stall !== 'string') running.push(stall.running);
      const wrong = typeof stall === 'string' ? stall : await whatIsWrong(stall, H2C);
      if (wrong !== null || typeof stall === 'string') {
        absent[peer] = wrong ?? '';
        console.log(`${peer}: ${wrong}`);
        continue;
      }
      windows.push(...(await alternate(peer, stall)));
      await stall.running.stop();
    }
    const summary = names.flatMap((peer) => summarise(peer, windows));
    report(summary);
    const result = {
      at,
      command: commandOf('bench/load/main.ts floods'),
      machine: { ...machine, loadAverageAfter: loadAverage() },
      versions: Object.fromEntries(names.map((name) => [name, PEERS[name]!.version()])),
      terms: { connections: CONNECTIONS, rate, rounds, seconds, hostileConnections: HOSTILE_CONNECTIONS },
      absent,
      summary,
      windows,
    };
    console.log(flags.quick ? '\nQuick: not kept.' : `\nRaw figures: ${writeCompact('load-floods', result)}`);
    return summary.every(({ peer, errors }) => peer !== 'fermat' || errors === 0) ? 0 : 1;
  } finally {
    await Promise.all(running.map((process) => process.stop()));
  }
}

async function alternate(peer: string, { port, running }: Stall): Promise<Window[]> {
  const windows: Window[] = [];
  const tree = treeOf(running.pid);
  for (let round = 0; round < rounds; round++) {
    for (const kind of KINDS) {
      const warmUpS = round === 0 && kind === 'calm' ? FIRST_WARM_UP_S : WARM_UP_S;
      const core = placementOf(1).load;
      const load = { port, path: '/small', connections: CONNECTIONS, rate, warmUpS, seconds, core };
      const before = [cpuMs(tree), performance.now()] as const;
      const [{ p50Us, p99Us, errors }, hostile] = await Promise.all([
        steadyLoad(load),
        kind === 'calm' ? { connections: 0, frames: 0 } : flood(kind, port, warmUpS + seconds + HOSTILE_MARGIN_S),
      ]);
      windows.push({
        peer,
        kind,
        round,
        p50Us,
        p99Us,
        errors,
        cpuRatio: Number(((cpuMs(tree) - before[0]) / (performance.now() - before[1])).toFixed(3)),
        hostileConnections: hostile.connections,
        hostileFrames: hostile.frames,
      });
      console.log(`  round ${round + 1}/${rounds} ${peer}, ${kind}: p50 ${p50Us} µs, p99 ${p99Us} µs`);
    }
  }
  return windows;
}

async function flood(kind: Kind, port: number, forS: number): Promise<{ connections: number; frames: number }> {
  const args = [HOSTILE, kind, port, HOSTILE_CONNECTIONS, forS].map(String);
  const { text, code } = await outputOf(placementOf(1).load, 'nice', ['-n', '19', process.execPath, ...args]);
  if (code !== 0) throw new Error(`hostile-client.ts said:\n${text}`);
  return JSON.parse(text);
}

function summarise(peer: string, windows: readonly Window[]): FloodSummary[] {
  const of = (kind: Kind) => windows.filter((window) => window.peer === peer && window.kind === kind);
  const overS = WARM_UP_S + seconds + HOSTILE_MARGIN_S;
  return KINDS.flatMap((kind) => {
    const mine = of(kind);
    if (mine.length === 0) return [];
    const mid = (figure: (window: Window) => number) => median(mine.map(figure));
    const ratioTo = (other: Kind) => median(mine.map((window, i) => window.p99Us / of(other)[i]!.p99Us));
    return {
      peer,
      kind,
      p50Us: mid(({ p50Us }) => p50Us),
      p99Us: mid(({ p99Us }) => p99Us),
      ratioToCalm: Number(ratioTo('calm').toFixed(2)),
      ratioToBurn: Number(ratioTo('burn').toFixed(2)),
      errors: mine.reduce((sum, { errors }) => sum + errors, 0),
      cpuRatio: mid(({ cpuRatio }) => cpuRatio),
      framesPerSecond: Math.round(mid(({ hostileFrames }) => hostileFrames) / overS),
      connectionsPerSecond: Math.round(mid(({ hostileConnections }) => hostileConnections) / overS),
    };
  });
}

function report(summary: readonly FloodSummary[]): void {
  const rows = summary.map((line) => [
    `${line.peer}, ${line.kind}`,
    String(line.p50Us),
    String(line.p99Us),
    line.ratioToCalm.toFixed(2),
    line.ratioToBurn.toFixed(2),
    `${(line.cpuRatio * 100).toFixed(0)} %`,
    String(line.framesPerSecond),
    String(line.connectionsPerSecond),
    String(line.errors),
  ]);
  const head = ['other clients', 'p50 µs', 'p99 µs', '÷ calm', '÷ burn', 'CPU', 'frames/s', 'connections/s', 'errors'];
  console.log(`\n${tableOf(head, rows)}\n\nTarget: p99 under ${LIMIT_RATIO} times the calm one.`);
}
