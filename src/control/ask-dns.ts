// One question to the name system: which addresses does a name have, and for how long. Qualified names go to c-ares, which
// times out by itself, tells the TTL and leaves the thread pool alone; bare names, localhost and those of the hosts file go
// to getaddrinfo, and so does what no name server knows, since search domains and mDNS may. Nothing is remembered here.

import type { SrvRecord } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { HostsFile } from './hosts-file.ts';

const TTL_FLOOR_MS = 1000;
const TTL_CAP_MS = 60_000;
/** getaddrinfo tells no TTL. */
const LOOKUP_TTL_MS = 5000;
/** Once there are A records, AAAA may take this much longer (RFC 8305, 3): many name servers are slow to say that there are none. */
const AAAA_GRACE_MS = 50;
/** getaddrinfo holds a thread of a pool of four until it has an answer; the file system and the compressors need the others. */
const MOST_LOOKUPS = 2;
/** Name servers are read from resolv.conf when a resolver is made; when they fail, it is read anew this often at most, ms. */
const RENEW_MS = 10_000;
/** Of c-ares: for each server, and how often it goes round. */
const SERVER_TIMEOUT_MS = 1000;
const TRIES = 2;

/** What was said of one family. `error` null: it was answered, if with nothing. */
export interface Family {
  /** In an order of their own, so that servers that turn theirs round change nothing. */
  readonly addresses: readonly string[];
  readonly error: unknown;
}

export interface DnsAnswer {
  readonly four: Family;
  readonly six: Family;
  /** How long it is true, ms. */
  readonly ttlMs: number;
  /** What is said of AAAA in the end, where `six` was not waited for; else null. */
  readonly late: Promise<Family> | null;
}

const LATE: Family = { addresses: [], error: new Error('not yet') };

export class Dns {
  readonly #clock: () => number;
  readonly #hosts: HostsFile;
  #resolver: Resolver;
  #renewedAtMs: number;
  /** Of our own: then nobody else's are asked. */
  #hasServers = false;
  #lookups = 0;
  readonly #queue: (() => void)[] = [];

  constructor(clock: () => number, hosts: HostsFile = new HostsFile(clock)) {
    this.#clock = clock;
    this.#hosts = hosts;
    this.#resolver = newResolver([]);
    this.#renewedAtMs = clock();
  }

  /** Name servers, `ADDRESS` or `ADDRESS:PORT`; [] = the system's. What is under way ends with ECANCELLED. */
  use(servers: readonly string[]): void {
    this.#resolver.cancel();
    this.#resolver = newResolver(servers);
    this.#hasServers = servers.length > 0;
  }

  /** Never rejects. */
  async ask(name: string): Promise<DnsAnswer> {
    const isQualified = name.includes('.') && !/(^|\.)localhost\.?$/i.test(name);
    if (!isQualified || (await this.#hosts.has(name))) return this.#lookUp(name);
    const answer = await this.#query(name);
    if (answer.four.error !== null && !isNowhere(answer.four)) this.#renew();
    const isUnknown = isNowhere(answer.four) && isNowhere(answer.six);
    if (!isUnknown || this.#hasServers) return answer;
    const found = await this.#lookUp(name);
    return found.four.error === null ? found : answer;
  }

  /** SRV records of a name; [] = it has none. c-ares tells no TTL of them. Rejects like c-ares. */
  async services(name: string): Promise<readonly SrvRecord[]> {
    try {
      return await this.#resolver.resolveSrv(name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENODATA') return [];
      if (code !== 'ENOTFOUND') this.#renew();
      throw error;
    }
  }

  close(): void {
    this.#resolver.cancel();
  }

  /** What is under way goes on with the old one. */
  #renew(): void {
    const nowMs = this.#clock();
    if (this.#hasServers || nowMs - this.#renewedAtMs < RENEW_MS) return;
    this.#renewedAtMs = nowMs;
    this.#resolver = newResolver([]);
  }

  async #query(name: string): Promise<DnsAnswer> {
    const six = this.#records(name, 6);
    const four = await this.#records(name, 4);
    const soon = four.addresses.length === 0 ? await six : await soonOr(six, AAAA_GRACE_MS);
    const ttlMs = Math.min(four.ttlMs, soon?.ttlMs ?? Number.POSITIVE_INFINITY);
    return {
      four,
      six: soon ?? LATE,
      ttlMs: Math.min(TTL_CAP_MS, Math.max(TTL_FLOOR_MS, ttlMs)),
      late: soon === null ? six : null,
    };
  }

  async #records(name: string, version: 4 | 6): Promise<Family & { readonly ttlMs: number }> {
    try {
      const resolver = this.#resolver;
      const records =
        version === 4 ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
      const addresses = [...new Set(records.map(({ address }) => address))].sort();
      return { addresses, error: null, ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };
    } catch (error) {
      const isEmpty = (error as NodeJS.ErrnoException).code === 'ENODATA';
      return { addresses: [], error: isEmpty ? null : error, ttlMs: Number.POSITIVE_INFINITY };
    }
  }

  async #lookUp(name: string): Promise<DnsAnswer> {
    while (this.#lookups >= MOST_LOOKUPS) await new Promise<void>((go) => this.#queue.push(go));
    this.#lookups++;
    try {
      const found = await lookup(name, { all: true, order: 'verbatim' });
      const addresses = [...new Set(found.map(({ address }) => address))].sort();
      return {
        four: { addresses: addresses.filter((address) => !isIPv6(address)), error: null },
        six: { addresses: addresses.filter(isIPv6), error: null },
        ttlMs: LOOKUP_TTL_MS,
        late: null,
      };
    } catch (error) {
      return { four: { addresses: [], error }, six: { addresses: [], error }, ttlMs: LOOKUP_TTL_MS, late: null };
    } finally {
      this.#lookups--;
      this.#queue.shift()?.();
    }
  }
}

function newResolver(servers: readonly string[]): Resolver {
  const resolver = new Resolver({ timeout: SERVER_TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}

/** Said to have nothing, or not to be a name at all. */
function isNowhere({ addresses, error }: Family): boolean {
  return addresses.length === 0 && (error === null || (error as NodeJS.ErrnoException).code === 'ENOTFOUND');
}

/** null when it takes longer. */
async function soonOr<T>(promise: Promise<T>, graceMs: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, graceMs, null);
  });
  try {
    return await Promise.race([promise, grace]);
  } finally {
    clearTimeout(timer);
  }
}
