// What traces cost: CPU per request of Fermat's whole process with traces off, on with nothing sampled, at 1 % and at 100 %, in short
// windows that alternate. The collector is a sink beside the load. Each figure is the median of a round's difference to off.
// npm run bench:load -- tracing [--rounds 10] [--seconds 2] [--quick]

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findGenerators } from '../support/load.ts';
import { commandOf, machineOf } from '../support/machine.ts';
import { accepting, freePort, type Running, start } from '../support/process.ts';
import { median, tableOf, writeCompact } from '../support/report.ts';
import { placementOf } from './cores.ts';
import { startOrigin } from './origin.ts';
import { PLAIN } from './proxies/setup.ts';
import { SCENARIOS } from './scenarios.ts';
import { measureWindow, type Trial, type Window, warmUp } from './windows.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
  },
});
const rounds = flags.quick ? 2 : Number(flags.rounds);
const seconds = flags.quick ? 1 : Number(flags.seconds);
const WARM_UP_S = flags.quick ? 1 : 4;

const LAUNCHER = fileURLToPath(new URL('../../bin/fermat', import.meta.url));
const SINK = fileURLToPath(new URL('./sink.ts', import.meta.url));
/** More than a worker answers: at 100 % all are traced. */
const UNBOUNDED = 1_000_000;
const ENTRANTS: Readonly<Record<string, number | null>> = { off: null, 'on, 0 %': 0, 'on, 1 %': 0.01, 'on, 100 %': 1 };

const folder = mkdtempSync(join(tmpdir(), 'fermat-tracing-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const { proxy, load } = placementOf(1);
const generator = findGenerators()['http/1.1'];
const scenario = SCENARIOS.find(({ name }) => name === 'small')!;
const running: Running[] = [];
try {
  const origin = await startOrigin(folder, load);
  running.push(origin.running);
  const sinkPort = await freePort();
  const sink = start(load, process.execPath, [SINK, String(sinkPort)]);
  running.push(sink);
  await accepting(sinkPort, sink);
  const trials: Trial[] = [];
  for (const [entrant, sample] of Object.entries(ENTRANTS)) {
    const port = await freePort();
    const fermat = start(proxy, LAUNCHER, ['run', '-c', configFile(entrant, port, origin.port, sinkPort, sample)]);
    running.push(fermat);
    await accepting(port, fermat);
    const stall = { running: fermat, port, shape: PLAIN };
    const origins = [origin.running, sink];
    trials.push({ scenario, entrant, peer: 'fermat', stall, origins, generator, placement: { proxy, load } });
  }
  for (const trial of trials) await warmUp(trial, WARM_UP_S);
  report(await alternate(trials));
} finally {
  await Promise.all(running.map((process) => process.stop()));
}

function configFile(
  entrant: string,
  port: number,
  originPort: number,
  sinkPort: number,
  sample: number | null,
): string {
  const own = join(folder, entrant.replace(/\W/g, '-'));
  mkdirSync(own);
  const otlp = `http://127.0.0.1:${sinkPort}`;
  const config = {
    workers: 1,
    listeners: [{ name: 'in', address: `127.0.0.1:${port}` }],
    pools: {
      origin: {
        endpoints: [{ url: `http://127.0.0.1:${originPort}` }],
        probe: { path: '/small' },
        timeouts: { idle: '60s' },
      },
    },
    routes: [{ pool: 'origin' }],
    ...(sample === null ? {} : { tracing: { otlp, sample, maxSpansPerSecond: UNBOUNDED } }),
    admin: { address: '127.0.0.1:0' },
    shutdown: { drainDelay: '0s', timeout: '1s' },
  };
  const file = join(own, 'fermat.yaml');
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** Round by round, everybody in turn, each round beginning with another. */
async function alternate(trials: readonly Trial[]): Promise<Window[]> {
  const windows: Window[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < trials.length; i++) {
      windows.push(await measureWindow(trials[(round + i) % trials.length]!, round, seconds));
    }
  }
  return windows;
}

function report(windows: readonly Window[]): void {
  const usOf = ({ cpuMs, requests }: Window): number => (cpuMs * 1000) / requests;
  const of = (entrant: string): Window[] => windows.filter((window) => window.entrant === entrant);
  const summary = Object.keys(ENTRANTS).map((entrant) => {
    const more = of(entrant).map((window) => {
      const off = of('off').find(({ round }) => round === window.round)!;
      return usOf(window) - usOf(off);
    });
    const own = of(entrant);
    return {
      entrant,
      cpuUs: median(own.map(usOf)),
      moreUs: median(more),
      requestsPerSecond: Math.round(median(own.map((window) => window.requests / window.seconds))),
      errors: own.reduce((sum, { errors }) => sum + errors, 0),
    };
  });
  const rows = summary.map(({ entrant, cpuUs, moreUs, requestsPerSecond, errors }) => [
    ...[entrant, cpuUs.toFixed(2), moreUs.toFixed(2), String(requestsPerSecond), String(errors)],
  ]);
  console.log(tableOf(['traces', 'CPU µs/request', 'more than off', 'requests/s', 'errors'], rows));
  const foreign = median(windows.map(({ foreignRatio }) => foreignRatio));
  console.log(`Other processes took ${(foreign * 100).toFixed(0)} % of a core in the median window.`);
  if (flags.quick) return console.log('Quick: not kept.');
  const at = new Date().toISOString();
  const result = {
    at,
    command: commandOf('bench/load/main.ts tracing'),
    machine: machineOf(),
    rounds,
    seconds,
    summary,
    windows,
  };
  console.log(`Raw figures: ${writeCompact('load-tracing', result)}`);
}
