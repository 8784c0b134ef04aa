// /metrics as HTTP says it: in which format, and packed or not. Prometheus asks for OpenMetrics and for gzip; people get text.

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { CONTENT_TYPES, type Format } from '../metrics/page.ts';
import { respond } from './answers.ts';

/** Less is not worth it. */
const MIN_PACKED_BYTES = 8 * 1024;
/** Names repeat: the fastest level makes it a tenth already. It runs beside the control thread. */
const LEVEL = 1;
const pack = promisify(gzip);

export interface Exposer {
  metrics(format?: Format): Promise<Uint8Array<ArrayBuffer> | string>;
}

/** The answer to a GET of /metrics. `accept`, `acceptEncoding`: the fields as they came, if they did. */
export async function metricsAnswer(
  api: Exposer,
  accept: string | undefined,
  acceptEncoding: string | undefined,
): Promise<Response> {
  const format = formatOf(accept ?? '');
  const page = await api.metrics(format);
  const headers = {
    'content-type': CONTENT_TYPES[format],
    'cache-control': 'no-store',
    vary: 'accept, accept-encoding',
  };
  const isPacked = page.length >= MIN_PACKED_BYTES && qualityOf(acceptEncoding ?? '', isGzip) > 0;
  if (!isPacked) return respond(page, 200, headers);
  const packed = await pack(page, { level: LEVEL });
  return respond(packed, 200, { ...headers, 'content-encoding': 'gzip' });
}

/** OpenMetrics must be asked for by name: what is said with a wildcard is said by people and old scrapers. */
export function formatOf(accept: string): Format {
  const open = qualityOf(accept, isOpenMetrics);
  return open > 0 && open >= qualityOf(accept, isText) ? 'openmetrics' : 'text';
}

type Item = ReadonlyMap<string, string>;
type Matches = (what: string, parameters: Item) => boolean;

const isGzip: Matches = (what) => what === 'gzip';
const isOpenMetrics: Matches = (what, parameters) =>
  what === 'application/openmetrics-text' && (parameters.get('version') ?? '1.0.0') === '1.0.0';
const isText: Matches = (what, parameters) =>
  what === 'text/plain' && (parameters.get('version') ?? '0.0.4') === '0.0.4';

/** The best quality (RFC 9110, 12.4.2) of what matches; 0 = it is not wanted. */
function qualityOf(field: string, matches: Matches): number {
  let best = 0;
  for (const part of field.toLowerCase().split(',')) {
    const [what, ...parameters] = part.split(';').map((text) => text.trim());
    const named = new Map(
      parameters.map((text) => {
        const [name = '', value = ''] = text.split('=');
        return [name.trim(), value.trim().replace(/^"(.*)"$/, '$1')];
      }),
    );
    if (what === undefined || !matches(what, named)) continue;
    const quality = Number(named.get('q') ?? 1);
    best = Math.max(best, quality >= 0 && quality <= 1 ? quality : 0);
  }
  return best;
}
