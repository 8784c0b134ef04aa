// Names to addresses, for probes. Qualified names go to c-ares, which times out by itself, tells the TTL and leaves the
// thread pool alone; whatever it does not know (the hosts file, search domains, mDNS) and bare names go to getaddrinfo.
// What was last known good is kept when DNS fails: an endpoint must not die of its name server.

import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { codedFailure, timeoutFailure } from './failure.ts';
import { Ended, type Limit } from './limit.ts';

const TTL_FLOOR_MS = 1000;
const TTL_CAP_MS = 60_000;
/** getaddrinfo tells no TTL. */
const LOOKUP_TTL_MS = 5000;
const RETRY_FIRST_MS = 1000;
const RETRY_CAP_MS = 30_000;

export interface Resolved {
  /** At least one. IPv6 only where there is no IPv4, or as the system orders them. */
  readonly addresses: readonly string[];
  /** null when nobody had to be asked. */
  readonly dnsMs: number | null;
}

interface Entry {
  addresses: readonly string[];
  untilMs: number;
  failures: number;
}

export class Names {
  readonly #clock: () => number;
  readonly #resolver = new Resolver({ timeout: 1000, tries: 2 });
  readonly #known = new Map<string, Entry>();
  #isClosed = false;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Rejects with ProbeFailure, or with Ended when stopped. */
  async resolve(host: string, limit: Limit): Promise<Resolved> {
    if (isIP(host) !== 0) return { addresses: [host], dnsMs: null };
    const startMs = this.#clock();
    const known = this.#known.get(host);
    if (known !== undefined && startMs < known.untilMs) return { addresses: known.addresses, dnsMs: null };
    try {
      const addresses = await limit.run<readonly string[]>((settle) => {
        // Kept even when it comes after this probe's time: a slow name server must not mean that no probe ever succeeds.
        this.#learn(host).then(
          (found) => settle(null, found),
          (error) => settle(error ?? new Error('no answer')),
        );
        return () => undefined;
      });
      return { addresses, dnsMs: this.#clock() - startMs };
    } catch (error) {
      if (error instanceof Ended && error.why === 'stopped') throw error;
      if (known !== undefined) {
        known.failures++;
        known.untilMs = this.#clock() + Math.min(RETRY_CAP_MS, RETRY_FIRST_MS * 2 ** (known.failures - 1));
        if (!(error instanceof Ended)) return { addresses: known.addresses, dnsMs: null };
      }
      // Out of time. The next probe uses what was known.
      throw error instanceof Ended ? timeoutFailure('dns', limit.timeoutMs) : codedFailure('dns', error);
    }
  }

  /** Forgets names of endpoints that are gone. */
  keep(hosts: ReadonlySet<string>): void {
    for (const host of this.#known.keys()) if (!hosts.has(host)) this.#known.delete(host);
  }

  close(): void {
    this.#isClosed = true;
    this.#resolver.cancel();
    this.#known.clear();
  }

  async #learn(host: string): Promise<readonly string[]> {
    const { addresses, ttlMs } = await this.#ask(host);
    if (!this.#isClosed) this.#known.set(host, { addresses, untilMs: this.#clock() + ttlMs, failures: 0 });
    return addresses;
  }

  async #ask(host: string): Promise<{ addresses: string[]; ttlMs: number }> {
    const isQualified = host.includes('.') && !/(^|\.)localhost\.?$/.test(host);
    if (isQualified) {
      // In turn rather than together: many name servers are slow to say that there is no AAAA.
      let records = await this.#resolver.resolve4(host, { ttl: true }).catch(() => []);
      if (records.length === 0) records = await this.#resolver.resolve6(host, { ttl: true }).catch(() => []);
      if (records.length > 0) {
        const ttlMs = Math.min(...records.map((record) => record.ttl)) * 1000;
        return {
          addresses: records.map((record) => record.address),
          ttlMs: Math.min(TTL_CAP_MS, Math.max(TTL_FLOOR_MS, ttlMs)),
        };
      }
    }
    const found = await lookup(host, { all: true, order: 'verbatim' });
    return { addresses: found.map((entry) => entry.address), ttlMs: LOOKUP_TTL_MS };
  }
}
