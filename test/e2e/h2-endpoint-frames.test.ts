// Endpoints over HTTP/2, frame by frame: what no library would send, and what a library sends only when the moment is right. What
// real servers do is in h2-endpoint.test.ts.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { h2Client } from '../support/h2.ts';
import { data, E, F, getFields, goaway, headers, postFields, reset, S, settings, T } from '../support/h2-frames.ts';
import type { Field } from '../support/hpack.ts';
import { rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

type Script = (connection: Connection, streamId: number) => void;

const OK: readonly Field[] = [[':status', '200']];

/** One connection of Fermat's to the endpoint. */
class Connection {
  readonly socket: Socket;
  readonly resets: number[] = [];
  readonly goaways: number[] = [];
  /** Told of RST_STREAM. */
  onReset: (streamId: number) => void = () => {};
  #pending: Buffer = Buffer.alloc(0);
  #hasPreface = false;

  constructor(socket: Socket, endpoint: Endpoint) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      if (!this.#hasPreface && this.#pending.length < 24) return;
      if (!this.#hasPreface) this.#pending = this.#pending.subarray(24);
      this.#hasPreface = true;
      while (this.#pending.length >= 9 && this.#pending.length >= 9 + this.#pending.readUIntBE(0, 3)) {
        const end = 9 + this.#pending.readUIntBE(0, 3);
        const one = this.#pending.subarray(0, end);
        this.#pending = this.#pending.subarray(end);
        this.#frame(one, endpoint);
      }
    });
    this.send(settings(...endpoint.settings));
  }

  #frame(bytes: Buffer, endpoint: Endpoint): void {
    const type = bytes[3]!;
    const flags = bytes[4]!;
    const streamId = bytes.readUInt32BE(5);
    if (type === T.SETTINGS && (flags & F.ACK) === 0) this.send(Buffer.from([0, 0, 0, T.SETTINGS, F.ACK, 0, 0, 0, 0]));
    if (type === T.HEADERS) {
      endpoint.requests++;
      endpoint.script(this, streamId);
    }
    if (type === T.GOAWAY) this.goaways.push(bytes.readUInt32BE(13));
    if (type !== T.RST_STREAM) return;
    this.resets.push(streamId);
    this.onReset(streamId);
  }

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }
}

class Endpoint {
  script: Script = (connection, id) => connection.send(headers(id, OK, F.END_STREAM));
  settings: readonly (readonly [number, number])[] = [];
  requests = 0;
  readonly connections: Connection[] = [];
  readonly server: Server = createServer((socket) => this.connections.push(new Connection(socket, this)));

  get url(): string {
    return `h2c://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get last(): Connection {
    return this.connections.at(-1)!;
  }
}

/** The status of one request over HTTP/1.1. */
async function ask(path: string): Promise<number> {
  const client = await rawClient(fermat.port);
  await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const { status } = await client.answer();
  client.socket.destroy();
  return status;
}

/** Failures of the pool `main` as its metrics have them. */
const failures = (): Promise<number> => fermat.metric('fermat_upstream_failures_total', 'pool="main"');

const endpoint = new Endpoint();
const narrow = new Endpoint();
let fermat: Fermat;

beforeAll(async () => {
  narrow.settings = [[S.STREAMS, 1]];
  await endpoint.listen();
  await narrow.listen();
  const none: Config = { retry: { attempts: 0 } };
  fermat = await startFermat({
    pools: {
      main: poolOf([endpoint.url], none),
      single: poolOf([endpoint.url], { ...none, limits: { connectionsPerEndpoint: 1, queueTimeout: '500ms' } }, 'o'),
      hasty: poolOf([endpoint.url], { ...none, timeouts: { firstByte: '300ms' } }, 'h'),
      narrow: poolOf([narrow.url], { ...none, limits: { connectionsPerEndpoint: 1, queueTimeout: '300ms' } }, 'n'),
    },
    routes: [{ pool: 'main' }, ...['single', 'hasty', 'narrow'].map((pool) => ({ path: `/${pool}`, pool }))],
  });
});

afterEach(() => {
  expect(fermat.exit).toBeNull();
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
  endpoint.script = (connection, id) => connection.send(headers(id, OK, F.END_STREAM));
});

afterAll(async () => {
  await fermat.stop();
  for (const { connections, server } of [endpoint, narrow]) {
    for (const { socket } of connections) socket.destroy();
    server.close();
  }
});

describe('an endpoint that', () => {
  it('ends its answer with its head gives an HTTP/1.1 client an empty body, and no wait for more', async () => {
    const client = await rawClient(fermat.port);
    await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const answer = await client.answer();
    expect([answer.status, answer.framing, answer.text]).toEqual([200, 'length', '']);
    client.socket.destroy();
  });

  const BODILESS: [what: string, method: string, status: string][] = [
    ['answers HEAD', 'HEAD', '200'],
    ['says 204', 'GET', '204'],
    ['says 304', 'GET', '304'],
  ];
  it.each(BODILESS)('%s with a body does not get it through to an HTTP/1.1 client', async (_, method, status) => {
    endpoint.script = (connection, id) =>
      connection.send(
        headers(id, [[':status', status]]),
        data(id, 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad', F.END_STREAM),
      );
    const client = await rawClient(fermat.port);
    await client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until(() => client.isClosed || client.pending.includes('bad'), 'the end of the connection');
    expect(client.pending.toString('latin1')).not.toContain('bad');
    client.socket.destroy();
  });

  it('ends its answer before it has begun breaks HTTP, and its client is told', async () => {
    endpoint.script = (connection, id) => connection.send(data(id, '', F.END_STREAM));
    expect(await ask('/')).toBe(502);
  });

  it('has no use for the rest of a request has its whole answer delivered, however slowly its client takes it', async () => {
    const body = Buffer.alloc(100_000, 'x');
    const pieces = (id: number): Buffer[] =>
      [0, 1, 2, 3, 4].map((i) => data(id, body.subarray(i * 16_000, (i + 1) * 16_000)));
    endpoint.script = (connection, id) => {
      connection.send(headers(id, OK), ...pieces(id), data(id, body.subarray(80_000, 90_000)));
      connection.send(data(id, body.subarray(90_000), F.END_STREAM), reset(id, E.NO_ERROR));
    };
    using client = await h2Client(fermat.port, { isGreedy: false });
    client.open(0, 1 << 20);
    const stream = client.start(postFields());
    client.send(data(stream.id, 'some'));
    await client.come(() => stream.bodyBytes === 65_535, 'what the window lets through');
    await delay(100); // the reset is in by now, or it will not be told from a late one
    expect(stream.isOver).toBe(false);
    client.open(stream.id, 1 << 20);
    await client.over(stream);
    expect([stream.bodyBytes, stream.hasEnded]).toEqual([100_000, true]);
  });

  it('closes its connection behind a whole answer has it delivered, however slowly its client takes it', async () => {
    const body = Buffer.alloc(100_000, 'x');
    endpoint.script = (connection, id) => {
      connection.send(headers(id, OK));
      for (let at = 0; at < body.length; at += 10_000)
        connection.send(data(id, body.subarray(at, at + 10_000), at === 90_000 ? F.END_STREAM : 0));
      connection.socket.end();
    };
    using client = await h2Client(fermat.port, { isGreedy: false });
    client.open(0, 1 << 20);
    const stream = client.request(getFields());
    await client.come(() => stream.bodyBytes === 65_535, 'what the window lets through');
    await until(() => endpoint.last.socket.destroyed, 'the end of the connection to the endpoint');
    expect(stream.isOver).toBe(false);
    client.open(stream.id, 1 << 20);
    await client.over(stream);
    expect([stream.bodyBytes, stream.hasEnded]).toEqual([100_000, true]);
  });

  it('still sends much of what was given up keeps its connection, and all others on it', async () => {
    endpoint.script = (connection, id) => {
      connection.send(headers(id, OK), data(id, 'first'));
      connection.onReset = (given) => {
        for (let i = 0; i < 1500; i++) connection.send(data(given, 'message'));
        connection.onReset = () => connection.send(headers(other, OK, F.END_STREAM)); // never
      };
    };
    let other = 0;
    using client = await h2Client(fermat.port);
    const busy = client.request(getFields());
    await client.come(() => busy.bodyBytes === 5, 'the first words');
    const { last } = endpoint;
    endpoint.script = (_, id) => {
      other = id;
    };
    const waiting = client.request(getFields());
    await until(() => other > 0, 'the second request');
    client.giveUp(busy);
    await until(() => last.resets.length === 1, 'the news that it was given up');
    await delay(200);
    last.send(headers(other, OK, F.END_STREAM));
    await client.over(waiting);
    expect([waiting.status, last.goaways]).toEqual([200, []]);
  });

  it('answers a few hundred requests at once that were given up keeps its connection', async () => {
    const ids: number[] = [];
    endpoint.script = (_, id) => ids.push(id);
    const clients = await Promise.all([1, 2, 3].map(() => h2Client(fermat.port)));
    for (const client of clients) for (let i = 0; i < 90; i++) client.request(getFields());
    await until(() => ids.length === 270, 'all requests');
    const byConnection = endpoint.connections.filter(({ socket }) => !socket.destroyed);
    for (const client of clients) client.destroy();
    await until(() => byConnection.reduce((sum, { resets }) => sum + resets.length, 0) >= 270, 'the resets');
    for (const connection of byConnection) {
      for (const id of connection.resets) connection.send(headers(id, OK), data(id, 'late', F.END_STREAM));
    }
    endpoint.script = (connection, id) => connection.send(headers(id, OK, F.END_STREAM));
    await delay(200);
    expect(await ask('/')).toBe(200);
    expect(byConnection.flatMap(({ goaways }) => goaways)).toEqual([]);
  });

  it('says GOAWAY with a stream that goes on for long is asked over another connection', async () => {
    endpoint.script = (connection, id) => connection.send(headers(id, OK), data(id, 'long'), goaway(id));
    using client = await h2Client(fermat.port);
    const long = client.request(getFields('/single'));
    await client.come(() => long.bodyBytes === 4, 'the long stream');
    endpoint.script = (connection, id) => connection.send(headers(id, OK, F.END_STREAM));
    expect((await client.get('/single')).status).toBe(200);
    expect(long.isOver).toBe(false);
    client.giveUp(long);
  });

  it('takes one request at a time keeps others waiting for no longer than the queue does', async () => {
    narrow.script = () => {};
    using client = await h2Client(fermat.port);
    const streams = [1, 2, 3].map(() => client.request(getFields('/narrow')));
    await client.come(() => streams.filter(({ isOver }) => isOver).length === 2, 'two answers');
    expect(streams.map(({ status }) => status).sort()).toEqual([0, 503, 503]);
    for (const stream of streams) if (!stream.isOver) client.giveUp(stream);
  });

  it('has fallen silent is asked over another connection the next time', async () => {
    endpoint.script = () => {};
    expect(await ask('/hasty')).toBe(504);
    const silent = endpoint.last;
    endpoint.script = (connection, id) => {
      if (connection !== silent) connection.send(headers(id, OK, F.END_STREAM));
    };
    expect(await ask('/hasty')).toBe(200);
  });

  it('resets what it is asked is blamed for it, on a connection that was used before, too', async () => {
    expect(await ask('/')).toBe(200);
    endpoint.script = (connection, id) => connection.send(reset(id, E.INTERNAL_ERROR));
    using client = await h2Client(fermat.port);
    const before = await failures();
    for (let i = 0; i < 3; i++) expect((await client.over(client.request(postFields(), 'x'))).status).toBe(502);
    await until(async () => (await failures()) === before + 3, 'three failures');
  });
});
