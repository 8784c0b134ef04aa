// h2load as the generator of HTTP/2: over TLS by ALPN, else by prior knowledge. It prints no percentiles, so they are taken
// from its log, one line a request.

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadOptions, LoadResult } from './load.ts';
import { outputOf } from './process.ts';
import { quantileOf } from './report.ts';

const folder = join(tmpdir(), `fermat-h2load-${process.pid}`);
const log = join(folder, 'requests.log');

export async function runH2load(options: LoadOptions): Promise<LoadResult> {
  const { base, path, connections, streams = 1, headers = {}, seconds, core } = options;
  if (!existsSync(folder)) {
    mkdirSync(folder);
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  rmSync(log, { force: true });
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const { text } = await outputOf(core, 'h2load', [
    ...['-t1', `-c${connections}`, `-m${streams}`, '-D', `${seconds}s`, `--log-file=${log}`],
    ...[...fields, base + path],
  ]);
  return resultOf(text, existsSync(log) ? readFileSync(log, 'latin1') : '');
}

function resultOf(text: string, log: string): LoadResult {
  const counts = /requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed/.exec(text);
  const finished = /finished in ([\d.]+)(ms|s),/.exec(text);
  const bytes = /traffic: \S+ \((\d+)\) total/.exec(text);
  if (!counts || !finished || !bytes) throw new Error(`h2load said:\n${text}`);
  // When it began, status, µs; the status is -1 where the answer never came.
  const latenciesMs = log.split('\n').flatMap((line) => {
    const [, status, micros] = line.split('\t').map(Number);
    return status !== undefined && status >= 200 && micros !== undefined ? [micros / 1000] : [];
  });
  return {
    requests: Number(counts[2]),
    seconds: Number(finished[1]) / (finished[2] === 'ms' ? 1000 : 1),
    bytes: Number(bytes[1]),
    p50Ms: quantileOf(latenciesMs, 0.5),
    p99Ms: quantileOf(latenciesMs, 0.99),
    errors: Number(counts[3]),
  };
}
