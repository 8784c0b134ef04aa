// A collector, asked once: a batch by OTLP over HTTP, and what became of it. When to ask again is exporter.ts's business.

import { promisify } from 'node:util';
import { gunzip, gzip, type ZlibOptions } from 'node:zlib';
import { Agent, type Dispatcher, request } from 'undici';
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
/** What is shorter is no secret. */
const MIN_SECRET = 4;
const IDLE_MS = 4000;
/** Spans are so much alike that the quickest level leaves less than a tenth of them. */
const PACKING = { level: 1 };
const pack = promisify<Buffer, ZlibOptions, Buffer>(gzip);
const unpack = promisify<Buffer, ZlibOptions, Buffer>(gunzip);

export class Collector {
  readonly config: CollectorConfig;
  readonly #agent: Agent;
  readonly #headers: Readonly<Record<string, string>>;
  /** What is not told on, should the collector repeat it. */
  readonly #secrets: readonly string[];

  constructor(config: CollectorConfig) {
    this.config = config;
    const given = Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value]);
    this.#headers = {
      'user-agent': 'fermat',
      'accept-encoding': 'identity',
      ...Object.fromEntries(given),
      'content-type': 'application/json',
    };
    this.#secrets = secretsOf(config);
    this.#agent = new Agent({ connections: 1, keepAliveTimeout: IDLE_MS, maxResponseSize: MAX_ANSWER_BYTES });
  }

  /** Never rejects, and resolves in `timeoutMs` or a little later; at once when `signal` says so. */
  async send(plain: Buffer, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
    const { url, isCompressed } = this.config;
    try {
      const isPacked = isCompressed && plain.length >= COMPRESS_FROM_BYTES;
      const response = await request(url, {
        method: 'POST',
        headers: isPacked ? { ...this.#headers, 'content-encoding': 'gzip' } : this.#headers,
        body: isPacked ? await pack(plain, PACKING) : plain,
        dispatcher: this.#agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      return this.#answerOf(response, await textOf(response).catch(() => '')); // too long, or cut: the status stands
    } catch (error) {
      return { kind: 'retry', afterMs: 0, why: this.#short(wordsOf(error)) };
    }
  }

  #answerOf({ statusCode, headers }: Dispatcher.ResponseData, said: string): Answer {
    if (statusCode >= 200 && statusCode < 300) {
      const { rejected, why } = partOf(said);
      return { kind: 'taken', rejected, why: this.#short(why) };
    }
    const { location } = headers;
    // Not gone after: it may be anybody's, and the headers are for the one that is configured.
    const elsewhere = typeof location === 'string' ? `, sends to ${location.replace(/[?#].*$/s, '')}` : '';
    const why = this.#short(`status ${statusCode}${elsewhere}${said === '' ? '' : `: ${said}`}`);
    if (!RETRIED.includes(statusCode)) return { kind: 'refused', why };
    return { kind: 'retry', afterMs: afterMsOf(headers['retry-after']), why };
  }

  /** For a log line: without secrets, which collectors like to repeat to whoever has the wrong one. */
  #short(text: string): string {
    const told = this.#secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
    return told.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, MAX_WHY);
  }

  /** What is under way ends. */
  close(): void {
    void this.#agent.destroy();
  }
}

/** Values of headers, also behind `Bearer` and the like, and of the URL's query; the longest first. */
function secretsOf({ url, headers }: CollectorConfig): string[] {
  const { search, searchParams } = new URL(url);
  const words = Object.values(headers).flatMap((value) => [value, ...value.split(' ').slice(1)]);
  const secrets = [...words, search, ...searchParams.values()].filter(({ length }) => length >= MIN_SECRET);
  return secrets.sort((a, b) => b.length - a.length);
}

/** Some compress whether they were asked to or not. */
async function textOf({ headers, body }: Dispatcher.ResponseData): Promise<string> {
  if (headers['content-encoding'] !== 'gzip') return await body.text();
  const plain = await unpack(Buffer.from(await body.arrayBuffer()), { maxOutputLength: MAX_ANSWER_BYTES });
  return plain.toString();
}

/** A collector may take a part of a batch; what it says of the rest is not to be sent again. */
function partOf(said: string): { readonly rejected: number; readonly why: string } {
  try {
    const { partialSuccess } = JSON.parse(said) as {
      partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown };
    };
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    const why = partialSuccess?.errorMessage;
    return {
      rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0,
      why: typeof why === 'string' ? why : '',
    };
  } catch {
    return { rejected: 0, why: '' }; // an empty body, or one of another kind: taken is taken
  }
}

function afterMsOf(value: string | string[] | undefined): number {
  if (typeof value !== 'string') return 0;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000;
  const ms = Date.parse(value) - Date.now();
  return ms > 0 ? ms : 0;
}

function wordsOf(error: unknown): string {
  const { name, code, message } = error as { name: string; code?: unknown; message: string };
  if (name === 'TimeoutError') return 'no answer in time';
  // Undici's own codes say less than its words.
  return typeof code === 'string' && !code.startsWith('UND_ERR') ? code : message;
}
