// Real worker threads under the supervisor: start, publish, refusals, death, drain.

import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nowMs } from '../../src/clock.ts';
import { createEventLog } from '../../src/control/events.ts';
import { ListenError, Supervisor } from '../../src/control/supervisor.ts';
import { CELL } from '../../src/core/cells.ts';
import type { LaneReader } from '../../src/core/lane-reader.ts';
import type { ListenerSpec, RouteSpec, Snapshot } from '../../src/core/snapshot.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';
import { until } from '../support/until.ts';

const ROUTE: RouteSpec = {
  uid: 0,
  name: 'version',
  host: null,
  path: '/',
  exact: false,
  listener: null,
  pool: -1,
  row: 0,
  mode: 'forward',
  residency: [],
  respond: null,
  stripPrefix: false,
  hostHeader: { kind: 'preserve' },
  requestHeaders: { set: [], remove: [] },
  responseHeaders: { set: [], remove: [] },
  serverTiming: false,
  priority: 'normal',
  compress: [],
  rateLimits: [],
  locality: null,
};
const listener = (name: string, port = 0): ListenerSpec => ({
  uid: 0,
  name,
  host: '127.0.0.1',
  port,
  path: null,
  proxyProtocol: 'off' as const,
  tls: null,
});

/** Answers every request with its version. */
function snapshot(version: number, listeners: readonly ListenerSpec[] = [listener('http')]): Snapshot {
  const bare = snapshotOf([endpointSpec(0, { id: 'a' })], [poolSpec('p', [0], 0)], 2, version);
  return { ...bare, listeners, routes: [{ ...ROUTE, respond: { status: 200, body: `v${version}`, location: null } }] };
}

let taken: Server;
let takenPort: number;
beforeAll(async () => {
  process.env.FERMAT_TEST_CRASH_PATH = '/__crash';
  taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  takenPort = (taken.address() as { port: number }).port;
});
afterAll(() => {
  delete process.env.FERMAT_TEST_CRASH_PATH;
  taken.close();
});

interface Seen {
  readonly lost: LaneReader[];
  readonly quiet: number[];
  restarts: number;
}

function newSupervisor(lanes = 2): { supervisor: Supervisor; seen: Seen; types: () => string[] } {
  const events = createEventLog({ level: 'silent' });
  const seen: Seen = { lost: [], quiet: [], restarts: 0 };
  const supervisor = new Supervisor({
    lanes,
    clock: nowMs,
    events,
    loopId: 'loop',
    connectionCap: 0,
    onLaneLost: (reader) => void seen.lost.push(reader),
    onRestart: () => void seen.restarts++,
    onQuiet: (version) => void seen.quiet.push(version),
  });
  return { supervisor, seen, types: () => events.recent().map(({ type }) => type) };
}

const answers = async (port: number): Promise<Set<string>> =>
  new Set(await Promise.all(Array.from({ length: 16 }, async () => (await exchange(port, get())).text)));

function requestsOf(reader: LaneReader): number {
  let sum = 0;
  reader.eachCell((kind, _a, _b, _c, values, at) => {
    if (kind === CELL.REQUESTS) sum += values[at]!;
  });
  return sum;
}

describe('workers', () => {
  it('listen on one port, take up what is published, and tell when nothing old is left', async () => {
    const { supervisor, seen } = newSupervisor();
    await supervisor.start(snapshot(1), []);
    const port = supervisor.ports.http!;
    expect(await answers(port)).toEqual(new Set(['v1']));
    await supervisor.publish(snapshot(2, [listener('http'), listener('extra')]));
    expect(supervisor.ports.http).toBe(port);
    expect(await answers(port)).toEqual(new Set(['v2']));
    expect(await answers(supervisor.ports.extra!)).toEqual(new Set(['v2']));
    await until(() => seen.quiet.includes(2), 'the quiet of the first version');
    await until(() => supervisor.lanes().every(({ reader }) => reader.heartbeat > 0), 'a sign of life of both');
    expect(supervisor.lanes().reduce((sum, { reader }) => sum + requestsOf(reader), 0)).toBe(48);
    await supervisor.drain({ delayMs: 0, timeoutMs: 200, isHandedOver: false });
    await supervisor.stop();
    await expect(rawClient(port)).rejects.toThrow('ECONNREFUSED');
    expect(seen.restarts).toBe(0);
  });

  it('that cannot listen at the start are an error that names the listener, and none is left', async () => {
    const { supervisor, seen } = newSupervisor();
    const failed = await supervisor
      .start(snapshot(1, [listener('http', takenPort)]), [])
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ListenError);
    expect(failed).toMatchObject({ listener: 'http', code: 'EADDRINUSE' });
    expect(seen.restarts).toBe(0);
  });

  it('that cannot open a published listener go on with what they had', async () => {
    const { supervisor } = newSupervisor();
    await supervisor.start(snapshot(1), []);
    const port = supervisor.ports.http!;
    const failed = await supervisor
      .publish(snapshot(2, [listener('http'), listener('taken', takenPort)]))
      .catch((error: unknown) => error);
    expect(failed).toMatchObject({ listener: 'taken', code: 'EADDRINUSE' });
    const after = await answers(port);
    await supervisor.publish(snapshot(3));
    expect(await answers(port)).toEqual(new Set(['v3']));
    await supervisor.stop();
    expect(after).toEqual(new Set(['v1']));
  });

  // A failed hot restart let them all start at once, as often as they died.
  it('that die while their sockets are held wait for as long as ever before they are replaced', async () => {
    const { supervisor, seen } = newSupervisor(1);
    await supervisor.start(snapshot(1), []);
    const port = supervisor.ports.http!;
    const crash = async (): Promise<void> => {
      using client = await rawClient(port);
      await client.send(get('/__crash'));
      await client.closed();
    };
    await crash();
    await until(() => exchange(port, get()).catch(() => null), 'the second worker');
    await supervisor.hold();
    await crash();
    await until(() => seen.restarts === 2, 'its death');
    const diedMs = nowMs();
    supervisor.release();
    await until(() => exchange(port, get()).catch(() => null), 'the third worker');
    expect(nowMs() - diedMs).toBeGreaterThan(800);
    await supervisor.stop();
  });

  it('that die are replaced, with an empty lane; the old one is handed over before', async () => {
    const { supervisor, seen, types } = newSupervisor();
    await supervisor.start(snapshot(1), []);
    const port = supervisor.ports.http!;
    await answers(port);
    const before = supervisor.lanes().map(({ reader }) => reader);
    using crash = await rawClient(port);
    await crash.send(get('/__crash'));
    await until(() => seen.restarts === 1, 'the restart');
    expect(seen.lost).toHaveLength(1);
    expect(before).toContain(seen.lost[0]);
    expect(supervisor.lanes().map(({ reader }) => reader)).not.toContain(seen.lost[0]);
    expect(types()).toEqual(expect.arrayContaining(['worker.error', 'worker.exit']));
    await until(() => supervisor.lanes().every(({ reader }) => reader.heartbeat > 0), 'the successor');
    expect(await answers(port)).toEqual(new Set(['v1']));
    await supervisor.stop();
  });
});
