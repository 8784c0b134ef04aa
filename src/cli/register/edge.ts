// One edge that is told of the endpoint: a message every third of the TTL, sooner again when one did not arrive, and a last one
// that says goodbye. Only changes are told to people.

import { request } from 'node:http';
import { SIGNATURE_FIELD, signatureOf, TIMESTAMP_FIELD } from '../../control/discovery/signing.ts';
import { textOf } from '../body.ts';
import { CliError, EXIT } from '../exit.ts';

export interface Told {
  readonly event: 'registered' | 'failed' | 'left';
  readonly edge: string;
  readonly message: string;
}

export interface EdgeOptions {
  readonly pool: string;
  readonly url: string;
  /** The body, but for the TTL. */
  readonly endpoint: Readonly<Record<string, unknown>>;
  readonly ttlMs: number;
  readonly token: string;
  /** Wall clock, ms; never the same twice. */
  readonly stamp: () => number;
}

const FIRST_RETRY_MS = 200;
const REFUSED_RETRY_MS = 30_000;
const JITTER_RATIO = 0.1;
const MAX_ANSWER_BYTES = 64 * 1024;
const LEAVE_MS = 2000;

interface Answer {
  readonly status: number;
  readonly text: string;
}

export class Edge {
  readonly #base: URL;
  readonly #options: EdgeOptions;
  readonly #tell: (told: Told) => void;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #failures = 0;
  /** What was told last: the same is not told again. */
  #said = '';
  #isKnown = false;
  /** A message is on its way, or arrived: there may be something to take back. */
  #mayBeKnown = false;

  /** `to`: http://host:port or host:port of an admin listener. Throws a CliError for anything else. */
  constructor(to: string, options: EdgeOptions, tell: (told: Told) => void) {
    const text = to.includes('://') ? to : `http://${to}`;
    if (!URL.canParse(text) || new URL(text).protocol !== 'http:' || new URL(text).pathname !== '/') {
      throw new CliError(`--to: expected http://host:port, got ${to}`, EXIT.USAGE);
    }
    this.#base = new URL(text);
    this.#options = options;
    this.#tell = tell;
  }

  start(): void {
    this.#running = this.#beat();
  }

  /** One message; whether it was taken. */
  once(): Promise<boolean> {
    return this.#register();
  }

  /** No more messages but the last, which is tried twice. Never rejects. */
  async leave(): Promise<void> {
    this.#stop.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
    if (!this.#mayBeKnown) return;
    const { url } = this.#options;
    for (let tries = 0; tries < 2; tries++) {
      const answer = await this.#send('deregister', { url }, AbortSignal.timeout(LEAVE_MS)).catch(
        (error: Error) => error,
      );
      if (!(answer instanceof Error) && answer.status === 200) return this.#say('left', `${url} has left`);
      if (tries > 0) this.#say('failed', `${url} could not say goodbye (${wordsOf(answer)}): its time runs out`);
    }
  }

  /** Never rejects. */
  async #beat(): Promise<void> {
    const isTaken = await this.#register();
    if (this.#stop.signal.aborted) return;
    const jitter = 1 + JITTER_RATIO * (2 * Math.random() - 1);
    this.#timer = setTimeout(() => this.start(), (isTaken ? this.#options.ttlMs / 3 : this.#retryMs()) * jitter);
  }

  /** Often while the edge may be about to come back, within the TTL; seldom when it has refused. */
  #retryMs(): number {
    const capMs = this.#isKnown ? this.#options.ttlMs / 3 : REFUSED_RETRY_MS;
    return Math.min(capMs, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 20));
  }

  async #register(): Promise<boolean> {
    const { pool, url, endpoint, ttlMs } = this.#options;
    this.#mayBeKnown = true;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(Math.max(1000, Math.ceil(ttlMs / 3)))]);
    const answer = await this.#send('register', { ...endpoint, ttl: `${ttlMs}ms` }, signal).catch(
      (error: Error) => error,
    );
    if (this.#stop.signal.aborted) return false;
    if (answer instanceof Error || answer.status !== 200) {
      this.#failures++;
      this.#mayBeKnown = this.#isKnown || answer instanceof Error;
      this.#say('failed', `${url} is not registered (${wordsOf(answer)})`);
      return false;
    }
    this.#failures = 0;
    this.#isKnown = true;
    this.#say('registered', `${url} is registered in pool ${pool}`);
    return true;
  }

  #say(event: Told['event'], message: string): void {
    if (message === this.#said) return;
    this.#said = message;
    this.#tell({ event, edge: this.#base.origin, message });
  }

  #send(action: 'register' | 'deregister', what: unknown, signal: AbortSignal): Promise<Answer> {
    const { pool, token, stamp } = this.#options;
    const body = JSON.stringify(what);
    const path = `/api/v1/${action}/${encodeURIComponent(pool)}`;
    const atMs = stamp();
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      [TIMESTAMP_FIELD]: atMs,
      [SIGNATURE_FIELD]: signatureOf(token, { method: 'POST', path, atMs, body }),
    };
    const { hostname, port } = this.#base;
    const host = hostname.replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) => {
      const req = request(
        { host, port: port || 80, method: 'POST', path, headers, agent: false, signal },
        (response) => {
          textOf(response, MAX_ANSWER_BYTES).then(
            (text) => resolve({ status: response.statusCode ?? 0, text }),
            reject,
          );
        },
      );
      req.on('error', (error) => reject(signal.aborted ? new Error('no answer in time') : error));
      req.end(body);
    });
  }
}

/** The edge's own words, or the system's. */
function wordsOf(answer: Answer | Error): string {
  if (answer instanceof Error) return (answer as NodeJS.ErrnoException).code ?? answer.message;
  try {
    const { error } = JSON.parse(answer.text) as { error?: { message?: unknown } };
    if (typeof error?.message === 'string') return error.message;
  } catch {
    // Not Fermat, then.
  }
  return `status ${answer.status}`;
}
