// autocannon (in node_modules) as the generator of HTTP/1.1 where there is no wrk. It costs several times as much, so that
// it bounds the requests per second; CPU per request it leaves alone.

import { fileURLToPath } from 'node:url';
import type { LoadOptions, LoadResult } from './load.ts';
import { outputOf } from './process.ts';

const AUTOCANNON = fileURLToPath(new URL('../../node_modules/autocannon/autocannon.js', import.meta.url));

export async function runAutocannon(options: LoadOptions): Promise<LoadResult> {
  const { base, path, connections, method = 'GET', bodyBytes = 0, headers = {}, routes = 0, seconds, core } = options;
  if (routes > 0) throw new Error('many routes in turn need wrk: apt-get install wrk');
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}=${value}`]);
  const body = bodyBytes > 0 ? ['-b', 'x'.repeat(bodyBytes)] : [];
  const { text } = await outputOf(core, process.execPath, [
    ...[AUTOCANNON, '-j', '-n', '-m', method, ...body, ...fields],
    ...['-c', String(connections), '-d', String(seconds), base + path],
  ]);
  const start = text.indexOf('{');
  if (start < 0) throw new Error(`autocannon said:\n${text}`);
  const result = JSON.parse(text.slice(start));
  return {
    requests: result.requests.total,
    seconds: result.duration,
    bytes: result.throughput.total,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.errors + result.timeouts + result.non2xx,
  };
}
