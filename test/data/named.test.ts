// Connections that begin with a PROXY header: whose they are, how many there may be, and who has to give one up. The endpoint is
// a real server that reads the header with the parser of wire/proxy.ts and tells every connection apart.

import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newLane } from '../../src/core/lane.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import type { PoolSpec } from '../../src/core/snapshot.ts';
import { EndpointGroup } from '../../src/data/h1/group.ts';
import { NamedGroup } from '../../src/data/named.ts';
import { Plane } from '../../src/data/plane.ts';
import { ACQUIRED, type Upstream, type UpstreamEvents } from '../../src/data/sides.ts';
import { FRAMING } from '../../src/wire/body.ts';
import { PROXY, type ProxyEnds, ProxyReader } from '../../src/wire/proxy.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';
import { until } from '../support/until.ts';
import { parseRequest } from '../wire/support.ts';

const { head: HEAD } = parseRequest('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** One connection as the endpoint sees it. */
interface Seen {
  readonly socket: Socket;
  readonly reader: ProxyReader;
  verdict: number;
  requests: number;
  isClosed: boolean;
}

let server: Server;
let seen: Seen[];
let plane: Plane;
let port: number;

/** Stands where an exchange would. */
class User implements UpstreamEvents {
  readonly isDownstreamFlushed = true;
  readonly #ends: ProxyEnds | null;
  up: Upstream | null = null;
  told = '';

  /** `name`: last byte of its address; 0 = not known. */
  constructor(name: number) {
    this.#ends =
      name === 0
        ? null
        : { source: `203.0.113.${name}`, sourcePort: 40_000 + name, destination: '198.51.100.1', destinationPort: 443 };
  }

  clientEnds(): ProxyEnds | null {
    return this.#ends;
  }
  onConnecting(upstream: Upstream): void {
    this.up = upstream;
    this.told += 'connecting ';
  }
  onQueued(): void {}

  onUpstreamReady(upstream: Upstream): void {
    this.up = upstream;
    this.told += 'ready ';
    upstream.head('GET', '/', HEAD, '', FRAMING.NONE, -1);
    upstream.end(null);
  }
  onConnectFailed(): void {
    this.told += 'failed ';
  }
  onResponseHead(): void {}
  onResponseChunk(): void {}
  onResponseEnd(): void {
    this.told += 'end ';
    if (this.releases) this.up!.release();
  }
  onUpstreamRefused(): void {}
  onUpstreamLost(): void {
    this.told += 'lost ';
  }
  onUpstreamDrain(): void {}
  onUpstreamTimeout(): void {}
  flush(): void {}

  releases = true;

  async done(): Promise<this> {
    await until(() => this.told.includes('end'), 'the answer');
    return this;
  }
}

function accept(socket: Socket): void {
  const one: Seen = { socket, reader: new ProxyReader(), verdict: PROXY.MORE, requests: 0, isClosed: false };
  seen.push(one);
  const count = (bytes: Buffer): void => {
    const asked = bytes.toString('latin1').split('GET ').length - 1;
    one.requests += asked;
    socket.write(ANSWER.repeat(asked));
  };
  socket.on('data', (bytes: Buffer) => {
    if (one.verdict !== PROXY.MORE) return count(bytes);
    one.verdict = one.reader.take(bytes);
    if (one.verdict === PROXY.DONE) count(one.reader.rest);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    one.isClosed = true;
  });
}

const POOL = poolSpec('p', [0], 0);

beforeEach(async () => {
  seen = [];
  server = createServer(accept);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  plane = new Plane({
    lane: 0,
    writer: new LaneWriter(newLane()),
    clock: () => performance.now(),
    random: Math.random,
    loopId: 'x',
    snapshot: snapshotOf([specOf()], [POOL]),
    wrapRouter: (router) => router,
    onQuiet: () => {},
  });
});

afterEach(() => {
  plane.destroy();
  for (const { socket } of seen) socket.destroy();
  server.close();
});

const specOf = () => ({ ...endpointSpec(0, { id: 'a' }), port });
const groupOf = (more: Partial<PoolSpec> = {}): NamedGroup =>
  new NamedGroup(plane, specOf(), { ...POOL, proxyProtocol: 'v2', ...more });

/** Acquires for a client and waits for its answer. */
async function ask(group: NamedGroup, name: number): Promise<User> {
  const user = new User(name);
  group.acquire(user, false);
  return user.done();
}

const sources = (): string[] => seen.map(({ reader }) => reader.ends?.source ?? '-');
const open = (): string[] => seen.filter(({ isClosed }) => !isClosed).map(({ reader }) => reader.ends?.source ?? '-');

describe.each(['v1', 'v2'] as const)('with %s', (proxyProtocol) => {
  it('the first bytes of a connection name the client, and its next request takes the same connection', async () => {
    const group = groupOf({ proxyProtocol });
    for (let i = 0; i < 3; i++) await ask(group, 7);
    expect(seen.map(({ requests, reader }) => [requests, reader.ends])).toEqual([
      [3, { source: '203.0.113.7', sourcePort: 40_007, destination: '198.51.100.1', destinationPort: 443 }],
    ]);
  });

  it('a client that is not known is told as such', async () => {
    await ask(groupOf({ proxyProtocol }), 0);
    expect(seen.map(({ verdict, reader }) => [verdict, reader.ends])).toEqual([[PROXY.DONE, null]]);
  });
});

describe('a connection of one client', () => {
  it('is never lent to another', async () => {
    const group = groupOf();
    for (const name of [1, 2, 3, 1, 2, 3]) await ask(group, name);
    expect(sources()).toEqual(['203.0.113.1', '203.0.113.2', '203.0.113.3']);
    expect(seen.map(({ requests }) => requests)).toEqual([2, 2, 2]);
  });

  it('is not used again when a fresh one is asked for', async () => {
    const group = groupOf();
    await ask(group, 1);
    const user = new User(1);
    expect(group.acquire(user, true)).toBe(ACQUIRED.CONNECTING);
    await user.done();
    expect(seen).toHaveLength(2);
  });

  it('stays idle for its client when the request that it was opened for was given up', async () => {
    const group = groupOf();
    const user = new User(1);
    user.releases = false;
    group.acquire(user, false);
    await user.done();
    user.up!.abort();
    await until(() => seen[0]!.isClosed, 'the close');
    await ask(group, 1);
    expect(seen).toHaveLength(2);
  });
});

describe('at the limit of connections', () => {
  it('the oldest idle connection of another client makes room', async () => {
    const group = groupOf({ connectionsPerEndpoint: 2 });
    await ask(group, 1);
    await ask(group, 2);
    await ask(group, 3);
    await until(() => seen[0]!.isClosed, 'the close of the oldest');
    expect(open()).toEqual(['203.0.113.2', '203.0.113.3']);
    await ask(group, 2);
    expect(seen).toHaveLength(3);
  });

  it('who finds all of them busy waits, and gets a connection of its own when one is done', async () => {
    const group = groupOf({ connectionsPerEndpoint: 1, queue: 2 });
    const busy = new User(1);
    busy.releases = false;
    expect(group.acquire(busy, false)).toBe(ACQUIRED.CONNECTING);
    await busy.done();
    const waiting = [new User(2), new User(1), new User(3)];
    expect(waiting.map((user) => group.acquire(user, false))).toEqual([
      ACQUIRED.QUEUED,
      ACQUIRED.QUEUED,
      ACQUIRED.FULL,
    ]);
    busy.up!.release();
    await waiting[0]!.done();
    await waiting[1]!.done();
    expect(sources()).toEqual(['203.0.113.1', '203.0.113.2', '203.0.113.1']);
    await until(() => open().length === 1, 'one connection left');
  });

  it('a waiter whose client the connection names is lent it', async () => {
    const group = groupOf({ connectionsPerEndpoint: 1 });
    const busy = new User(1);
    busy.releases = false;
    group.acquire(busy, false);
    await busy.done();
    const waiter = new User(1);
    expect(group.acquire(waiter, false)).toBe(ACQUIRED.QUEUED);
    busy.up!.release();
    await waiter.done();
    expect(seen).toHaveLength(1);
  });

  it('a waiter that left the queue gets nothing, and the next one is served after a broken connection', async () => {
    const group = groupOf({ connectionsPerEndpoint: 1 });
    const busy = new User(1);
    busy.releases = false;
    group.acquire(busy, false);
    await busy.done();
    const [left, next] = [new User(2), new User(3)];
    group.acquire(left, false);
    group.acquire(next, false);
    group.cancel(left);
    seen[0]!.socket.destroy();
    await next.done();
    expect(left.told).toBe('');
    expect(busy.told).toContain('end');
  });
});

describe('the end of a group', () => {
  it('closes idle connections at once and busy ones when they are done', async () => {
    const group = groupOf();
    await ask(group, 1);
    const busy = new User(2);
    busy.releases = false;
    group.acquire(busy, false);
    await busy.done();
    group.retire();
    await until(() => seen[0]!.isClosed, 'the close of the idle one');
    expect(seen[1]!.isClosed).toBe(false);
    busy.up!.release();
    await until(() => seen[1]!.isClosed, 'the close of the other');
  });

  it('comes with a configuration that begins or ends to name clients', () => {
    const spec = specOf();
    const groups = (['off', 'v1', 'v2', 'v2'] as const).map(
      (proxyProtocol) => plane.upstreams.install([spec], [{ ...POOL, proxyProtocol }])[0],
    );
    expect(groups.map((group) => group instanceof NamedGroup)).toEqual([false, true, true, true]);
    expect(groups[0]).toBeInstanceOf(EndpointGroup);
    expect([groups[1] === groups[2], groups[2] === groups[3]]).toEqual([false, true]);
  });
});
