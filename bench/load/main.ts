// What a proxied request costs, peer by peer: requests/s, latency and above all CPU µs per request of the proxy's whole
// process tree, beside nginx in the same run. The proxy under load has one core, origin and load generator have another.
// Machines are noisy, so short windows of all peers alternate and the medians count; CPU that others burnt meanwhile is
// measured and told. Not here: quality of routing (bench/route), memory (memory.ts), single functions (bench/micro).

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findGenerator, type Generator, type LoadResult } from '../support/load.ts';
import { commandOf, loadAverage, machineOf } from '../support/machine.ts';
import { accepting, cpuMs, freePort, machineCpuMs, ownCpuMs, type Running, start, treeOf } from '../support/process.ts';
import { median, tableOf, writeResult } from '../support/report.ts';
import { nginxConfig, PEERS } from './peers.ts';

const PROXY_CORE = 0;
const LOAD_CORE = 1;
/** A just-in-time compiler needs some thousands of requests before it shows what it can. */
const FIRST_WARM_UP_S = 3;
const WARM_UP_S = 1;
const SMALL_BODY = JSON.stringify({
  id: 4711,
  name: 'a small answer',
  ok: true,
  note: 'about 130 bytes of JSON, as an API would say'.padEnd(70, '.'),
});
const BIG_BYTES = 2 ** 20;

/** Path, and for how many connections of the asked ones: 64 times 1 MiB would only measure the socket buffers. */
const SCENARIOS = {
  small: { path: '/small', connectionsRatio: 1 },
  '1m': { path: '/1m', connectionsRatio: 0.25 },
} as const;
type Scenario = keyof typeof SCENARIOS;

interface Contestant {
  readonly name: string;
  readonly running: Running;
  readonly port: number;
}

/** One measured window. */
interface Window extends LoadResult {
  readonly peer: string;
  readonly scenario: Scenario;
  readonly round: number;
  /** CPU time of the proxy's process tree in this window. */
  readonly cpuMs: number;
  /** CPU time of everybody else (not proxy, origin or generator), as a share of one core. */
  readonly foreignRatio: number;
}

interface Summary {
  readonly peer: string;
  readonly scenario: Scenario;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerRequest: number;
  readonly cpuMsPerMB: number;
  /** CPU per request over nginx's, round by round, median; null without nginx. */
  readonly ratioToNginx: number | null;
  readonly errors: number;
}

const { values: flags } = parseArgs({
  options: {
    peers: { type: 'string', default: Object.keys(PEERS).join(',') },
    scenario: { type: 'string', default: 'all' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '64' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const USAGE = `node bench/load/main.ts [--peers ${Object.keys(PEERS).join(',')}] [--scenario small|1m|all]
  [--seconds 3] [--rounds 5] [--connections 64] [--json]`;

const scenarios = (flags.scenario === 'all' ? Object.keys(SCENARIOS) : [flags.scenario]) as Scenario[];
const names = flags.peers.split(',').filter(Boolean);
const [seconds, rounds, connections] = [
  Number(flags.seconds),
  Number(flags.rounds),
  Number(flags.connections),
] as const;
const isUsable =
  names.every((name) => Object.hasOwn(PEERS, name)) &&
  scenarios.every((name) => Object.hasOwn(SCENARIOS, name)) &&
  [seconds, rounds, connections].every((number) => Number.isInteger(number) && number > 0);
if (flags.help || !isUsable) {
  console.log(USAGE);
  process.exit(flags.help ? 0 : 2);
}
process.exitCode = await bench();

async function bench(): Promise<number> {
  if (PEERS.nginx!.version() === null) {
    console.error('The origin is nginx, which is not installed: apt-get install nginx');
    return 1;
  }
  const say = (line: string) => void (flags.json ? process.stderr : process.stdout).write(`${line}\n`);
  const generator = findGenerator();
  const machine = machineOf();
  say(`${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}, commit ${machine.commit}`);
  say(`load average ${machine.loadAverage}; ${generator.name} ${generator.version}, ${connections} connections`);
  if (generator.name !== 'wrk') say('wrk is missing, so autocannon generates: apt-get install wrk');

  const missing = names.filter((name) => PEERS[name]!.version() === null);
  for (const name of missing) say(`${name} is missing: ${PEERS[name]!.install}`);
  const folder = mkdtempSync(join(tmpdir(), 'fermat-load-'));
  const running: Running[] = [];
  try {
    const origin = await startOrigin(folder, running);
    const contestants: Contestant[] = [];
    for (const name of names) {
      if (!missing.includes(name)) contestants.push(await startPeer(name, origin.port, folder, running));
    }
    const windows = await measure(contestants, origin.running, generator, say);
    const summary = summarise(windows);
    const path = writeResult('load', {
      at: new Date().toISOString(),
      command: commandOf('bench/load/main.ts'),
      machine: { ...machine, loadAverageAfter: loadAverage() },
      generator: { name: generator.name, version: generator.version, connections, seconds, rounds },
      versions: Object.fromEntries(contestants.map(({ name }) => [name, PEERS[name]!.version()])),
      missing,
      summary,
      windows,
    });
    report(summary, windows, path, say);
    if (flags.json) console.log(JSON.stringify(summary));
    return summary.some((line) => line.errors > 0) ? 1 : 0;
  } finally {
    await Promise.all(running.map((process) => process.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startOrigin(folder: string, running: Running[]): Promise<{ port: number; running: Running }> {
  const port = await freePort();
  const own = join(folder, 'origin');
  mkdirSync(own);
  writeFileSync(join(own, '1m'), Buffer.alloc(BIG_BYTES, 'x'));
  const http = `server {
    listen 127.0.0.1:${port};
    location = /small { default_type application/json; return 200 '${SMALL_BODY}'; }
    location = /1m { root ${own}; }
  }`;
  writeFileSync(join(own, 'nginx.conf'), nginxConfig(own, http));
  const origin = start(LOAD_CORE, 'nginx', ['-e', join(own, 'error.log'), '-c', join(own, 'nginx.conf')]);
  running.push(origin);
  await accepting(port, origin);
  return { port, running: origin };
}

/** Started, accepting, and known to answer what the origin answers. */
async function startPeer(name: string, originPort: number, folder: string, all: Running[]): Promise<Contestant> {
  const own = join(folder, name);
  mkdirSync(own);
  const port = await freePort();
  const [command, ...args] = PEERS[name]!.command({ port, originPort, folder: own });
  const running = start(PROXY_CORE, command, args);
  all.push(running);
  await accepting(port, running);
  for (const [path, bytes] of [
    ['/small', SMALL_BODY.length],
    ['/1m', BIG_BYTES],
  ] as const) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const length = (await response.arrayBuffer()).byteLength;
    if (response.status !== 200 || length !== bytes) {
      throw new Error(`${name} answers ${response.status} with ${length} bytes for ${path}:\n${running.said()}`);
    }
  }
  return { name, running, port };
}

async function measure(
  contestants: readonly Contestant[],
  origin: Running,
  generator: Generator,
  say: (line: string) => void,
): Promise<Window[]> {
  const windows: Window[] = [];
  for (const scenario of scenarios) {
    for (let round = 0; round < rounds; round++) {
      for (const contestant of contestants) {
        const { path, connectionsRatio } = SCENARIOS[scenario];
        const url = `http://127.0.0.1:${contestant.port}${path}`;
        const load = { url, core: LOAD_CORE, connections: Math.max(1, Math.round(connections * connectionsRatio)) };
        await generator.run({ ...load, seconds: round === 0 ? FIRST_WARM_UP_S : WARM_UP_S });

        const [proxyTree, originTree] = [treeOf(contestant.running.pid), treeOf(origin.pid)] as const;
        const before = [cpuMs(proxyTree), cpuMs(originTree), ownCpuMs(), machineCpuMs()] as const;
        const result = await generator.run({ ...load, seconds });
        const usedMs = cpuMs(proxyTree) - before[0];
        const ourMs = usedMs + cpuMs(originTree) - before[1] + ownCpuMs() - before[2];
        const foreignMs = Math.max(0, machineCpuMs() - before[3] - ourMs);
        const window = {
          peer: contestant.name,
          scenario,
          round,
          ...result,
          cpuMs: usedMs,
          foreignRatio: foreignMs / (result.seconds * 1000),
        };
        windows.push(window);
        say(
          `  ${scenario} round ${round + 1}/${rounds} ${contestant.name}: ${perRequestUs(window).toFixed(1)} µs/request`,
        );
      }
    }
  }
  return windows;
}

function perRequestUs(window: Window): number {
  return (window.cpuMs * 1000) / window.requests;
}

function summarise(windows: readonly Window[]): Summary[] {
  return scenarios.flatMap((scenario) =>
    names.flatMap((peer) => {
      const of = (name: string) => windows.filter((window) => window.scenario === scenario && window.peer === name);
      const [mine, nginx] = [of(peer), of('nginx')] as const;
      if (mine.length === 0) return [];
      const mid = (figure: (window: Window) => number) => median(mine.map(figure));
      const ratios = mine.flatMap((window, i) => (nginx[i] ? [perRequestUs(window) / perRequestUs(nginx[i])] : []));
      return {
        peer,
        scenario,
        requestsPerSecond: Math.round(mid(({ requests, seconds }) => requests / seconds)),
        p50Ms: rounded(mid((window) => window.p50Ms)),
        p99Ms: rounded(mid((window) => window.p99Ms)),
        cpuUsPerRequest: rounded(mid(perRequestUs)),
        cpuMsPerMB: rounded(mid((window) => window.cpuMs / (window.bytes / 1e6))),
        ratioToNginx: ratios.length > 0 ? rounded(median(ratios)) : null,
        errors: mine.reduce((sum, window) => sum + window.errors, 0),
      };
    }),
  );
}

function report(
  summary: readonly Summary[],
  windows: readonly Window[],
  path: string,
  say: (line: string) => void,
): void {
  for (const scenario of scenarios) {
    const rows = summary
      .filter((line) => line.scenario === scenario)
      .map((line) => [
        line.peer,
        String(line.requestsPerSecond),
        line.p50Ms.toFixed(2),
        line.p99Ms.toFixed(2),
        scenario === 'small' ? line.cpuUsPerRequest.toFixed(1) : line.cpuMsPerMB.toFixed(3),
        line.ratioToNginx?.toFixed(2) ?? '–',
        String(line.errors),
      ]);
    const cost = scenario === 'small' ? 'CPU µs/request' : 'CPU ms/MB';
    const head = [
      scenario === 'small' ? '~130 B JSON' : '1 MiB bodies',
      'requests/s',
      'p50 ms',
      'p99 ms',
      cost,
      '÷ nginx',
      'errors',
    ];
    say(`\n${tableOf(head, rows)}`);
  }
  const foreign = median(windows.map((window) => window.foreignRatio));
  say(
    `\nOther processes took ${(foreign * 100).toFixed(0)} % of a core in the median window; load average now ${loadAverage()}.`,
  );
  say(`Raw figures: ${path}`);
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
