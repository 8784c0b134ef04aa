// What travels between threads must survive the trip: plain data is cloned, the board's buffers are shared.

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { newCensus } from '../../src/core/census.ts';
import { newLane } from '../../src/core/lane.ts';
import type { FromWorker, ToWorker, WorkerBirth } from '../../src/core/messages.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';

function throughChannel<T>(value: T): T {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(value);
  const received = receiveMessageOnPort(port2) as { message: T };
  port1.close();
  return received.message;
}

const snapshot = snapshotOf(
  [endpointSpec(0, { id: 'a', region: 'aws:eu-central-1' })],
  [poolSpec('shop', [0], 0)],
  2,
  7,
);

it('a birth arrives whole, over the same lane, census, table and database bytes', () => {
  const bytes = new SharedArrayBuffer(8);
  const birth: WorkerBirth = {
    lane: 1,
    laneBuffer: newLane(),
    census: newCensus(2),
    rateLimits: new SharedArrayBuffer(8),
    snapshot,
    geo: [{ path: '/x.mmdb', bytes }],
    localities: {},
    addresses: { 'a.test': ['10.0.0.1'] },
    tickets: { https: new Uint8Array(48).fill(7) },
    loopId: 'loop',
    ports: { http: 8080 },
    inherited: [{ name: 'http', place: '|8080', port: 8080, fd: 4 }],
    connectionCap: 100,
  };
  const twin = throughChannel(birth);
  expect({ ...twin, snapshot: 0, laneBuffer: 0, census: 0, rateLimits: 0, geo: 0 }).toEqual({
    ...birth,
    snapshot: 0,
    laneBuffer: 0,
    census: 0,
    rateLimits: 0,
    geo: 0,
  });
  expect({ ...twin.snapshot, table: 0 }).toEqual({ ...snapshot, table: 0 });
  const pairs: [SharedArrayBuffer, SharedArrayBuffer][] = [
    [twin.laneBuffer, birth.laneBuffer],
    [twin.census, birth.census],
    [twin.snapshot.table, snapshot.table],
    [twin.geo[0]!.bytes, bytes],
  ];
  for (const [theirs, ours] of pairs) {
    new Uint8Array(theirs)[5] = 42;
    expect(new Uint8Array(ours)[5]).toBe(42);
  }
});

it.each<ToWorker | FromWorker>([
  { type: 'drain', delayMs: 5000, timeoutMs: 30_000, isHandedOver: false },
  { type: 'sockets', sockets: [{ name: 'http', place: '|8080', port: 8080, fd: 4 }] },
  { type: 'installed', version: 3, ports: { http: 1 } },
  { type: 'refused', version: 3, listener: 'http', code: 'EADDRINUSE', message: 'in use' },
  { type: 'quiet', version: 3 },
  { type: 'unproxied', listener: 'http', address: '192.0.2.1', why: 'untrusted' },
  { type: 'drained' },
])('$type arrives as it was sent', (message) => {
  expect(throughChannel(message)).toEqual(message);
});
