// Where the names of endpoints are, as the control plane last said: a worker dials known addresses only and never looks up a
// name itself. All addresses of a name are used in turn; one that failed lately comes last, so that a dead one costs a connect
// now and then, and no request.

import { isIPv6, type LookupFunction } from 'node:net';
import type { Addresses } from '../core/messages.ts';

/** How long an address that failed is put last, ms. */
const SHUNNED_MS = 10_000;
/** Addresses that one connect tries. */
export const MOST_TRIED = 4;

type LookupCallback = Parameters<LookupFunction>[2];

interface Host {
  addresses: readonly string[];
  /** Address → until when it is put last. */
  readonly shunned: Map<string, number>;
  turn: number;
}

export class AddressBook {
  readonly #clock: () => number;
  readonly #hosts = new Map<string, Host>();
  /** Connects that wait for the first answer about a name; each has a time-out of its own. */
  readonly #waiting = new Map<string, ((addresses: readonly string[]) => void)[]>();

  /** Monotonic, ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  learn(news: Addresses): void {
    for (const [name, addresses] of Object.entries(news)) {
      if (addresses === null) this.#hosts.delete(name);
      else this.#set(name, addresses);
      const waiting = this.#waiting.get(name);
      if (waiting === undefined) continue;
      this.#waiting.delete(name);
      for (const go of waiting) go(addresses ?? []);
    }
  }

  /** Addresses that a connect to `name` may try; 0 = none, or not known yet. */
  count(name: string): number {
    return Math.min(MOST_TRIED, this.#hosts.get(name)?.addresses.length ?? 0);
  }

  has(name: string, address: string): boolean {
    return this.#hosts.get(name)?.addresses.includes(address) === true;
  }

  /** Whether one of several addresses has not failed lately. */
  hasAnother(name: string): boolean {
    const host = this.#hosts.get(name);
    if (host === undefined || host.addresses.length < 2) return false;
    const nowMs = this.#clock();
    return host.addresses.some((address) => !isShunned(host, address, nowMs));
  }

  /** A connect to it, or its handshake, failed. */
  shun(name: string, address: string): void {
    this.#hosts.get(name)?.shunned.set(address, this.#clock() + SHUNNED_MS);
  }

  /** For net.connect, in place of dns.lookup: calls back at once, or when the name is first heard of. */
  readonly lookup: LookupFunction = (name, options, callback) => {
    const host = this.#hosts.get(name);
    if (host !== undefined) return answer(name, this.#inTurn(host), options.all === true, callback);
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, waiting);
    waiting.push((addresses) => answer(name, addresses.slice(0, MOST_TRIED), options.all === true, callback));
  };

  #set(name: string, addresses: readonly string[]): void {
    const host = this.#hosts.get(name);
    if (host === undefined) {
      this.#hosts.set(name, { addresses, shunned: new Map(), turn: 0 });
      return;
    }
    host.addresses = addresses;
    for (const address of host.shunned.keys()) if (!addresses.includes(address)) host.shunned.delete(address);
  }

  /** Another one first each time. */
  #inTurn(host: Host): readonly string[] {
    const { addresses, shunned } = host;
    if (addresses.length < 2) return addresses;
    const first = host.turn++ % addresses.length;
    const turned = [...addresses.slice(first), ...addresses.slice(0, first)];
    if (shunned.size === 0) return turned.slice(0, MOST_TRIED);
    const nowMs = this.#clock();
    const [bad, good] = [true, false].map((is) => turned.filter((address) => isShunned(host, address, nowMs) === is));
    return [...good!, ...bad!].slice(0, MOST_TRIED);
  }
}

function isShunned(host: Host, address: string, nowMs: number): boolean {
  return (host.shunned.get(address) ?? 0) > nowMs;
}

function answer(name: string, addresses: readonly string[], isAll: boolean, callback: LookupCallback): void {
  const [first] = addresses;
  if (first === undefined) callback(Object.assign(new Error(`${name} has no address`), { code: 'ENOTFOUND' }), '');
  else if (isAll)
    callback(
      null,
      addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 })),
    );
  else callback(null, first, isIPv6(first) ? 6 : 4);
}
