// Pools of real connections to a real origin, lent to users that only note what they are told.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newLane } from '../../src/core/lane.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import type { EndpointSpec, PoolSpec } from '../../src/core/snapshot.ts';
import { EndpointGroup } from '../../src/data/h1/group.ts';
import { Plane } from '../../src/data/plane.ts';
import { ACQUIRED, CONNECT_FAILURE, type Upstream, type UpstreamEvents } from '../../src/data/sides.ts';
import type { Group } from '../../src/data/upstreams.ts';
import { FRAMING } from '../../src/wire/body.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';
import { until } from '../support/until.ts';
import { parseRequest } from '../wire/support.ts';

const { head: HEAD } = parseRequest('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

/** Stands where an exchange would. */
class User implements UpstreamEvents {
  readonly isDownstreamFlushed = true;
  up: Upstream | null = null;
  told = '';
  failure = -1;
  /** Keeps its connection when the answer is whole. */
  holds = false;

  onConnecting(upstream: Upstream): void {
    this.up = upstream;
    this.told += 'connecting ';
  }
  onQueued(): void {}

  onUpstreamReady(upstream: Upstream): void {
    this.up = upstream;
    this.told += 'ready ';
  }
  onConnectFailed(reason: number): void {
    this.failure = reason;
    this.told += 'failed ';
  }
  onResponseHead(): void {
    this.told += 'head ';
  }
  onResponseChunk(): void {}
  onResponseEnd(): void {
    this.told += 'end ';
    if (!this.holds) this.up!.release();
  }
  clientEnds(): null {
    return null;
  }
  onUpstreamRefused(): void {}
  onUpstreamLost(): void {
    this.told += 'lost ';
  }
  onUpstreamDrain(): void {}
  onUpstreamTimeout(): void {
    this.told += 'timeout ';
  }
  flush(): void {}

  /** One whole request over the connection it was lent. */
  async get(path: string): Promise<void> {
    this.up!.head('GET', path, HEAD, '', FRAMING.NONE, -1);
    this.up!.end(null);
    await until(() => /end|lost/.test(this.told), `the answer for ${path}`);
  }
}

let origin: Origin;
let plane: Plane;
let spec: EndpointSpec;
const POOL = poolSpec('p', [0], 0);

beforeEach(async () => {
  origin = await startOrigin();
  spec = { ...endpointSpec(0, { id: 'a' }), port: origin.port };
  plane = new Plane({
    lane: 0,
    writer: new LaneWriter(newLane()),
    clock: () => performance.now(),
    random: Math.random,
    loopId: 'x',
    snapshot: snapshotOf([spec], [POOL]),
    wrapRouter: (router) => router,
    onQuiet: () => {},
  });
});
afterEach(async () => {
  plane.destroy();
  const { faults } = origin;
  await origin.refuse();
  expect(faults).toEqual([]);
});

const groupOf = (more: Partial<PoolSpec> = {}): EndpointGroup => new EndpointGroup(plane, spec, { ...POOL, ...more });

async function ready(group: Group, fresh = false): Promise<User> {
  const user = new User();
  group.acquire(user, fresh);
  await until(() => user.told.includes('ready'), 'a connection');
  return user;
}

describe('a connection', () => {
  it('is made for the first request, told as it begins and when it is there, with the time it took', async () => {
    const group = groupOf();
    const user = new User();
    expect(group.acquire(user, false)).toBe(ACQUIRED.CONNECTING);
    expect(user.told).toBe('connecting ');
    await until(() => user.told === 'connecting ready ', 'the connection');
    expect(user.up!.isReused).toBe(false);
    expect(user.up!.connectMs).toBeGreaterThan(0);
    await user.get('/one');
    expect(origin.request.start).toBe('GET /one HTTP/1.1');
  });

  it('is lent again at once, and known as one that was used before', async () => {
    const group = groupOf();
    const first = await ready(group);
    await first.get('/1');
    const second = new User();
    expect(group.acquire(second, false)).toBe(ACQUIRED.READY);
    expect([second.told, second.up === first.up, second.up!.isReused]).toEqual(['ready ', true, true]);
    await second.get('/2');
    expect(origin.used).toHaveLength(1);
  });

  it('that was given back last is lent first', async () => {
    const group = groupOf();
    const users = await Promise.all([ready(group), ready(group), ready(group)]);
    const ups = users.map(({ up }) => up);
    for (const i of [1, 0, 2]) await users[i]!.get(`/${i}`);
    const lent = ups.map(() => {
      const user = new User();
      group.acquire(user, false);
      return ups.indexOf(user.up);
    });
    expect(lent).toEqual([2, 0, 1]);
  });

  it('is a new one when that is asked for, however many are idle', async () => {
    const group = groupOf();
    const first = await ready(group);
    await first.get('/1');
    const user = new User();
    expect(group.acquire(user, true)).toBe(ACQUIRED.CONNECTING);
    await until(() => user.told.includes('ready'), 'the new connection');
    expect(user.up).not.toBe(first.up);
    expect(user.up!.isReused).toBe(false);
  });

  it('that the endpoint closes while it is idle is lent no more', async () => {
    const group = groupOf();
    const first = await ready(group);
    await first.get('/1');
    origin.used[0]!.socket.end();
    await until(() => origin.open.length === 0, 'the close');
    expect(group.acquire(new User(), false)).toBe(ACQUIRED.CONNECTING);
  });

  it('on which unasked bytes come is never lent again', async () => {
    const group = groupOf();
    const first = await ready(group);
    await first.get('/1');
    origin.used[0]!.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await until(() => origin.open.length === 0, 'the close by our side');
    expect(group.acquire(new User(), false)).toBe(ACQUIRED.CONNECTING);
  });

  it('is closed when it has been idle for as long as the pool says, sooner when the endpoint does', async () => {
    const group = groupOf({ timeouts: { ...POOL.timeouts, idleMs: 60 } });
    const user = await ready(group);
    await user.get('/1');
    await until(() => origin.open.length === 0, 'the close of the idle connection', 2000);
    const patient = groupOf({ timeouts: { ...POOL.timeouts, idleMs: 60_000 } });
    origin.script = (request) => request.answer(200, '', 'Keep-Alive: timeout=1\r\n');
    const told = await ready(patient);
    await told.get('/2');
    await until(() => origin.open.length === 0, 'the close that the endpoint asked for', 3000);
  });

  it('is closed after an answer that says so', async () => {
    origin.script = (request) => request.answer(200, '', 'Connection: close\r\n');
    const group = groupOf();
    await (await ready(group)).get('/1');
    expect(group.acquire(new User(), false)).toBe(ACQUIRED.CONNECTING);
  });
});

describe('who waits for his own connect', () => {
  it('takes a connection that comes free first, and his own is there for the next', async () => {
    const group = groupOf();
    const first = await ready(group);
    first.holds = true;
    await first.get('/1');
    const second = new User();
    expect(group.acquire(second, false)).toBe(ACQUIRED.CONNECTING);
    const own = second.up;
    first.up!.release();
    expect([second.told, second.up === first.up]).toEqual(['connecting ready ', true]);
    await until(() => origin.open.length === 2, 'his own connection');
    await second.get('/2');
    const [third, fourth] = [new User(), new User()];
    expect(group.acquire(third, false)).toBe(ACQUIRED.READY);
    expect(third.up).toBe(first.up); // it has answered; the other one may not even have been accepted yet
    await until(() => group.acquire(fourth, false) === ACQUIRED.READY, 'the connection nobody waited for');
    expect(fourth.up).toBe(own);
    await fourth.get('/4');
  });

  it('does not when he must have a new one', async () => {
    const group = groupOf();
    const first = await ready(group);
    first.holds = true;
    await first.get('/1');
    const second = new User();
    group.acquire(second, true);
    first.up!.release();
    expect(second.told).toBe('connecting ');
    await until(() => second.told === 'connecting ready ', 'the new connection');
    expect(second.up).not.toBe(first.up);
  });
});

describe('a connect that fails', () => {
  it('is told with its reason, and leaves room for the next', async () => {
    await origin.refuse();
    const group = groupOf({ connectionsPerEndpoint: 1 });
    for (let i = 0; i < 3; i++) {
      const user = new User();
      expect(group.acquire(user, false)).toBe(ACQUIRED.CONNECTING);
      await until(() => user.failure >= 0, 'the failure');
      expect(user.failure).toBe(CONNECT_FAILURE.REFUSED);
    }
    await origin.listen();
  });
});

describe('a rush', () => {
  it('makes 64 new connections at once; the others wait for those or for more, and all are served', async () => {
    const group = groupOf();
    const users = Array.from({ length: 400 }, () => new User());
    const did = users.map((user) => group.acquire(user, false));
    expect(did.filter((what) => what === ACQUIRED.CONNECTING)).toHaveLength(64);
    expect(did.filter((what) => what === ACQUIRED.QUEUED)).toHaveLength(336);
    await Promise.all(
      users.map(async (user, i) => {
        await until(() => user.told.includes('ready'), 'a connection');
        await user.get(`/${i}`);
      }),
    );
    expect(new Set(origin.used).size).toBeLessThanOrEqual(400);
  });

  it('makes a few more in time where no connection answers or comes free, so that nobody waits for streams to end', async () => {
    origin.script = () => {};
    const group = groupOf();
    const users = Array.from({ length: 200 }, () => new User());
    for (const user of users) group.acquire(user, false);
    await until(() => users.every(({ told }) => told === 'connecting ready '), 'a connection for each');
    expect(new Set(users.map(({ up }) => up)).size).toBe(200);
  });

  it('has a connection for each of a thousand well within a queue time-out where none of them is answered', async () => {
    origin.script = () => {};
    const group = groupOf();
    const users = Array.from({ length: 1000 }, () => new User());
    const onDeadline = group.onDeadline.bind(group);
    let turns = 0;
    group.onDeadline = () => {
      turns++;
      onDeadline();
    };
    for (const user of users) group.acquire(user, false);
    await until(() => users.every(({ told }) => told !== ''), 'a connect for each');
    expect(turns).toBeLessThan(10); // 25 ms each
  });

  it('is over with a few connections where those answer at once', async () => {
    const group = groupOf();
    const users = Array.from({ length: 1000 }, () => new User());
    for (const user of users) group.acquire(user, false);
    await Promise.all(
      users.map(async (user) => {
        await until(() => user.told.includes('ready'), 'a connection');
        await user.get('/');
      }),
    );
    expect(origin.used.length).toBeLessThan(1000);
  });

  it('is served by an endpoint that closes each connection after one answer, too', async () => {
    origin.script = (request) => request.answer(200, '', 'Connection: close\r\n');
    const group = groupOf();
    const users = Array.from({ length: 300 }, () => new User());
    for (const user of users) group.acquire(user, false);
    await Promise.all(
      users.map(async (user) => {
        await until(() => user.told.includes('ready'), 'a connection');
        await user.get('/');
      }),
    );
    expect(new Set(users.map(({ up }) => up)).size).toBe(300);
  });

  it('does not make wait who must have a new connection, nor whom no queue has room for', () => {
    const group = groupOf({ queue: 1 });
    const did = Array.from({ length: 66 }, () => group.acquire(new User(), false));
    expect(did.slice(64)).toEqual([ACQUIRED.QUEUED, ACQUIRED.CONNECTING]);
    expect(group.acquire(new User(), true)).toBe(ACQUIRED.CONNECTING);
  });
});

describe('the limit', () => {
  it('queues who comes after it in order, and hands over what comes free', async () => {
    const group = groupOf({ connectionsPerEndpoint: 1 });
    const first = await ready(group);
    const [second, third] = [new User(), new User()];
    expect([group.acquire(second, false), group.acquire(third, false)]).toEqual([ACQUIRED.QUEUED, ACQUIRED.QUEUED]);
    await first.get('/1');
    expect([second.told, third.told]).toEqual(['ready ', '']);
    await second.get('/2');
    await third.get('/3');
    expect(origin.used).toHaveLength(1);
    expect(origin.requests.map(({ target }) => target)).toEqual(['/1', '/2', '/3']);
  });

  it('of the queue is an answer at once; who leaves makes room', async () => {
    const group = groupOf({ connectionsPerEndpoint: 1, queue: 1 });
    await ready(group);
    const [waiting, tooMany] = [new User(), new User()];
    expect(group.acquire(waiting, false)).toBe(ACQUIRED.QUEUED);
    expect(group.acquire(tooMany, false)).toBe(ACQUIRED.FULL);
    group.cancel(waiting);
    group.cancel(tooMany);
    expect(group.acquire(tooMany, false)).toBe(ACQUIRED.QUEUED);
  });

  it('lets the longest waiter connect when a connection dies', async () => {
    const group = groupOf({ connectionsPerEndpoint: 1 });
    const first = await ready(group);
    const [second, third] = [new User(), new User()];
    group.acquire(second, false);
    group.acquire(third, false);
    first.up!.abort();
    await until(() => second.told === 'connecting ready ', 'a connection for the longest waiter');
    expect(third.told).toBe('');
  });
});

describe('a group whose endpoint has gone', () => {
  it('closes what is idle at once and what is busy when it is done, and serves who waits', async () => {
    const group = groupOf({ connectionsPerEndpoint: 2 });
    const idle = await ready(group);
    const busy = await ready(group);
    await idle.get('/idle');
    group.retire();
    await until(() => origin.open.length === 1, 'the close of the idle one');
    await busy.get('/busy');
    expect(busy.told).toContain('end');
    await until(() => origin.open.length === 0, 'the close of the busy one');
  });
});

describe('a new structure', () => {
  it('keeps the connections of endpoints that stay and closes those of others', async () => {
    const { upstreams } = plane;
    const [group] = upstreams.install([spec], [POOL]);
    const user = await ready(group!);
    await user.get('/1');
    expect(upstreams.install([spec], [{ ...POOL, queue: 3 }])[0]).toBe(group);
    expect(group!.pool.queue).toBe(3);
    expect(origin.open).toHaveLength(1);
    const other = { ...spec, generation: spec.generation + 1 };
    const [next] = upstreams.install([other], [POOL]);
    expect(next).not.toBe(group);
    await until(() => origin.open.length === 0, 'the close of the old connection');
  });

  it('never uses a connection that was made with another CA or certificate', async () => {
    const { upstreams } = plane;
    const [group] = upstreams.install([spec], [POOL]);
    const [next] = upstreams.install([spec], [{ ...POOL, tls: { ...POOL.tls, serverName: 'other' } }]);
    expect(next).not.toBe(group);
    expect(upstreams.install([], [])[0]).toBeUndefined();
  });
});
