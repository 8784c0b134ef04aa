// Who keeps coming back to flood. A client whose connection had to be ended for a flood has a strike; whoever has several of them
// in a short time is let in late, a second at first, then twice as long each time. Single ones cost nothing: clients have bugs.
// Bounded: the address heard of longest ago is forgotten first. No clock of its own.

import { parseCidr } from './ip.ts';

/** Strikes that stay without consequence. */
const FREE = 2;
const FIRST_MS = 1000;
const MAX_MS = 10_000;
/** Without another strike, counted from the end of the last wait. */
const FORGET_MS = 30_000;
const MAX_ADDRESSES = 1024;

interface Record {
  strikes: number;
  untilMs: number;
}

export class Strikes {
  /** By address, IPv6 by /64; whoever struck last is last. */
  readonly #records = new Map<string, Record>();

  /** How many addresses are known. */
  get size(): number {
    return this.#records.size;
  }

  /** A connection of `address` was ended for a flood. Those that were let in before a wait do not make it longer. */
  strike(address: string, nowMs: number): void {
    const key = keyOf(address);
    const old = this.#records.get(key);
    if (old !== undefined && nowMs < old.untilMs) return;
    const strikes = old === undefined || nowMs - old.untilMs > FORGET_MS ? 1 : old.strikes + 1;
    const waitMs = strikes <= FREE ? 0 : Math.min(MAX_MS, FIRST_MS * 2 ** (strikes - FREE - 1));
    this.#records.delete(key);
    this.#records.set(key, { strikes, untilMs: nowMs + waitMs });
    if (this.#records.size > MAX_ADDRESSES) this.#records.delete(this.#records.keys().next().value!);
  }

  /** How long `address` is to wait, ms; 0 = not at all. */
  waitMs(address: string, nowMs: number): number {
    if (this.#records.size === 0) return 0;
    const record = this.#records.get(keyOf(address));
    return record === undefined ? 0 : Math.max(0, record.untilMs - nowMs);
  }
}

/** What counts as one client: an IPv4 address, or the /64 that an IPv6 address is of. */
export function keyOf(address: string): string {
  return address.includes(':') ? (parseCidr(`${address}/64`)?.text ?? address) : address;
}
