// Keys of TLS session tickets, one per listener, the same for all workers: whichever worker the kernel gives the next
// connection to can resume the session of the last. Made here, kept in memory only, and changed before a stolen one opens much:
// a ticket under an older key is not taken, and costs its client one full handshake.

import { randomBytes } from 'node:crypto';
import type { TicketKeyring } from '../core/messages.ts';

/** RFC 5077, 5.5 asks for at least every 24 h; tickets themselves live for two. */
export const ROTATE_MS = 12 * 60 * 60 * 1000;
/** 16 of name, 16 of HMAC secret, 16 of AES key: the form OpenSSL and Node take them in. */
const KEY_BYTES = 48;

export class TicketKeys {
  readonly #onRotate: (keys: TicketKeyring) => void;
  #keys: Record<string, Uint8Array> = {};
  #timer: NodeJS.Timeout | null = null;

  /** `onRotate` is told the new keys every ROTATE_MS between `start` and `stop`. */
  constructor(onRotate: (keys: TicketKeyring) => void) {
    this.#onRotate = onRotate;
  }

  /** Keys for these listeners: those that were there keep theirs, the others' are forgotten. */
  of(listeners: readonly string[]): TicketKeyring {
    this.#keys = Object.fromEntries(listeners.map((name) => [name, this.#keys[name] ?? randomBytes(KEY_BYTES)]));
    return this.#keys;
  }

  /** As another process can read them; they are secrets. */
  packed(): Record<string, string> {
    return Object.fromEntries(
      Object.entries(this.#keys).map(([name, key]) => [name, Buffer.from(key).toString('base64')]),
    );
  }

  /** Goes on with those of another process, before `of`; what is no key is left out. */
  adopt(packed: Readonly<Record<string, unknown>>): void {
    for (const [name, text] of Object.entries(packed)) {
      const key = typeof text === 'string' ? new Uint8Array(Buffer.from(text, 'base64')) : null;
      if (key?.length === KEY_BYTES) this.#keys[name] = key;
    }
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#rotate(), ROTATE_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #rotate(): void {
    this.#keys = Object.fromEntries(Object.keys(this.#keys).map((name) => [name, randomBytes(KEY_BYTES)]));
    this.#onRotate(this.#keys);
  }
}
