// The rig's clients: requests at a constant rate over kept connections, each in the name of an address somewhere in the world
// (X-Forwarded-For, which the rig's proxy believes) and for a host that goes with it. Orders come as messages; it counts what
// was answered. Ends with its parent.

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Weight, host, country's share by addresses out of large consumer networks. */
export interface ClientPlan {
  readonly address: string;
  readonly weight: number;
  readonly host: string;
}

export interface ClientsOrder {
  readonly port: number;
  /** Requests per second; 0 = rest. */
  readonly rate: number;
  readonly connections: number;
  readonly clients: readonly ClientPlan[];
}

export interface ClientsCount {
  readonly answered: number;
  readonly failed: number;
}

/** Requests that are due are sent together this often. */
const TURN_MS = 2;

let requests: readonly Buffer[] = [];
let rate = 0;
let answered = 0;
let failed = 0;
const free: Socket[] = [];
let due = 0;

function take(order: ClientsOrder): void {
  rate = order.rate;
  const total = order.clients.reduce((sum, { weight }) => sum + weight, 0);
  requests = order.clients.flatMap(({ address, weight, host }) => {
    const bytes = Buffer.from(`GET /items/7 HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: ${address}\r\n\r\n`);
    return Array.from({ length: Math.max(1, Math.round((200 * weight) / total)) }, () => bytes);
  });
  for (let i = 0; i < order.connections; i++) open(order.port);
  void run();
}

function open(port: number): void {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let missing = 0;
  let head = '';
  socket.on('connect', () => free.push(socket));
  socket.on('data', (bytes: Buffer) => {
    if (missing > 0) {
      missing -= bytes.length;
    } else {
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (head.startsWith('HTTP/1.1 2')) answered++;
      else failed++;
      missing = end + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) - head.length;
      head = '';
    }
    if (missing <= 0) free.push(socket);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    const at = free.indexOf(socket);
    if (at >= 0) free.splice(at, 1);
    setTimeout(() => open(port), 50);
  });
}

/** An open loop, but for connections: what none is free for is dropped, so that a stall is no flood afterwards. */
async function run(): Promise<void> {
  let lastMs = performance.now();
  for (;;) {
    await sleep(TURN_MS);
    const nowMs = performance.now();
    due = Math.min(due + (rate * (nowMs - lastMs)) / 1000, rate);
    lastMs = nowMs;
    for (; due >= 1; due--) {
      const socket = free.shift();
      if (socket === undefined) break;
      socket.write(requests[Math.floor(Math.random() * requests.length)]!);
    }
  }
}

process.on('message', (order: ClientsOrder | 'count' | { readonly rate: number }) => {
  if (order === 'count') process.send?.({ answered, failed } satisfies ClientsCount);
  else if ('port' in order) take(order);
  else rate = order.rate;
});
process.on('disconnect', () => process.exit(0));
