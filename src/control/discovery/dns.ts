// Endpoints by name: every address of it, or every SRV record, is one. Asked through the node's own resolvers, again when the TTL
// is over. A name that does not exist is a failure and changes nothing; one without records of the type is an answer.

import { Dns } from '../ask-dns.ts';
import { Backoff, wordsOf } from './backoff.ts';
import type { Entry, Sink, Source, SourceTools } from './source.ts';
import type { DnsSpec } from './spec.ts';

const TTL_FLOOR_MS = 1000;

export class DnsSource implements Source {
  readonly #spec: DnsSpec;
  readonly #sink: Sink;
  readonly #dns: Dns;
  readonly #backoff: Backoff;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  /** `resolvers`: name servers, [] = the system's. */
  constructor(spec: DnsSpec, sink: Sink, { clock, random }: SourceTools, resolvers: readonly string[]) {
    this.#spec = spec;
    this.#sink = sink;
    this.#dns = new Dns(clock);
    this.#dns.use(resolvers);
    this.#backoff = new Backoff(random);
  }

  start(): void {
    void this.#ask();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dns.close();
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const { type, name, intervalMs } = this.#spec;
    let delayMs: number;
    try {
      const { entries, ttlMs } = type === 'SRV' ? await this.#services() : await this.#addresses();
      if (this.#isStopped) return;
      this.#backoff.reset();
      delayMs = Math.min(intervalMs, Math.max(TTL_FLOOR_MS, ttlMs));
      this.#sink.found(entries);
    } catch (error) {
      if (this.#isStopped) return;
      delayMs = this.#backoff.next();
      this.#sink.failed(`${name} is not resolved (${(error as NodeJS.ErrnoException).code ?? wordsOf(error)})`);
    }
    this.#timer = setTimeout(() => void this.#ask(), delayMs).unref();
  }

  async #addresses(): Promise<{ entries: Entry[]; ttlMs: number }> {
    const { name, type, port, scheme } = this.#spec;
    const answer = await this.#dns.ask(name);
    const { addresses, error } = type === 'A' ? answer.four : ((await answer.late) ?? answer.six);
    if (error !== null) throw error;
    const entries = addresses.map((address) => {
      const host = address.includes(':') ? `[${address}]` : address;
      return { at: address, endpoint: { url: `${scheme}://${host}:${port}` } };
    });
    return { entries, ttlMs: answer.ttlMs };
  }

  /** Targets stay names: where they are is asked like for any endpoint, and certificates are checked against them. */
  async #services(): Promise<{ entries: Entry[]; ttlMs: number }> {
    const { name, scheme, intervalMs } = this.#spec;
    const records = await this.#dns.services(name);
    const isWeighed = records.some(({ weight }) => weight > 0);
    const entries = records.map(({ name: target, port, weight, priority }) => ({
      at: `${target}:${port}`,
      endpoint: { url: `${scheme}://${target}:${port}`, weight: isWeighed ? Math.max(weight, LEAST_WEIGHT) : 1 },
      tier: priority,
    }));
    return { entries, ttlMs: intervalMs };
  }
}

/** Of a record that says 0 beside others: a very small part (RFC 2782), and to Fermat 0 would be none. */
const LEAST_WEIGHT = 0.1;
