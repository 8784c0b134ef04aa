// A collector, asked once: a batch by OTLP over HTTP, and what became of it. When to ask again is exporter.ts's business.

import { promisify } from 'node:util';
import { gzip, type ZlibOptions } from 'node:zlib';
import { Agent, request } from 'undici';
import type { CollectorConfig } from '../config/tracing.ts';

/** `retry`: it may be sent again (OTLP 1.x, "Failures"), in `afterMs` at the earliest if the collector said so (else 0). */
export type Answer =
  | { readonly kind: 'taken'; readonly rejected: number; readonly why: string }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string };

const RETRIED = [429, 502, 503, 504];
/** Smaller bodies are not worth it. */
const COMPRESS_FROM_BYTES = 1024;
/** Of an answer: more is nobody's business. */
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_WHY = 200;
const IDLE_MS = 4000;
/** Spans are so much alike that the quickest level leaves less than a tenth of them. */
const PACKING = { level: 1 };
const pack = promisify<Buffer, ZlibOptions, Buffer>(gzip);

export class Collector {
  readonly config: CollectorConfig;
  readonly #agent: Agent;

  constructor(config: CollectorConfig) {
    this.config = config;
    this.#agent = new Agent({ connections: 1, keepAliveTimeout: IDLE_MS, maxResponseSize: MAX_ANSWER_BYTES });
  }

  /** Never rejects, and resolves in `timeoutMs` or a little later; at once when `signal` says so. */
  async send(plain: Buffer, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
    const { url, headers, isCompressed } = this.config;
    try {
      const isPacked = isCompressed && plain.length >= COMPRESS_FROM_BYTES;
      const {
        statusCode,
        headers: fields,
        body,
      } = await request(url, {
        method: 'POST',
        headers: {
          'user-agent': 'fermat',
          ...headers,
          'content-type': 'application/json',
          ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
        },
        body: isPacked ? await pack(plain, PACKING) : plain,
        dispatcher: this.#agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const isTaken = statusCode >= 200 && statusCode < 300;
      const said = await body.text().catch(() => ''); // too long, or cut: the status stands
      if (isTaken) return takenOf(said);
      const why = `status ${statusCode}${said === '' ? '' : `: ${short(said)}`}`;
      if (!RETRIED.includes(statusCode)) return { kind: 'refused', why };
      return { kind: 'retry', afterMs: afterMsOf(fields['retry-after']), why };
    } catch (error) {
      return { kind: 'retry', afterMs: 0, why: wordsOf(error) };
    }
  }

  /** What is under way ends. */
  close(): void {
    void this.#agent.destroy();
  }
}

/** A collector may take a part of a batch; what it says of the rest is not to be sent again. */
function takenOf(said: string): Answer {
  try {
    const { partialSuccess } = JSON.parse(said) as {
      partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown };
    };
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    const why = partialSuccess?.errorMessage;
    return {
      kind: 'taken',
      rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0,
      why: typeof why === 'string' ? short(why) : '',
    };
  } catch {
    return { kind: 'taken', rejected: 0, why: '' }; // an empty body, or one of another kind: taken is taken
  }
}

function afterMsOf(value: string | string[] | undefined): number {
  if (typeof value !== 'string') return 0;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000;
  const ms = Date.parse(value) - Date.now();
  return ms > 0 ? ms : 0;
}

function wordsOf(error: unknown): string {
  const { name, code, message } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError') return 'no answer in time';
  return code ?? short(message ?? String(error));
}

/** For a log line. */
function short(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, MAX_WHY);
}
