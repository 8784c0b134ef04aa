// The node's one resolver: the names of all endpoints, asked again when their time is over, and what was last known good kept
// while DNS fails, for an endpoint must not die of its name server. The prober asks here, and every change is told on to the
// workers, who never look up anything themselves.

import { isIP } from 'node:net';
import type { Snapshot } from '../core/snapshot.ts';
import { Dns, type DnsAnswer, type Family } from './ask-dns.ts';
import { codedFailure, timeoutFailure } from './probe/failure.ts';
import { Ended, type Limit } from './probe/limit.ts';
import type { EventLog } from './types.ts';

const RETRY_FIRST_MS = 1000;
const RETRY_CAP_MS = 30_000;
/** So that names that failed together are not asked together again. */
const RETRY_JITTER_RATIO = 0.2;

export type DnsResult = 'ok' | 'no_such_name' | 'timeout' | 'failed';

export interface NamesOptions {
  /** Monotonic, ms. */
  readonly clock: () => number;
  /** 0…1. */
  readonly random?: () => number;
  /** Addresses of a name, IPv4 first; [] = it has none; null = it is not asked for any more. Called for changes only. */
  readonly onChange?: (host: string, addresses: readonly string[] | null) => void;
  /** Called for every question that was answered, or was not. */
  readonly onAsked?: (result: DnsResult) => void;
  readonly events?: EventLog;
  readonly dns?: Dns;
}

export interface Resolved {
  /** At least one. */
  readonly addresses: readonly string[];
  /** null when nobody had to be waited for. */
  readonly dnsMs: number | null;
}

interface Name {
  readonly host: string;
  /** null = nothing has been heard yet. */
  addresses: readonly string[] | null;
  /** Of each family what was last said, for a failure of one must not take the other. */
  four: readonly string[];
  six: readonly string[];
  /** Of the last question; null = it was answered. */
  error: unknown;
  failures: number;
  timer: NodeJS.Timeout | null;
  /** Of probes that wait for the first answer. */
  readonly waiting: Set<() => void>;
}

/** Changes nothing. */
const UNSAID: Family = { addresses: [], error: new Error('not asked') };

export class Names {
  readonly #options: NamesOptions;
  readonly #dns: Dns;
  readonly #names = new Map<string, Name>();
  #servers = '';
  #isClosed = false;

  constructor(options: NamesOptions) {
    this.#options = options;
    this.#dns = options.dns ?? new Dns(options.clock);
  }

  /** Name servers, [] = the system's. What they were asked before is asked of the new ones. */
  use(servers: readonly string[]): void {
    if (servers.join() === this.#servers) return;
    this.#servers = servers.join();
    this.#dns.use(servers);
    for (const name of this.#names.values()) if (name.timer !== null) this.#askIn(name, 0);
  }

  /** Asks for these, from now on, and forgets all others. Addresses among them are let be. */
  keep(hosts: ReadonlySet<string>): void {
    for (const [host, name] of this.#names) {
      if (hosts.has(host)) continue;
      this.#forget(name);
      this.#options.onChange?.(host, null);
    }
    for (const host of hosts) if (host !== '' && isIP(host) === 0) this.#nameOf(host);
  }

  /** All that have addresses, for the process that takes over. */
  known(): Record<string, readonly string[]> {
    const heard = [...this.#names.values()].filter(({ addresses }) => addresses !== null && addresses.length > 0);
    return Object.fromEntries(heard.map(({ host, addresses }) => [host, addresses!]));
  }

  /** Goes on with what another process knew of names that are kept here, until they are answered. */
  recall(known: Readonly<Record<string, unknown>>): void {
    for (const [host, given] of Object.entries(known)) {
      const name = this.#names.get(host);
      if (name === undefined || name.addresses !== null || !isAddressList(given)) continue;
      name.four = given.filter((address) => isIP(address) === 4);
      name.six = given.filter((address) => isIP(address) === 6);
      this.#tell(name, [...name.four, ...name.six]);
    }
  }

  /** Whether the address is one of the host's, as far as is known. */
  isAt(host: string, address: string): boolean {
    return isIP(host) !== 0 || this.#names.get(host)?.addresses?.includes(address) === true;
  }

  /** Waits for the first answer only. Rejects with ProbeFailure, or with Ended when stopped. */
  async resolve(host: string, limit: Limit): Promise<Resolved> {
    if (isIP(host) !== 0) return { addresses: [host], dnsMs: null };
    const name = this.#nameOf(host);
    const startMs = this.#options.clock();
    const hadToWait = name.addresses === null;
    if (hadToWait) await this.#firstAnswer(name, limit);
    const addresses = name.addresses ?? [];
    if (addresses.length === 0) throw codedFailure('dns', name.error);
    return { addresses, dnsMs: hadToWait ? this.#options.clock() - startMs : null };
  }

  close(): void {
    this.#isClosed = true;
    for (const name of this.#names.values()) this.#forget(name);
    this.#dns.close();
  }

  async #firstAnswer(name: Name, limit: Limit): Promise<void> {
    try {
      await limit.run<void>((settle) => {
        const heard = () => settle(null);
        name.waiting.add(heard);
        return () => name.waiting.delete(heard);
      });
    } catch (error) {
      throw error instanceof Ended && error.why === 'timeout' ? timeoutFailure('dns', limit.timeoutMs) : error;
    }
  }

  #nameOf(host: string): Name {
    const known = this.#names.get(host);
    if (known !== undefined) return known;
    const name: Name = {
      host,
      addresses: null,
      four: [],
      six: [],
      error: null,
      failures: 0,
      timer: null,
      waiting: new Set(),
    };
    this.#names.set(host, name);
    void this.#ask(name);
    return name;
  }

  #forget(name: Name): void {
    this.#names.delete(name.host);
    if (name.timer !== null) clearTimeout(name.timer);
    name.timer = null;
    for (const heard of name.waiting) heard();
  }

  #askIn(name: Name, ms: number): void {
    if (name.timer !== null) clearTimeout(name.timer);
    name.timer = setTimeout(() => {
      name.timer = null;
      void this.#ask(name);
    }, ms);
    name.timer.unref();
  }

  #isCurrent(name: Name): boolean {
    return !this.#isClosed && this.#names.get(name.host) === name;
  }

  /** Never rejects. */
  async #ask(name: Name): Promise<void> {
    const servers = this.#servers;
    const answer = await this.#dns.ask(name.host);
    if (!this.#isCurrent(name)) return;
    // Cut short by other servers taking over: says nothing.
    if (servers !== this.#servers) return this.#askIn(name, 0);
    this.#options.onAsked?.(resultOf(answer));
    if (answer.four.error !== null && answer.six.error !== null) this.#failed(name, answer.four.error);
    else if (answer.four.addresses.length + answer.six.addresses.length === 0) this.#failed(name, noAddress(name.host));
    else this.#learn(name, answer);
  }

  #learn(name: Name, answer: DnsAnswer): void {
    if (name.failures > 0)
      this.#options.events?.emit('info', 'dns.back', `${name.host} is resolved again`, { host: name.host });
    name.error = null;
    name.failures = 0;
    this.#take(name, answer.four, answer.six);
    void answer.late?.then((six) => {
      // Only what came late: a newer answer may have been given for the rest meanwhile.
      if (this.#isCurrent(name)) this.#take(name, UNSAID, six);
    });
    this.#askIn(name, answer.ttlMs);
  }

  #take(name: Name, four: Family, six: Family): void {
    if (four.error === null) name.four = four.addresses;
    if (six.error === null) name.six = six.addresses;
    this.#tell(name, [...name.four, ...name.six]);
  }

  #failed(name: Name, error: unknown): void {
    name.error = error;
    name.failures++;
    const delayMs = Math.min(RETRY_CAP_MS, RETRY_FIRST_MS * 2 ** (name.failures - 1));
    const jitter = 1 + RETRY_JITTER_RATIO * (this.#options.random ?? Math.random)();
    this.#askIn(name, Math.min(RETRY_CAP_MS, delayMs * jitter));
    if (name.failures === 1) this.#complain(name, error);
    this.#tell(name, name.addresses ?? []);
  }

  #complain({ host, addresses }: Name, error: unknown): void {
    const code = (error as NodeJS.ErrnoException | null)?.code ?? String(error);
    const rest = addresses === null || addresses.length === 0 ? 'it has no address' : 'the last known addresses stay';
    this.#options.events?.emit('warn', 'dns.failed', `${host} is not resolved (${code}): ${rest}`, { host, code });
  }

  #tell(name: Name, addresses: readonly string[]): void {
    const before = name.addresses;
    name.addresses = addresses;
    for (const heard of name.waiting) heard();
    name.waiting.clear();
    if (before !== null && before.join() === addresses.join()) return;
    if (before !== null && before.length > 0) {
      const { host } = name;
      const message = `${host} is now at ${addresses.join(', ')}`;
      this.#options.events?.emit('info', 'dns.changed', message, { host, before, addresses });
    }
    this.#options.onChange?.(name.host, addresses);
  }
}

/** Names of the endpoints of these Snapshots. */
export function hostsOf(...snapshots: readonly Snapshot[]): ReadonlySet<string> {
  return new Set(snapshots.flatMap(({ endpoints }) => endpoints.map(({ host }) => host)));
}

function isAddressList(given: unknown): given is readonly string[] {
  return Array.isArray(given) && given.length > 0 && given.every((one) => typeof one === 'string' && isIP(one) !== 0);
}

function noAddress(host: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${host} has no address`), { code: 'ENODATA' });
}

function resultOf({ four, six }: DnsAnswer): DnsResult {
  if (four.addresses.length + six.addresses.length > 0) return 'ok';
  const code = (four.error as NodeJS.ErrnoException | null)?.code;
  if (four.error === null || code === 'ENOTFOUND') return 'no_such_name';
  return code === 'ETIMEOUT' ? 'timeout' : 'failed';
}
