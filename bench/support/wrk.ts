// wrk as the generator of HTTP/1.1, plain and over TLS. wrk.lua builds the requests and prints one line for machines.

import { fileURLToPath } from 'node:url';
import type { LoadOptions, LoadResult } from './load.ts';
import { outputOf } from './process.ts';

const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url));

export async function runWrk(options: LoadOptions): Promise<LoadResult> {
  const { base, path, connections, method = 'GET', bodyBytes = 0, headers = {}, routes = 0, seconds, core } = options;
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const { text } = await outputOf(core, 'wrk', [
    ...['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', SCRIPT, base + path],
    ...['--', method, String(bodyBytes), String(routes), ...fields],
  ]);
  const line = /^WRK (.*)$/m.exec(text);
  if (!line) throw new Error(`wrk said:\n${text}`);
  const [requests = 0, micros = 0, bytes = 0, p50 = 0, p99 = 0, errors = 0] = line[1]!.split(' ').map(Number);
  return { requests, seconds: micros / 1e6, bytes, p50Ms: p50 / 1000, p99Ms: p99 / 1000, errors };
}
