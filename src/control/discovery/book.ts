// Who has registered for a pool, and until when. A message counts once: of each endpoint only later ones than the last are taken,
// also after it has left, for as long as an older one could still pass for fresh. Times are arguments; nothing here ticks.

import { MAX_FOUND } from './entries.ts';
import { MAX_SKEW_MS, MAX_TTL_MS } from './signing.ts';
import type { Entry } from './source.ts';

/**
 * An older message of a client is refused for its time alone after this; one that another edge passes on is good for as long as
 * its TTL (registrar.ts).
 */
const REMEMBERED_MS = 2 * MAX_SKEW_MS;
/** Endpoints that are remembered though they have left. */
const MAX_REMEMBERED = 10 * MAX_FOUND;

interface Row {
  /** null = it has left. */
  endpoint: Readonly<Record<string, unknown>> | null;
  /** Of the last message: the sender's wall clock, ms. */
  signedAtMs: number;
  /** Monotonic, ms: until then it is there, or remembered. */
  untilMs: number;
  /** No message of it that was taken has been good for longer. */
  longestMs: number;
  /** How far its sender's wall clock was ahead of our monotonic one, by the message that was least delayed; NaN = not known. */
  aheadMs: number;
}

export type Taken = 'taken' | 'replayed' | 'full';

export class Book {
  /** By URL. */
  readonly #rows = new Map<string, Row>();
  #count = 0;

  /** Endpoints that are there. */
  get size(): number {
    return this.#count;
  }

  register(url: string, endpoint: Row['endpoint'], ttlMs: number, signedAtMs: number, nowMs: number): Taken {
    const row = this.#rows.get(url);
    if (row !== undefined && signedAtMs <= row.signedAtMs) return 'replayed';
    const isNew = row === undefined || row.endpoint === null;
    if (isNew && this.#count >= MAX_FOUND) return 'full';
    if (row === undefined && !this.#hasRoom(nowMs)) return 'full';
    if (isNew) this.#count++;
    const longestMs = Math.max(ttlMs, row?.longestMs ?? 0);
    const aheadMs = Math.max(signedAtMs - nowMs, isKnown(row) ? row.aheadMs : Number.NEGATIVE_INFINITY);
    this.#rows.set(url, { endpoint, signedAtMs, untilMs: nowMs + ttlMs, longestMs, aheadMs });
    return 'taken';
  }

  /**
   * Whether a message is as late as those before it of an endpoint that is there, whatever time it is here: our wall clock may
   * have been set, and nobody is to fall out of a pool for that.
   */
  isInStep(url: string, signedAtMs: number, nowMs: number): boolean {
    const row = this.#rows.get(url);
    if (row === undefined || row.endpoint === null) return false;
    return Math.abs(signedAtMs - nowMs - row.aheadMs) <= MAX_SKEW_MS;
  }

  /** Also of one that is not there: it shall not come back by an older message. */
  leave(url: string, signedAtMs: number, nowMs: number): Taken {
    const row = this.#rows.get(url);
    if (row !== undefined && signedAtMs <= row.signedAtMs) return 'replayed';
    if (row === undefined && !this.#hasRoom(nowMs)) return 'full';
    if (row !== undefined && row.endpoint !== null) this.#count--;
    const longestMs = row?.longestMs ?? MAX_TTL_MS; // nobody knows what may be on its way
    const untilMs = nowMs + rememberedMs(longestMs);
    this.#rows.set(url, { endpoint: null, signedAtMs, untilMs, longestMs, aheadMs: Number.NaN });
    return 'taken';
  }

  /** Whose time has run out is not there any more. Whether there was one. */
  expire(nowMs: number): boolean {
    let isChanged = false;
    for (const [url, row] of this.#rows) {
      if (row.untilMs > nowMs) continue;
      if (row.endpoint === null) {
        this.#rows.delete(url);
        continue;
      }
      row.endpoint = null;
      row.untilMs = nowMs + rememberedMs(row.longestMs);
      this.#count--;
      isChanged = true;
    }
    return isChanged;
  }

  #hasRoom(nowMs: number): boolean {
    if (this.#rows.size < MAX_REMEMBERED) return true;
    for (const [url, { endpoint, untilMs }] of this.#rows) {
      if (endpoint === null && untilMs <= nowMs) this.#rows.delete(url);
    }
    return this.#rows.size < MAX_REMEMBERED;
  }

  /** When the next one's time runs out; null = nobody is there. */
  get nextMs(): number | null {
    let next: number | null = null;
    for (const { endpoint, untilMs } of this.#rows.values()) {
      if (endpoint !== null && (next === null || untilMs < next)) next = untilMs;
    }
    return next;
  }

  /** As it registered; null = it is not there. */
  endpointAt(url: string): Row['endpoint'] {
    return this.#rows.get(url)?.endpoint ?? null;
  }

  entries(): Entry[] {
    return [...this.#rows].flatMap(([url, { endpoint }]) => (endpoint === null ? [] : [{ at: url, endpoint }]));
  }

  /** Times as what is left of them: monotonic clocks of two processes have nothing in common. */
  memory(nowMs: number): unknown[] {
    return [...this.#rows].map(([url, { endpoint, signedAtMs, untilMs, longestMs }]) => ({
      url,
      endpoint,
      signedAtMs,
      leftMs: untilMs - nowMs,
      longestMs,
    }));
  }

  /** Goes on with what another process knew; what cannot be read is passed over. */
  recall(given: unknown, nowMs: number): void {
    if (!Array.isArray(given)) return;
    for (const row of given as Record<string, unknown>[]) {
      const { url, endpoint, signedAtMs, leftMs, longestMs } = row ?? {};
      if (typeof url !== 'string' || typeof signedAtMs !== 'number' || typeof leftMs !== 'number') continue;
      if (typeof endpoint !== 'object' || this.#rows.has(url)) continue;
      this.#rows.set(url, {
        endpoint: endpoint as Row['endpoint'],
        signedAtMs,
        untilMs: nowMs + leftMs,
        longestMs: typeof longestMs === 'number' ? longestMs : leftMs,
        aheadMs: Number.NaN,
      });
      if (endpoint !== null) this.#count++;
    }
  }
}

function isKnown(row: Row | undefined): row is Row {
  return row !== undefined && !Number.isNaN(row.aheadMs);
}

function rememberedMs(longestMs: number): number {
  return Math.max(REMEMBERED_MS, longestMs + MAX_SKEW_MS);
}
