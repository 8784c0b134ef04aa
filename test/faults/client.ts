// The process of an open-loop client: requests at moments fixed in advance, whatever became of the ones before, each counted with
// its outcome and its latency from the moment it should have been sent. Raw sockets and a small reader, so that it costs
// little; a process of its own, so that the suite's work is not in the figures. Commands come over IPC.

import { connect, type Socket } from 'node:net';
import { ChunkedBody, fieldOf, framingOf, headLength, type Message, parseHead } from '../support/message.ts';
import { monotonicMs } from './behaviour.ts';
import { type LoadPlan, OUTCOMES, type Records } from './load.ts';

const TURN_MS = 1;

class Request {
  readonly index: number;
  readonly method: string;
  readonly dueMs: number;
  isDone = false;

  constructor(index: number, method: string, dueMs: number) {
    this.index = index;
    this.method = method;
    this.dueMs = dueMs;
  }
}

let plan: LoadPlan;
let startMs = 0;
let next = 0;
let isOver = false;
let turn: NodeJS.Timeout | undefined;
const atMs: number[] = [];
const latencyMs: number[] = [];
const outcome: number[] = [];
const method: number[] = [];
const by: number[] = [];
const endpoints: string[] = [];
const waiting = new Set<Request>();
/** The last used is used next. */
const free: Connection[] = [];
const all = new Set<Connection>();
/** Requests that wait for a connection, where these are numbered. */
const queue: Request[] = [];

process.on('disconnect', () => process.exit(0));
process.on('message', (message: { id: number; do: string; plan: LoadPlan }) => {
  const answer = (value: unknown) => process.send?.({ id: message.id, answer: value });
  if (message.do === 'start') {
    plan = message.plan;
    void start().then(answer);
  } else void end().then(answer);
});

/** Gives the moment of the first request. */
async function start(): Promise<number> {
  const ready = Array.from({ length: plan.connections }, () => new Connection());
  await Promise.all(ready.map((connection) => connection.connected));
  free.push(...ready);
  startMs = monotonicMs() + TURN_MS;
  turn = setInterval(send, TURN_MS);
  return startMs;
}

function send(): void {
  const nowMs = monotonicMs();
  for (let dueMs = dueOf(next); dueMs <= nowMs; dueMs = dueOf(next)) {
    const index = next++;
    const verb = index % plan.methods.length;
    const request = new Request(index, plan.methods[verb]!, dueMs);
    atMs[index] = dueMs;
    method[index] = verb;
    waiting.add(request);
    const isFresh = (index * plan.freshShare) % 1 < plan.freshShare && plan.freshShare > 0;
    const connection = isFresh ? undefined : takeFree();
    if (connection === undefined && plan.connections > 0) queue.push(request);
    else (connection ?? new Connection()).begin(request, isFresh);
  }
  for (const request of waiting) {
    if (nowMs - request.dueMs < plan.timeoutMs) break; // in order of their moments
    settle(request, OUTCOMES.timeout);
  }
}

function dueOf(index: number): number {
  return startMs + (index * 1000) / plan.rate;
}

function takeFree(): Connection | undefined {
  for (;;) {
    const connection = free.pop();
    if (connection === undefined || !connection.isClosed) return connection;
  }
}

function settle(request: Request, how: number, endpoint: string | null = null): void {
  if (request.isDone) return;
  request.isDone = true;
  waiting.delete(request);
  latencyMs[request.index] = monotonicMs() - request.dueMs;
  outcome[request.index] = how;
  let at = endpoint === null ? -1 : endpoints.indexOf(endpoint);
  if (endpoint !== null && at < 0) at = endpoints.push(endpoint) - 1;
  by[request.index] = at;
}

/** No more requests; resolves when every one has its outcome. */
async function end(): Promise<Records> {
  isOver = true;
  const sent = next;
  clearInterval(turn);
  while (waiting.size > 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const nowMs = monotonicMs();
    for (const request of waiting) if (nowMs - request.dueMs >= plan.timeoutMs) settle(request, OUTCOMES.timeout);
  }
  for (const connection of all) connection.destroy();
  const numbers = (values: number[]) => Float64Array.from({ length: sent }, (_, i) => values[i]!);
  return {
    atMs: numbers(atMs),
    latencyMs: numbers(latencyMs),
    outcome: numbers(outcome),
    method: numbers(method),
    by: numbers(by),
    methods: plan.methods,
    endpoints,
  };
}

class Connection {
  isClosed = false;
  /** Or closed before that. */
  readonly connected: Promise<void>;
  readonly #socket: Socket;
  #request: Request | null = null;
  #pending: Buffer = Buffer.alloc(0);
  #head: Message | null = null;
  #left = 0;
  #chunked: ChunkedBody | null = null;
  #isLast = false;
  #isConnected = false;

  constructor() {
    all.add(this);
    this.#socket = connect({ port: plan.port, host: '127.0.0.1', noDelay: true });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.connected = promise;
    this.#socket.on('connect', () => {
      this.#isConnected = true;
      resolve();
    });
    this.#socket.on('close', resolve);
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#socket.on('error', () => this.#close());
    this.#socket.on('end', () => this.#close());
    this.#socket.on('close', () => this.#close());
  }

  begin(request: Request, isLast: boolean): void {
    this.#request = request;
    this.#isLast = isLast;
    const body = request.method === 'POST' || request.method === 'PUT' ? plan.body : '';
    const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
    const close = isLast ? 'Connection: close\r\n' : '';
    this.#socket.write(
      `${request.method} ${plan.path} HTTP/1.1\r\nHost: ${plan.host}\r\n${length}${close}${plan.fields}\r\n${body}`,
      'latin1',
    );
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    try {
      while (this.#head === null ? this.#takeHead() : this.#takeBody(this.#head)) {}
    } catch {
      this.#fail(OUTCOMES.broken);
    }
  }

  #takeHead(): boolean {
    const length = headLength(this.#pending);
    if (length < 0 || this.#request === null) return false;
    const head = parseHead(this.#pending.toString('latin1', 0, length));
    this.#pending = this.#pending.subarray(length);
    if (head.start.startsWith('HTTP/1.1 1')) return true;
    const framing = framingOf(head);
    const hasBody = this.#request.method !== 'HEAD';
    this.#head = head;
    this.#left = hasBody && framing.kind === 'length' ? framing.length : 0;
    this.#chunked = hasBody && framing.kind === 'chunked' ? new ChunkedBody(() => {}) : null;
    return true;
  }

  #takeBody(head: Message): boolean {
    if (this.#chunked !== null) {
      this.#pending = this.#pending.subarray(this.#chunked.take(this.#pending));
      if (!this.#chunked.isDone) return false;
    } else {
      const taken = Math.min(this.#left, this.#pending.length);
      this.#left -= taken;
      this.#pending = this.#pending.subarray(taken);
      if (this.#left > 0) return false;
    }
    const request = this.#request!;
    this.#head = null;
    this.#request = null;
    settle(request, Number(head.start.slice(9, 12)), fieldOf(head, 'x-fermat-endpoint'));
    if (this.#isLast || isOver || fieldOf(head, 'connection') === 'close') this.#fail(OUTCOMES.reset);
    else {
      const next = queue.shift();
      if (next === undefined) free.push(this);
      else this.begin(next, false);
    }
    return false;
  }

  #close(): void {
    this.#fail(!this.#isConnected ? OUTCOMES.refused : this.#head === null ? OUTCOMES.reset : OUTCOMES.truncated);
  }

  /** The connection is over; a request that was on it has had this outcome. */
  #fail(how: number): void {
    if (this.isClosed) return;
    this.isClosed = true;
    all.delete(this);
    this.#socket.destroy();
    if (this.#request !== null) settle(this.#request, how);
    this.#request = null;
  }
}
