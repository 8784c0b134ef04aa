// Exchanges as the access log sees them: as much of one as a line tells, and what the log hands over.

import { type AccessLogSpec, LineTaker, newBell, newRing } from '../../src/core/access-log.ts';
import { AccessLog } from '../../src/data/access.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { NOWHERE } from '../../src/data/locate.ts';
import { addLine, type Fields } from '../../src/wire/fields.ts';
import { RequestReader } from '../../src/wire/request.ts';

export interface Asked {
  /** latin1, whatever bytes: not what the codec lets through, but worse. */
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly fields?: readonly (readonly [string, string])[];
  readonly address?: string;
  readonly status?: number;
  readonly books?: Readonly<Record<string, unknown>>;
  readonly exchange?: Readonly<Record<string, unknown>>;
  readonly peer?: Readonly<Record<string, unknown>>;
  readonly requestId?: string;
}

export function accessSpec(more: Partial<AccessLogSpec> = {}): AccessLogSpec {
  return {
    format: 'json',
    sample: 1,
    sampleErrors: false,
    slowMs: null,
    headers: [],
    redactQuery: ['token', 'api_key'],
    redactHeaders: ['cookie'],
    rings: [newRing()],
    bell: newBell(),
    ...more,
  };
}

export function exchangeOf(asked: Asked = {}): Exchange {
  const { method = 'GET', path = '/', host = 'a.example', fields = [], status = 200 } = asked;
  const reader = new RequestReader({ requestLineBytes: 8192, headBytes: 32_768, headers: 100 });
  reader.feed(Buffer.from('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n', 'latin1'), 0);
  const { head } = reader;
  Object.assign(head, { method, path, target: path, authority: host });
  for (const [name, value] of fields) addLine(head as Fields, name, value);
  const route = { spec: { name: 'shop "é"' }, pool: { spec: { name: 'shop' } } };
  const books = {
    ...{ startMs: 1000.5, status, responseBytes: 1234, ending: 0, problem: null, role: 0, place: NOWHERE },
    ...{ endpoint: { id: 'fra-1', region: 'aws:eu-central-1' }, endpointMs: 3.2 },
    ...{ attemptMs: 1000.6, sentMs: 1000.7, connectMs: -1, firstByteMs: 1003.9 },
    ...asked.books,
  };
  const peer = { address: asked.address ?? '198.51.100.7', isTrusted: false, tls: null, ...asked.peer };
  const of = {
    ...{
      head,
      route,
      pool: route.pool,
      books,
      plan: { requestIdOf: () => asked.requestId ?? 'id-1', idHead: '', idTail: '' },
    },
    ...{ down: { peer }, bodyBytes: 0, attempts: 1, hedged: 0, noted: null, trace: null },
    ...asked.exchange,
  };
  return of as unknown as Exchange;
}

/** A log of a worker, and the bytes that its writer would find. */
export class Desk {
  readonly log: AccessLog;
  readonly #taker: LineTaker;

  constructor(spec: AccessLogSpec, random: () => number = Math.random) {
    this.log = new AccessLog(0, random, performance.now.bind(performance));
    this.log.install(spec);
    this.#taker = new LineTaker(spec.rings[0]!);
  }

  /** What has been written since. */
  taken(): Buffer {
    this.log.flush();
    const { at, waiting, bytes } = this.#taker;
    const first = bytes.subarray(at, at + waiting);
    const taken = Buffer.concat([first, bytes.subarray(0, waiting - first.length)]);
    this.#taker.take(waiting);
    return taken;
  }
}
