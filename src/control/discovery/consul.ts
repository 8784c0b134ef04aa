// Endpoints from Consul's catalogue: blocking queries on the health of a service, each of which waits until something changes.
// What the index means is Consul's (https://developer.hashicorp.com/consul/api-docs/features/blocking): when it goes back, the
// servers were replaced, and one begins anew.

import { Agent, request } from 'undici';
import { Backoff, pause, wordsOf } from './backoff.ts';
import type { Entry, Sink, Source, SourceTools } from './source.ts';
import type { ConsulSpec } from './spec.ts';

/** Consul adds up to a sixteenth of it by chance. */
const WAIT_S = 55;
const BLOCKED_MS = Math.ceil(WAIT_S + WAIT_S / 16 + 10) * 1000;
const ANSWER_MS = 10_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** A catalogue that changes all the time is not asked without a breath. */
const LEAST_GAP_MS = 100;
/** Keys of the metadata that are for us; the rest become labels. */
const OURS = /^fermat-(id|region|weight|capacity|egress)$/;

export class ConsulSource implements Source {
  readonly #spec: ConsulSpec;
  readonly #sink: Sink;
  readonly #backoff: Backoff;
  readonly #stopped = new AbortController();
  readonly #agent = new Agent({ bodyTimeout: 30_000, connections: 1, pipelining: 1 });
  #running: Promise<void> = Promise.resolve();

  constructor(spec: ConsulSpec, sink: Sink, { random }: SourceTools) {
    this.#spec = spec;
    this.#sink = sink;
    this.#backoff = new Backoff(random);
  }

  start(): void {
    this.#running = this.#run(this.#stopped.signal);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    await this.#agent.destroy();
  }

  /** Never rejects. */
  async #run(signal: AbortSignal): Promise<void> {
    let index = 0;
    while (!signal.aborted) {
      try {
        const { index: next, instances } = await this.#ask(index, signal);
        if (signal.aborted) return;
        this.#backoff.reset();
        // 0 would not wait, and a smaller one is of other servers than those that gave the last.
        const isReset = next < index;
        if (isReset || next !== index || index === 0) this.#sink.found(entriesOf(instances, this.#spec));
        index = isReset ? 0 : Math.max(1, next);
        await pause(LEAST_GAP_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#sink.failed(`${this.#spec.address} does not answer (${wordsOf(error)})`);
        index = 0;
        await pause(this.#backoff.next(), signal);
      }
    }
  }

  async #ask(index: number, signal: AbortSignal): Promise<{ index: number; instances: readonly unknown[] }> {
    const { token } = this.#spec;
    const answer = await request(this.#urlOf(index), {
      dispatcher: this.#agent,
      signal,
      headersTimeout: index === 0 ? ANSWER_MS : BLOCKED_MS,
      headers: { accept: 'application/json', ...(token === null ? {} : { 'x-consul-token': token }) },
    });
    const text = await textOf(answer.body);
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode} ${text.trim().slice(0, 100)}`.trim());
    const instances: unknown = JSON.parse(text);
    if (!Array.isArray(instances)) throw new Error('not a list of instances');
    const told = Number(answer.headers['x-consul-index']);
    if (!Number.isSafeInteger(told) || told < 0) throw new Error('no X-Consul-Index');
    return { index: told, instances };
  }

  #urlOf(index: number): URL {
    const { address, service, tag, datacenter, passing } = this.#spec;
    const url = new URL(`/v1/health/service/${encodeURIComponent(service)}`, address);
    if (passing) url.searchParams.set('passing', '1');
    if (tag !== null) url.searchParams.set('tag', tag);
    if (datacenter !== null) url.searchParams.set('dc', datacenter);
    if (index > 0) {
      url.searchParams.set('index', String(index));
      url.searchParams.set('wait', `${WAIT_S}s`);
    }
    return url;
  }
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** What we read of an instance. */
interface Instance {
  readonly Node?: {
    readonly Node?: string;
    readonly Address?: string;
    readonly Datacenter?: string;
    readonly Meta?: Meta;
  };
  readonly Service?: {
    readonly ID?: string;
    readonly Address?: string;
    readonly Port?: number;
    readonly Meta?: Meta;
    readonly Weights?: { readonly Passing?: number; readonly Warning?: number };
  };
  readonly Checks?: readonly { readonly Status?: string }[];
}

type Meta = Readonly<Record<string, string>> | null;

/** Instances that are critical, or in maintenance (which is a critical check), are not there. */
export function entriesOf(instances: readonly unknown[], { scheme, passing }: ConsulSpec): Entry[] {
  return instances.flatMap((instance): Entry[] => {
    const { Node = {}, Service = {}, Checks } = (instance ?? {}) as Instance;
    const statuses = (Checks ?? []).map(({ Status }) => Status);
    const isWarning = statuses.includes('warning');
    if (statuses.includes('critical') || (passing && isWarning)) return [];
    const host = Service.Address || Node.Address || '';
    const authority = `${host.includes(':') ? `[${host}]` : host}:${Service.Port ?? ''}`;
    const meta = { ...Node.Meta, ...Service.Meta };
    const weight = meta['fermat-weight'] ?? (isWarning ? Service.Weights?.Warning : Service.Weights?.Passing);
    const labels = Object.fromEntries(
      Object.entries(meta).filter(([key, value]) => !OURS.test(key) && typeof value === 'string'),
    );
    const { Datacenter } = Node;
    const endpoint = {
      url: `${scheme}://${authority}`,
      id: meta['fermat-id'],
      region: meta['fermat-region'],
      weight: numberOf(weight),
      capacity: numberOf(meta['fermat-capacity']),
      egressUsdPerGb: numberOf(meta['fermat-egress']),
      labels: { ...(Datacenter === undefined ? {} : { datacenter: Datacenter }), ...labels },
    };
    return [{ at: `instance ${Service.ID ?? '?'} at ${Node.Node ?? '?'}`, endpoint }];
  });
}

/** As the schema wants it; what is no number stays, to be named. */
function numberOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}
