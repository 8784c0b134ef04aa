// Connections that wait for their turn, on real sockets, and a wheel that is turned by hand.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newLane } from '../../src/core/lane.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import { Plane } from '../../src/data/plane.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';
import { until } from '../support/until.ts';

const WAIT_MS = 1000;

let server: Server;
let plane: Plane;
const accepted: Socket[] = [];
const clients: Socket[] = [];

beforeEach(async () => {
  plane = new Plane({
    lane: 0,
    writer: new LaneWriter(newLane()),
    clock: () => performance.now(),
    random: Math.random,
    loopId: 'x',
    snapshot: snapshotOf([endpointSpec(0, { id: 'a' })], [poolSpec('p', [0], 0)]),
    wrapRouter: (router) => router,
    onQuiet: () => {},
  });
  server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => accepted.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  plane.destroy();
  for (const socket of [...accepted.splice(0), ...clients.splice(0)]) socket.destroy();
  server.close();
});

/** A connection of `address` at the porch, and what has been told of it. */
async function wait(address: string): Promise<string[]> {
  const before = accepted.length;
  clients.push(connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {}));
  await until(() => accepted.length > before, 'the connection');
  const told: string[] = [];
  const tell = (what: string) => () => void told.push(what);
  plane.porch.keep(plane, accepted[before]!, address, WAIT_MS, tell('enter'), tell('closed'));
  return told;
}

it('who waits is let in when it is his turn, once', async () => {
  const told = await wait('192.0.2.1');
  expect([plane.connectionCount, told]).toEqual([1, []]);
  plane.wheel.advance(performance.now() + 2 * WAIT_MS);
  plane.wheel.advance(performance.now() + 4 * WAIT_MS);
  expect([plane.connectionCount, told]).toEqual([0, ['enter']]);
});

it('whose turn comes when he has just been closed is not let in', async () => {
  const told = await wait('192.0.2.1');
  plane.closeIdle();
  plane.wheel.advance(performance.now() + 2 * WAIT_MS);
  expect(told).toEqual([]);
  await until(() => told.length > 0, 'the close');
  expect([plane.connectionCount, told]).toEqual([0, ['closed']]);
});

it('a household that has many addresses is one client', async () => {
  const all = [];
  for (let i = 0; i < 12; i++) all.push(await wait(`2001:db8:0:1::${i.toString(16)}`));
  expect(all.filter((told) => told.includes('closed'))).toHaveLength(4);
  expect(await wait('2001:db8:0:2::1')).toEqual([]);
});
