// The live stream of a fleet on a clock of its own, and over HTTP to clients that read and to one that does not.

import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createEventLog } from '../../src/control/events.ts';
import { Live, type LiveSources } from '../../src/control/live.ts';
import { AdminRig } from '../support/admin.ts';
import { fakeApi } from '../support/control-api.ts';
import { Decided } from '../support/decided.ts';
import { until } from '../support/until.ts';
import { origin, World } from '../support/world.ts';

interface Frame {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the frame says; each test names what it looks at.
  readonly data: any;
}

const LOOK_MS = 15;
const STEP_MS = 40;

let live: Live | null = null;
afterEach(() => live?.stop());

function framesOf(text: string): Frame[] {
  return [...text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(([, event, data]) => ({
    event: event!,
    data: JSON.parse(data!),
  }));
}

/** A follower, and what it was told. */
function follow(of: Live) {
  let text = '';
  const leave = of.follow((frame) => {
    text += frame.toString();
  });
  const all = (event: string) => framesOf(text).filter((frame) => frame.event === event);
  return { leave, all, next: (event: string) => until(() => all(event)[0]?.data, event) };
}

function start(world: World, more: Partial<LiveSources> = {}) {
  const events = createEventLog({ level: 'silent' });
  const api = { ...fakeApi(), events };
  const counted = { pools: 0 };
  live = new Live({
    clock: () => world.nowMs,
    pools: () => {
      counted.pools++;
      return world.fleet.pools;
    },
    lanes: () => [],
    journal: new Decided().decisions.journal,
    sourceOf: (_, id) => (id === 'b' ? 'dns:b.internal' : null),
    api,
    lookMs: LOOK_MS,
    stepMs: STEP_MS,
    ...more,
  });
  return { live, events, api, counted };
}

const small = () => {
  const world = new World([origin('a', 5, { region: 'aws:eu-central-1' }), origin('b', 40)]);
  world.run(2000);
  world.run(8000, 50);
  return world;
};

describe('the live stream', () => {
  it('begins with everything there is', async () => {
    const world = small();
    const { live: stream, events, api } = start(world);
    events.emit('info', 'past', 'before');
    stream.start();
    await until(async () => {
      const early = follow(stream);
      const { history } = await early.next('hello');
      early.leave();
      return history.rttMs[0].length >= 2;
    }, 'two steps of the history');
    const { all, next } = follow(stream);
    const hello = await next('hello');
    expect(hello.node).toEqual(JSON.parse(JSON.stringify(api.node())));
    expect(hello.routes).toEqual(api.routes());
    expect(hello.fleet).toEqual(api.fleet());
    expect(hello.ready).toBeNull();
    expect(hello.endpoints).toMatchObject([
      { index: 0, id: 'a', pool: 'shop', url: 'http://a', region: 'aws:eu-central-1', location: null, source: null },
      { index: 1, id: 'b', region: null, source: 'dns:b.internal' },
    ]);
    expect(hello.pools).toEqual([
      {
        name: 'shop',
        policy: 'fastest',
        endpoints: 2,
        healthy: 2,
        requestsPerSecond: hello.tick.pools[0][1],
        inflight: 0,
        whenAllDown: 'try',
        explorePercent: 0.5,
      },
    ]);
    expect(hello.states.map(([index, state]: [number, string]) => [index, state])).toEqual([
      [0, 'healthy'],
      [1, 'healthy'],
    ]);
    expect(hello.tick.endpoints).toHaveLength(2);
    expect(hello.tick.endpoints[0]).toHaveLength(10);
    expect(hello.tick.totals.requestsPerSecond).toBeGreaterThan(30);
    expect(hello.history.stepMs).toBe(5000);
    expect(hello.history.scoreMs[0][0]).toBe(Math.round(world.fleet.endpoints()[0]!.scoreMs! * 10) / 10);
    expect(hello.events.map(({ type }: { type: string }) => type)).toEqual(['past']);
    await until(() => all('tick').length >= 2, 'ticks');
    expect(all('hello')).toHaveLength(1);
  });

  it('tells of what has changed and of nothing else', async () => {
    const world = small();
    const { live: stream, events } = start(world);
    const { all, next } = follow(stream);
    await next('hello');
    await until(() => all('tick').length >= 2, 'ticks');
    expect(all('tick').at(-1)!.data).toMatchObject({ ready: null, endpoints: [], states: [] });
    world.run(1000, 50);
    await until(() => all('tick').some(({ data }) => data.endpoints.length === 1), 'the busy endpoint');
    const told = all('tick').find(({ data }) => data.endpoints.length === 1)!.data;
    expect([told.endpoints[0][0], told.endpoints[0][8]]).toEqual([0, world.fleet.endpoints()[0]!.requests]);
    world.fleet.drain('b');
    await until(() => all('tick').some(({ data }) => data.states.length > 0), 'the drained endpoint');
    const states = all('tick').flatMap(({ data }) => data.states);
    expect(states).toMatchObject([[1, 'draining', 'drained by an operator', expect.stringMatching(/Z$/)]]);
    events.emit('warn', 'endpoint.state', 'it is drained');
    expect(all('event').map(({ data }) => data.message)).toEqual(['it is drained']);
  });

  it('begins anew when the structure is another', async () => {
    const worlds = [small(), new World([origin('c', 5)])];
    let at = 0;
    const { live: stream } = start(worlds[0]!, { pools: () => worlds[at]!.fleet.pools });
    const { all, next } = follow(stream);
    await next('hello');
    at = 1;
    const again = await until(() => all('hello')[1]?.data, 'another hello');
    expect(again.endpoints.map(({ id }: { id: string }) => id)).toEqual(['c']);
    expect(again.tick.endpoints).toHaveLength(1);
  });

  it('tells of decisions as they settle, with the country of the client', async () => {
    const decided = new Decided();
    const { live: stream } = start(small(), { clock: () => decided.ctx.nowMs, journal: decided.decisions.journal });
    const { all, next } = follow(stream);
    await next('hello');
    decided.request(12);
    decided.tick();
    const told = await until(() => all('decision')[0]?.data, 'the decision');
    expect(told).toMatchObject({ pool: 'shop', route: 'web', outcome: 'ok', status: 200, country: null });
    const late = follow(stream);
    expect((await late.next('hello')).decisions.map(({ id }: { id: string }) => id)).toEqual([told.id]);
  });

  it('computes once for all who follow, and nothing when nobody does', async () => {
    const { live: stream, counted } = start(small(), { stepMs: 60_000 });
    stream.start();
    await delay(LOOK_MS * 6);
    expect(counted.pools).toBe(0);
    const followers = Array.from({ length: 20 }, () => follow(stream));
    await Promise.all(followers.map(({ next }) => next('hello')));
    const [first] = followers;
    const ticks = first!.all('tick').length;
    const before = counted.pools;
    await until(() => first!.all('tick').length >= ticks + 4, 'four ticks');
    const looks = first!.all('tick').length - ticks;
    expect(counted.pools - before).toBeLessThanOrEqual((looks + 1) * 2);
    for (const { leave } of followers) leave();
    const rested = counted.pools;
    await delay(LOOK_MS * 6);
    expect(counted.pools).toBe(rested);
  });
});

describe('the live stream over HTTP', () => {
  async function open(port: number): Promise<{ socket: Socket; text: () => string }> {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    socket.write('GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => text.includes('event: hello') || text.startsWith('HTTP/1.1 503'), 'the stream');
    return { socket, text: () => text };
  }

  it('cuts a client off that does not read, but not for a long beginning', async () => {
    await using rig = await AdminRig.start();
    const { socket, text } = await open(rig.port);
    expect(text()).toMatch(/^HTTP\/1\.1 200 [\s\S]*content-type: text\/event-stream/i);
    const [send] = rig.api.followers;
    send!(Buffer.alloc(3_000_000, 'x'), true);
    send!(Buffer.from('event: tick\ndata: {"last":1}\n\n'), false);
    await until(() => text().includes('"last":1'), 'all of it');
    socket.pause();
    await until(() => {
      if (rig.api.followers.size > 0) send!(Buffer.alloc(100_000, 'y'), false);
      return rig.api.followers.size === 0;
    }, 'the cut');
    socket.destroy();
  });

  // Each beginning was forgiven on top of the last, so discovery that flapped could pile up a hundred of them.
  it('cuts a client off that has not read the last beginning but one', async () => {
    await using rig = await AdminRig.start();
    const { socket } = await open(rig.port);
    const [send] = rig.api.followers;
    socket.pause();
    for (let i = 0; i < 30 && rig.api.followers.size > 0; i++) {
      send!(Buffer.alloc(3_000_000, 'x'), true);
      await new Promise(setImmediate);
    }
    await until(() => rig.api.followers.size === 0, 'the cut');
    socket.destroy();
  });

  // Its connection was kept alive, so EventSource came back on it: to the process that had just handed over.
  it('ends the connection together with the stream when another process takes over', async () => {
    await using rig = await AdminRig.start();
    const { socket } = await open(rig.port);
    const ended = new Promise((resolve) => socket.once('end', () => resolve('ended')));
    rig.server.retire();
    expect(await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2000, 'kept'))])).toBe('ended');
    socket.destroy();
  });

  it('has room for 32 followers and takes a new one when an old one has left', async () => {
    await using rig = await AdminRig.start();
    const clients = await Promise.all(Array.from({ length: 32 }, () => open(rig.port)));
    expect(rig.api.followers.size).toBe(32);
    const refused = await rig.get('/api/v1/live');
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '10']);
    clients[0]!.socket.destroy();
    await until(() => rig.api.followers.size === 31, 'the one that left');
    clients.push(await open(rig.port));
    expect(rig.api.followers.size).toBe(32);
    for (const { socket } of clients) socket.destroy();
  });
});
