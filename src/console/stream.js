// The one event stream of the page: opened, watched, opened again when it breaks, and closed while nobody looks. What its frames
// say is the store's. An EventSource would come back by itself, but does not say when, and not at all after a refusal.

import * as api from './api.js';

/** @typedef {'connecting' | 'live' | 'lost' | 'paused'} Connection */

const PATH = '/api/v1/live';
const KINDS = ['hello', 'tick', 'decision', 'event'];
/** A tick comes every second: a stream that is silent for so long is dead. */
const SILENCE_MS = 10_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 15_000;
/** Nobody looks at a hidden tab: after this it costs the node nothing. */
const HIDDEN_MS = 60_000;

export class Stream {
  /** When the next attempt is made, on performance.now(); while it is lost. */
  retryAtMs = 0;
  /** @type {Connection} */ #connection = 'connecting';
  /** @type {(kind: string, data: string) => void} */ #take;
  /** @type {(connection: Connection) => void} */ #tell;
  /** @type {EventSource | null} */ #source = null;
  #retryMs = RETRY_FIRST_MS;
  #retryTimer = 0;
  #silenceTimer = 0;
  #hiddenTimer = 0;

  /** @param {{ take: (kind: string, data: string) => void, tell: (connection: Connection) => void }} listeners */
  constructor({ take, tell }) {
    this.#take = take;
    this.#tell = tell;
  }

  /** For as long as the page is there. */
  start() {
    document.addEventListener('visibilitychange', () => this.#watchVisibility());
    this.#watchVisibility(); // opened in the background: nothing tells of that
    addEventListener('pagehide', () => this.#close());
    addEventListener('pageshow', (event) => event.persisted && this.#open());
    this.#open();
  }

  /** The node has told everything: only now is it live. */
  isGreeted() {
    this.#retryMs = RETRY_FIRST_MS;
    if (this.#connection !== 'live' && this.#source !== null) this.#be('live');
  }

  #be(/** @type {Connection} */ connection) {
    this.#connection = connection;
    this.#tell(connection);
  }

  #open() {
    this.#close();
    this.#be('connecting');
    const source = new EventSource(PATH);
    this.#source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        this.#listen();
        this.#take(kind, event.data);
      });
    }
    source.onerror = () => this.#lost();
    this.#listen();
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
  }

  #listen() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = window.setTimeout(() => this.#lost(), SILENCE_MS);
  }

  #lost() {
    this.#close();
    const waitMs = this.#retryMs * (0.8 + 0.4 * Math.random());
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MOST_MS);
    this.retryAtMs = performance.now() + waitMs;
    this.#retryTimer = window.setTimeout(() => this.#again(), waitMs);
    this.#be('lost');
  }

  /** A stream does not say why it was refused; an answer does, and sends to the login page when a session is missing. */
  async #again() {
    this.#be('connecting');
    try {
      await api.get('/api/v1/node');
      if (this.#connection === 'connecting') this.#open();
    } catch (error) {
      const isShut = /** @type {api.ApiError} */ (error).status === 401;
      if (!isShut && this.#connection === 'connecting') this.#lost();
    }
  }

  #watchVisibility() {
    clearTimeout(this.#hiddenTimer);
    if (document.visibilityState === 'visible') {
      if (this.#connection === 'paused') this.#open();
      return;
    }
    this.#hiddenTimer = window.setTimeout(() => {
      this.#close();
      this.#be('paused');
    }, HIDDEN_MS);
  }
}
