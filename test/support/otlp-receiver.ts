// A collector as OTLP over HTTP describes it (opentelemetry-proto 1.x): a real server, JSON, gzip or not, which takes nothing that a
// strict collector would not take. What is wrong with a batch stands in `faults`, and must be empty at the end of every test.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { until } from './until.ts';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: 'server' | 'client';
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly events: readonly { readonly name: string; readonly atNs: bigint }[];
  readonly isError: boolean;
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

export interface Batch {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly spans: readonly ReceivedSpan[];
  readonly atMs: number;
}

/** What the receiver answers a batch with; `{}` by default. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Never answers. */
  readonly isSilent?: boolean;
}

const KINDS: Readonly<Record<number, ReceivedSpan['kind']>> = { 2: 'server', 3: 'client' };

export class OtlpReceiver {
  /** All that came, also what was then refused. */
  readonly batches: Batch[] = [];
  readonly faults: string[] = [];
  reply: (batch: Batch) => Reply = () => ({});
  port = 0;
  #server: Server = createServer();

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get spans(): ReceivedSpan[] {
    return this.batches.flatMap(({ spans }) => spans);
  }

  /** The spans of a trace once its SERVER span is there: that one first, then its children by their start. */
  async trace(matches: (server: ReceivedSpan) => boolean): Promise<readonly [ReceivedSpan, ...ReceivedSpan[]]> {
    const server = await until(
      () => this.spans.find((span) => span.kind === 'server' && matches(span)),
      `a SERVER span; faults: ${this.faults}`,
    );
    const children = this.spans.filter(
      (span) => span.parentSpanId === server.spanId && span.traceId === server.traceId,
    );
    return [server, ...children.sort((a, b) => Number(a.startNs - b.startNs))];
  }

  traceOf(path: string): Promise<readonly [ReceivedSpan, ...ReceivedSpan[]]> {
    return this.trace(({ attributes }) => attributes['url.path'] === path);
  }

  /** Listens; again on the same port after `close`. */
  async listen(): Promise<this> {
    this.#server = createServer((request, response) => void this.#take(request, response));
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.port, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
    return this;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    let batch: Batch;
    try {
      batch = readBatch(request, Buffer.concat(parts));
    } catch (error) {
      this.faults.push(String(error));
      response.writeHead(400).end();
      return;
    }
    this.batches.push(batch);
    const { status = 200, headers = {}, body = '{}', isSilent = false } = this.reply(batch);
    if (isSilent) return;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  }
}

export async function startReceiver(): Promise<OtlpReceiver> {
  return new OtlpReceiver().listen();
}

// ── what a strict collector looks at ───────────────────────────────────────────────────────────────────────────────────

type Tree = Readonly<Record<string, unknown>>;

function readBatch({ method, url, headers }: IncomingMessage, bytes: Buffer): Batch {
  must(method === 'POST', 'method', method);
  must(headers['content-type'] === 'application/json', 'content-type', headers['content-type']);
  const coding = headers['content-encoding'];
  must(coding === undefined || coding === 'gzip', 'content-encoding', coding);
  const text = (coding === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8');
  const root = JSON.parse(text) as Tree;
  only(root, ['resourceSpans']);
  const spans = list(root.resourceSpans).flatMap((one) => {
    only(one, ['resource', 'scopeSpans']);
    const resource = attributesOf((one.resource as Tree).attributes);
    must(typeof resource['service.name'] === 'string', 'service.name', resource['service.name']);
    return list(one.scopeSpans).flatMap((scoped) => {
      only(scoped, ['scope', 'spans']);
      must(typeof (scoped.scope as Tree).name === 'string', 'scope', scoped.scope);
      return list(scoped.spans).map((span) => readSpan(span, resource));
    });
  });
  must(spans.length > 0, 'spans', text);
  return { path: url!, headers, spans, atMs: performance.now() };
}

const SPAN_KEYS = [
  ...[
    'traceId',
    'spanId',
    'traceState',
    'parentSpanId',
    'flags',
    'name',
    'kind',
    'startTimeUnixNano',
    'endTimeUnixNano',
  ],
  ...['attributes', 'droppedAttributesCount', 'events', 'droppedEventsCount', 'links', 'droppedLinksCount', 'status'],
];

function readSpan(span: Tree, resource: ReceivedSpan['resource']): ReceivedSpan {
  only(span, SPAN_KEYS);
  const { traceId, spanId, parentSpanId = '', traceState = '', flags, name, kind, status = {} } = span;
  must(isId(traceId, 32), 'traceId', traceId);
  must(isId(spanId, 16), 'spanId', spanId);
  must(parentSpanId === '' || isId(parentSpanId, 16), 'parentSpanId', parentSpanId);
  must(typeof traceState === 'string', 'traceState', traceState);
  must(Number.isInteger(flags), 'flags', flags);
  must(typeof name === 'string' && name !== '', 'name', name);
  must(KINDS[kind as number] !== undefined, 'kind', kind);
  only(status as Tree, ['code', 'message']);
  const startNs = nanosOf(span.startTimeUnixNano);
  const endNs = nanosOf(span.endTimeUnixNano);
  must(startNs <= endNs, 'end before start', [startNs, endNs].map(String));
  const events = list(span.events ?? []).map((event) => {
    only(event, ['timeUnixNano', 'name', 'attributes']);
    return { name: event.name as string, atNs: nanosOf(event.timeUnixNano) };
  });
  events.forEach(({ name, atNs }, i) => {
    must(atNs >= startNs && atNs <= endNs, 'event outside of its span', name);
    must(i === 0 || atNs >= events[i - 1]!.atNs, 'events out of order', name);
  });
  return {
    ...{ traceId: traceId as string, spanId: spanId as string, parentSpanId: parentSpanId as string },
    ...{ traceState: traceState as string, flags: flags as number, name: name as string, kind: KINDS[kind as number]! },
    ...{ startNs, endNs, events, attributes: attributesOf(span.attributes), resource },
    isError: (status as Tree).code === 2,
  };
}

function attributesOf(value: unknown): ReceivedSpan['attributes'] {
  const out: Record<string, string | number | boolean> = {};
  for (const attribute of list(value ?? [])) {
    only(attribute, ['key', 'value']);
    const { key } = attribute;
    must(typeof key === 'string' && key !== '' && !(key in out), 'key', key);
    const [[kind, one] = ['', null], ...more] = Object.entries(attribute.value as Tree);
    must(more.length === 0, 'one value', attribute.value);
    out[key as string] = attributeOf(kind, one);
  }
  return out;
}

function attributeOf(kind: string, value: unknown): string | number | boolean {
  if (kind === 'stringValue' && typeof value === 'string' && value.isWellFormed()) return value;
  if (kind === 'boolValue' && typeof value === 'boolean') return value;
  if (kind === 'doubleValue' && typeof value === 'number') return value;
  if (kind === 'intValue' && typeof value === 'string' && /^-?\d{1,19}$/.test(value)) return Number(value);
  throw new Error(`attribute value ${kind} ${JSON.stringify(value)}`);
}

function isId(value: unknown, chars: number): boolean {
  return typeof value === 'string' && new RegExp(`^[0-9a-f]{${chars}}$`).test(value) && !/^0+$/.test(value);
}

function nanosOf(value: unknown): bigint {
  must(typeof value === 'string' && /^\d{19}$/.test(value), 'time', value);
  return BigInt(value as string);
}

function list(value: unknown): readonly Tree[] {
  must(Array.isArray(value), 'a list', value);
  return value as Tree[];
}

function only(tree: Tree, keys: readonly string[]): void {
  for (const key of Object.keys(tree)) must(keys.includes(key), 'unknown key', key);
}

function must(isSo: boolean, what: string, got: unknown): void {
  if (!isSo) throw new Error(`OTLP: ${what}: ${JSON.stringify(got)}`);
}
