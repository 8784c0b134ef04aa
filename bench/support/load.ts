// The load generator: wrk, or autocannon (in node_modules) where there is no wrk. One thread, on one core, keep-alive.

import { fileURLToPath } from 'node:url';
import { firstLineOf, packageVersion } from './machine.ts';
import { start } from './process.ts';

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Anything but a 2xx or 3xx in time. */
  readonly errors: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly core: number | null;
}

export interface Generator {
  readonly name: string;
  readonly version: string;
  run(options: LoadOptions): Promise<LoadResult>;
}

const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url));
const AUTOCANNON = fileURLToPath(new URL('../../node_modules/autocannon/autocannon.js', import.meta.url));

export function findGenerator(): Generator {
  const version = firstLineOf('wrk', ['-v']);
  if (version) return { name: 'wrk', version: version.split(' ')[1] ?? version, run: runWrk };
  return { name: 'autocannon', version: packageVersion('autocannon') ?? 'missing', run: runAutocannon };
}

async function runWrk({ url, connections, seconds, core }: LoadOptions): Promise<LoadResult> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', SCRIPT, url];
  const text = await outputOf(core, 'wrk', args);
  const line = /^WRK (.*)$/m.exec(text);
  if (!line) throw new Error(`wrk said:\n${text}`);
  const [requests, micros, bytes, p50, p99, errors] = line[1]!.split(' ').map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { requests, seconds: micros / 1e6, bytes, p50Ms: p50 / 1000, p99Ms: p99 / 1000, errors };
}

async function runAutocannon({ url, connections, seconds, core }: LoadOptions): Promise<LoadResult> {
  const args = [AUTOCANNON, '-j', '-n', '-c', String(connections), '-d', String(seconds), url];
  const text = await outputOf(core, process.execPath, args);
  const result = JSON.parse(text.slice(text.indexOf('{')));
  return {
    requests: result.requests.total,
    seconds: result.duration,
    bytes: result.throughput.total,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.errors + result.timeouts + result.non2xx,
  };
}

async function outputOf(core: number | null, command: string, args: readonly string[]): Promise<string> {
  const { child, said } = start(core, command, args);
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
  return said();
}
