// Hot restarts, reloads and a drain under an open-loop load of which half comes on new connections: nothing may fail. Measured in
// a network namespace of its own, where the kernel's net.ipv4.tcp_migrate_req is at its default of 0: there a listening socket
// that is closed takes the connections in its queue along, so only sockets that are handed over lose nobody.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { endAll, hotRestart, isAlive, pidOf } from '../support/succession.ts';
import { delay, until } from '../support/until.ts';
import { startLoad } from './load.ts';
import { type FaultyOrigin, startFaultyOrigin } from './origins.ts';

export interface RestartsPlan {
  readonly seconds: number;
  /** Requests per second. */
  readonly rate: number;
  /** Of each kind, evenly spread over the time. Default 10. */
  readonly restarts?: number;
  readonly reloads?: number;
}

export interface RestartsResult {
  readonly requests: number;
  readonly failed: number;
  /** `200: 60000`. */
  readonly outcomes: string;
  /** Those that came about. */
  readonly restarts: number;
  readonly reloads: number;
  /** The process was told to end, was not ready at once, went on answering, and ended by itself. */
  readonly isDrained: boolean;
  /** From the command to the successor's being ready, ms: the longest. */
  readonly readyMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Of the namespace it ran in; null = not Linux. */
  readonly tcpMigrateReq: number | null;
}

const DRAIN_DELAY_S = 5;
/** How long balancers take to see that a node is not ready. */
const NOTICE_MS = 2000;
const SETTLE_MS = 1000;

/** Runs itself once more within `unshare -n`, which takes root. Rejects where that cannot be had. */
export async function measureRestarts(plan: RestartsPlan): Promise<RestartsResult> {
  const script = 'ip link set lo up && exec "$0" "$@"';
  const args = ['-n', '--', 'sh', '-c', script, process.execPath, import.meta.filename, JSON.stringify(plan)];
  const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`the namespace of its own ended with ${code}: ${err.slice(-2000)}`);
  return JSON.parse(out) as RestartsResult;
}

/** What `measureRestarts` measures, in the namespace that this process is in. */
export async function measureHere(plan: RestartsPlan): Promise<RestartsResult> {
  const { seconds, rate, restarts = 10, reloads = 10 } = plan;
  await using origin = await startFaultyOrigin();
  const fermat = await startFermat(configOf(origin, 0));
  try {
    await using load = await startLoad(fermat.port, rate, { freshShare: 0.5, timeoutMs: 15_000 });
    const loadMs = performance.now();
    await delay(SETTLE_MS);
    const stepMs = (seconds * 1000 - SETTLE_MS - NOTICE_MS) / (restarts + reloads);
    const done = { restarts: 0, reloads: 0, readyMs: 0 };
    for (let step = 0; step < restarts + reloads; step++) {
      // Evenly mixed, whatever there is of each.
      const isRestart =
        Math.floor(((step + 1) * restarts) / (restarts + reloads)) >
        Math.floor((step * restarts) / (restarts + reloads));
      if (isRestart) {
        done.readyMs = Math.max(done.readyMs, await restart(fermat, done.restarts % 2 === 1 ? 'signal' : 'api'));
        done.restarts++;
      } else if (await reload(fermat, origin, step)) done.reloads++;
      await delay(Math.max(0, loadMs + SETTLE_MS + (step + 1) * stepMs - performance.now()));
    }
    const pid = await pidOf(fermat);
    process.kill(pid, 'SIGTERM');
    await until(async () => (await fermat.admin('/readyz')).status === 503, 'not ready');
    await delay(NOTICE_MS);
    const phase = await load.end();
    await until(() => !isAlive(pid), 'the end of the drain', DRAIN_DELAY_S * 1000 + 35_000);
    return {
      requests: phase.requests,
      failed: phase.lost(),
      outcomes: phase.outcomes,
      ...done,
      isDrained: true,
      p50Ms: phase.quantileMs(0.5),
      p99Ms: phase.quantileMs(0.99),
      maxMs: phase.maxMs,
      tcpMigrateReq: migrateReq(),
    };
  } finally {
    await endAll(fermat);
  }
}

function configOf(origin: FaultyOrigin, version: number): Config {
  return {
    workers: 2,
    shutdown: { drainDelay: `${DRAIN_DELAY_S}s`, timeout: '30s' },
    pools: {
      main: poolOf([origin.url], {
        retry: { attempts: 0 }, // nothing is to be made up for
        // An origin that a busy machine keeps waiting is not what is measured.
        timeouts: { connect: '12s' },
        limits: { queueTimeout: '12s' },
      }),
    },
    routes: [{ pool: 'main', responseHeaders: { set: { 'X-Version': String(version) } } }],
  };
}

/** By signal, or by the admin API. Gives how long it took, ms. */
async function restart(fermat: Fermat, how: 'api' | 'signal'): Promise<number> {
  const startMs = performance.now();
  await hotRestart(fermat, how);
  return performance.now() - startMs;
}

async function reload(fermat: Fermat, origin: FaultyOrigin, version: number): Promise<boolean> {
  fermat.writeConfig(configOf(origin, version + 1));
  return (await fermat.admin('/api/v1/reload', { method: 'POST' })).status === 200;
}

function migrateReq(): number | null {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/tcp_migrate_req', 'latin1'));
  } catch {
    return null;
  }
}

if (import.meta.main) {
  const result = await measureHere(JSON.parse(process.argv[2]!) as RestartsPlan);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
