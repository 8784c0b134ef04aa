// What a line of the access log costs: CPU µs per request of Fermat's whole process tree, workers, control plane and the writer's
// thread. One process whose log a reload turns off, to json, to combined; windows alternate, and each is compared with the
// one without a log of its own round. As many lines as requests, or the bench fails.
// npm run bench:load -- access [--rounds 10] [--seconds 3] [--before DIR of another version]

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findGenerators } from '../support/load.ts';
import { commandOf, loadAverage, machineOf } from '../support/machine.ts';
import { accepting, cpuMs, freePort, type Running, start, treeOf } from '../support/process.ts';
import { median, tableOf, writeCompact } from '../support/report.ts';
import { placementOf } from './cores.ts';
import { startOrigin } from './origin.ts';

const MODES = ['off', 'json', 'combined'] as const;
type Mode = (typeof MODES)[number];

const HEADERS = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  Referer: 'https://shop.example.com/list?page=2',
};
const FIRST_WARM_UP_S = 4;
const WARM_UP_S = 0.5;
/** When the file has not grown for so long, everything that was gathered is written. */
const SETTLE_MS = 300;
const LIMIT_US = 1.5;
/** Of the requests of the best window; rounds with one that has fewer are told, and not counted. */
const CALM_RATIO = 0.7;
const MOST_TRIES = 3;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '3' },
    before: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log('npm run bench:load -- access [--rounds 10] [--seconds 3] [--before DIR] [--quick]');
  process.exit(0);
}
const rounds = flags.quick ? 1 : Number(flags.rounds);
const seconds = flags.quick ? 1 : Number(flags.seconds);

interface Entrant {
  readonly name: string;
  readonly running: Running;
  readonly port: number;
  readonly admin: string;
  readonly log: string;
  readonly config: (mode: Mode) => void;
}

interface Window {
  readonly entrant: string;
  readonly mode: Mode;
  readonly round: number;
  readonly requests: number;
  readonly cpuUs: number;
  readonly p99Ms: number;
  readonly lines: number;
}

const folder = mkdtempSync(join(tmpdir(), 'fermat-access-'));
const running: Running[] = [];
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const wrk = findGenerators()['http/1.1'];
const { load: loadCore } = placementOf(1);

async function enter(name: string, root: string, originPort: number): Promise<Entrant> {
  const own = join(folder, name);
  mkdirSync(own);
  const [port, adminPort] = [await freePort(), await freePort()];
  const file = join(own, 'fermat.yaml');
  const log = join(own, 'access.log');
  writeFileSync(log, '');
  const config = (mode: Mode): void => {
    const all = {
      workers: 1,
      listeners: [{ name: 'in', address: `127.0.0.1:${port}` }],
      pools: {
        origin: { endpoints: [{ url: `http://127.0.0.1:${originPort}`, id: 'o0' }], probe: { path: '/small' } },
      },
      routes: [{ pool: 'origin' }],
      admin: { address: `127.0.0.1:${adminPort}` },
      shutdown: { drainDelay: '0s', timeout: '1s' },
      logging: { access: mode, accessLog: { file: log } },
    };
    writeFileSync(file, JSON.stringify(all));
  };
  config('off');
  const process = start(0, join(root, 'bin/fermat'), ['run', '-c', file]);
  running.push(process);
  await accepting(port, process);
  return { name, running: process, port, admin: `http://127.0.0.1:${adminPort}`, log, config };
}

async function turn({ config, admin }: Entrant, mode: Mode): Promise<void> {
  config(mode);
  const answer = await fetch(`${admin}/api/v1/reload`, { method: 'POST' });
  if (!answer.ok) throw new Error(`reload: ${await answer.text()}`);
}

function generate({ port }: Entrant, forSeconds: number) {
  const demand = { protocol: 'http/1.1', path: '/small', connections: 64, headers: HEADERS } as const;
  return wrk.run({ ...demand, base: `http://localhost:${port}`, seconds: forSeconds, core: loadCore });
}

async function settled({ log }: Entrant): Promise<void> {
  for (let size = -1; size !== statSync(log).size; ) {
    size = statSync(log).size;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }
}

async function measure(entrant: Entrant, mode: Mode, round: number): Promise<Window> {
  await turn(entrant, mode);
  await generate(entrant, Math.max(WARM_UP_S, 1));
  await settled(entrant);
  truncateSync(entrant.log);
  const tree = treeOf(entrant.running.pid);
  const before = cpuMs(tree);
  const { requests, errors, p99Ms } = await generate(entrant, seconds);
  await settled(entrant); // what is still to be written is part of it
  const cpuUs = ((cpuMs(tree) - before) * 1000) / requests;
  if (errors > 0) throw new Error(`${errors} errors`);
  const lines =
    statSync(entrant.log).size === 0 ? 0 : readFileSync(entrant.log).toString('latin1').split('\n').length - 1;
  // wrk leaves without waiting for the last answers: those have lines, and are not its requests.
  if (mode !== 'off' && (lines < requests || lines > requests + 64))
    process.exitCode = Number(console.error(`${entrant.name}, ${mode}: ${requests} requests, ${lines} lines`) ?? 1);
  return { entrant: entrant.name, mode, round, requests, cpuUs: Number(cpuUs.toFixed(3)), p99Ms, lines };
}

try {
  const { port: originPort, running: origin } = await startOrigin(folder, loadCore);
  running.push(origin);
  const here = fileURLToPath(new URL('../../', import.meta.url));
  const entrants = [await enter('now', here, originPort)];
  if (flags.before !== undefined) entrants.push(await enter('before', flags.before, originPort));
  for (const entrant of entrants) await generate(entrant, flags.quick ? 1 : FIRST_WARM_UP_S);
  const windows: Window[] = [];
  for (let round = 0, kept = 0; kept < rounds && round < rounds * MOST_TRIES; round++) {
    for (const entrant of entrants) {
      // Another order each time, so that none always follows the same one.
      for (let i = 0; i < MODES.length; i++)
        windows.push(await measure(entrant, MODES[(i + round) % MODES.length]!, round));
    }
    kept = calm(windows).length / entrants.length / MODES.length;
  }
  const counted = calm(windows);
  if (counted.length === 0)
    console.error('no round was calm: somebody else had the machine, and these figures say little');
  report(entrants, counted.length === 0 ? windows : counted, windows);
} finally {
  await Promise.all(running.map((process) => process.stop()));
}

/** Rounds in which nobody else had the machine: a proxy that is kept waiting does fewer requests a turn, and each costs more. */
function calm(windows: readonly Window[]): Window[] {
  const most = Math.max(...windows.map(({ requests }) => requests));
  const busy = new Set(windows.filter(({ requests }) => requests < most * CALM_RATIO).map(({ round }) => round));
  return windows.filter(({ round }) => !busy.has(round));
}

function report(entrants: readonly Entrant[], windows: readonly Window[], all: readonly Window[]): void {
  const summary = entrants.flatMap(({ name }) => {
    const of = (mode: Mode) => windows.filter((window) => window.entrant === name && window.mode === mode);
    const off = of('off');
    return MODES.map((mode) => {
      const own = of(mode);
      const more = median(own.map(({ cpuUs }, i) => cpuUs - off[i]!.cpuUs));
      const ratio = median(own.map(({ cpuUs }, i) => cpuUs / off[i]!.cpuUs));
      const p99 = median(own.map(({ p99Ms }, i) => p99Ms / off[i]!.p99Ms));
      return { name, mode, cpuUs: median(own.map(({ cpuUs }) => cpuUs)), moreUs: more, ratio, p99Ratio: p99 };
    });
  });
  const rows = summary.map(({ name, mode, cpuUs, moreUs, ratio, p99Ratio }) => [
    `${name}, ${mode}`,
    ...[cpuUs, moreUs, ratio, p99Ratio].map((value) => value.toFixed(2)),
  ]);
  console.log(tableOf(['', 'CPU µs/request', 'more', 'ratio', 'p99 ratio'], rows));
  const over = summary.filter(({ name, moreUs }) => name === 'now' && moreUs > LIMIT_US);
  for (const { mode, moreUs } of over)
    console.error(`${mode}: expected ≤ ${LIMIT_US} µs more, got ${moreUs.toFixed(2)} µs`);
  if (over.length > 0) process.exitCode = 1;
  const at = new Date().toISOString();
  const command = commandOf('bench/load/main.ts access');
  const result = { at, command, machine: machineOf(), load: loadAverage(), rounds, seconds, summary, windows: all };
  console.log(flags.quick ? '\nQuick: not kept.' : `\nRaw figures: ${writeCompact('load-access', result)}`);
}
