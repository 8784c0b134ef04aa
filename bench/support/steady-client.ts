// The generator of steady.ts: an open loop over keep-alive connections. Request i is due at start + i / rate whatever became
// of those before it; when no connection is free it waits, and its clock runs. It sleeps between requests instead of spinning,
// since the origin lives on the same core. One option: SteadyOptions as JSON. Prints a SteadyResult.

import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { machineMs, type Span } from './clock.ts';
import type { SteadyOptions, SteadyResult } from './steady.ts';

/** Longest sleep while answers may come in: what it adds to a latency, direct and proxied alike. */
const NAP_MS = 0.04;
/** How exactly the kernel wakes us; 50 µs if not asked. */
const TIMER_SLACK_NS = 1000;
const GIVE_UP_MS = 5000;
/** Latencies up to this are told apart to the microsecond. */
const LONGEST_US = 4_000_000;
const LEAST_SILENCE_MS = 2;
const READ_BYTES = 65_536;

const options: Omit<SteadyOptions, 'core'> = JSON.parse(process.argv[2]!);
const { rate, connections } = options;
const total = Math.ceil(rate * (options.warmUpS + options.seconds));
const firstCounted = Math.ceil(rate * options.warmUpS);
const request = Buffer.from(`GET ${options.path} HTTP/1.1\r\nHost: localhost:${options.port}\r\n\r\n`);

const latencies = new Uint32Array(LONGEST_US);
const lateness = new Uint32Array(LONGEST_US);
const silences: Span[] = [];
const never = new Int32Array(new SharedArrayBuffer(4));

class Connection {
  socket: Socket | null = null;
  /** Of the request under way; -1 = none. */
  index = -1;
  receivedBytes = 0;
  /** Of the whole answer; 0 until its head is in. */
  answerBytes = 0;
}

/** Whoever may send, in order: the longest idle first, so that all are used alike. */
const free: Connection[] = [];
let freeAt = 0;
let [next, answered, counted, failed, maxUs] = [0, 0, 0, 0, 0];
let startMs = 0;
let lastAnswerMs = 0;

try {
  writeFileSync('/proc/self/timerslack_ns', String(TIMER_SLACK_NS));
} catch {
  // Naps last some 50 µs longer then.
}
free.push(...(await Promise.all(Array.from({ length: connections }, open))));
startMs = machineMs() + 1;
lastAnswerMs = startMs;
turn();

function dueMs(index: number): number {
  return startMs + (index * 1000) / rate;
}

function turn(): void {
  const nowMs = machineMs();
  while (next < total && dueMs(next) <= nowMs && freeAt < free.length) send(free[freeAt++]!, next++, nowMs);
  if (freeAt > 1024) {
    free.splice(0, freeAt);
    freeAt = 0;
  }
  if (answered + failed === total || nowMs > dueMs(total) + GIVE_UP_MS) return end();
  const napMs = Math.min(NAP_MS, next < total ? dueMs(next) - nowMs : NAP_MS);
  if (napMs > 0) Atomics.wait(never, 0, 0, napMs);
  setImmediate(turn);
}

function send(connection: Connection, index: number, nowMs: number): void {
  // Nobody waited until now: silence begins with the first who does.
  if (next - 1 === answered + failed) lastAnswerMs = nowMs;
  if (index >= firstCounted) lateness[binOf(nowMs - dueMs(index))]!++;
  connection.index = index;
  connection.receivedBytes = 0;
  connection.answerBytes = 0;
  connection.socket!.write(request);
}

function take(connection: Connection, length: number, bytes: Buffer): void {
  if (connection.index < 0) return fail('an answer that nobody asked for');
  connection.receivedBytes += length;
  if (connection.answerBytes === 0) connection.answerBytes = answerBytesOf(bytes.subarray(0, length));
  if (connection.receivedBytes < connection.answerBytes) return;
  const nowMs = machineMs();
  if (connection.index >= firstCounted) {
    const latencyMs = nowMs - dueMs(connection.index);
    latencies[binOf(latencyMs)]!++;
    maxUs = Math.max(maxUs, latencyMs * 1000);
    counted++;
    if (nowMs - lastAnswerMs > LEAST_SILENCE_MS) silences.push([lastAnswerMs, nowMs]);
  }
  lastAnswerMs = nowMs;
  answered++;
  connection.index = -1;
  free.push(connection);
}

/** Head and body. The head comes in one piece, or this is not the small answer that it should be. */
function answerBytesOf(bytes: Buffer): number {
  const headEnd = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, Math.max(0, headEnd));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (!head.startsWith('HTTP/1.1 200 ') || length === null) fail(`unexpected answer:\n${bytes.toString('latin1')}`);
  return headEnd + 4 + Number(length![1]);
}

function open(): Promise<Connection> {
  return new Promise((resolve) => {
    const connection = new Connection();
    const onread = {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (length: number, bytes: Uint8Array) => {
        take(connection, length, bytes as Buffer);
        return true;
      },
    };
    const socket = connect({ host: '127.0.0.1', port: options.port, onread, noDelay: true });
    connection.socket = socket;
    socket.once('connect', () => resolve(connection));
    socket.on('error', (error) => lost(connection, error.message));
    socket.on('close', () => lost(connection, 'closed'));
  });
}

/** Before the start that is the end; later a request is lost, and a new connection takes over. */
function lost(connection: Connection, why: string): void {
  if (startMs === 0) fail(why);
  if (connection.socket === null) return;
  connection.socket = null;
  if (connection.index >= 0) failed++;
  const at = free.indexOf(connection, freeAt);
  if (at >= 0) free.splice(at, 1);
  void open().then((fresh) => free.push(fresh));
}

function binOf(latencyMs: number): number {
  return Math.min(LONGEST_US - 1, Math.max(0, Math.round(latencyMs * 1000)));
}

function quantileUs(bins: Uint32Array, quantile: number): number {
  const all = bins.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let us = 0; us < bins.length; us++) {
    seen += bins[us]!;
    if (seen > 0 && seen >= quantile * all) return us;
  }
  return Number.NaN;
}

function end(): void {
  const result: SteadyResult = {
    requests: counted,
    errors: total - answered,
    p50Us: quantileUs(latencies, 0.5),
    p99Us: quantileUs(latencies, 0.99),
    p999Us: quantileUs(latencies, 0.999),
    maxUs: Math.round(maxUs),
    sentLateP50Us: quantileUs(lateness, 0.5),
    sentLateP99Us: quantileUs(lateness, 0.99),
    silences,
  };
  console.log(JSON.stringify(result));
  process.exit(0);
}

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}
