// What goes wrong with gRPC calls, and who is told what: deadlines, cancellation, endpoints that die, refuse, or report that
// they are not well. Each side is the real library, but where the test is about a client that breaks its own rules.

import { type ClientHttp2Session, connect, createServer as createH2, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, simpleConfig, startFermat } from '../support/fermat.ts';
import { EchoClient, type EchoServer, endOf, metadataOf, startEcho } from '../support/grpc.ts';
import { spawnEcho } from '../support/grpc-process.ts';
import { exchange } from '../support/raw.ts';
import { delay, until, within } from '../support/until.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function echo(): Promise<EchoServer> {
  const server = await startEcho();
  ends.push(() => server.stop());
  return server;
}

const urlOf = ({ port }: { port: number }): string => `h2c://127.0.0.1:${port}`;

async function proxy(config: Config): Promise<Fermat> {
  const fermat = await startFermat(config, { isUnready: true });
  ends.push(() => fermat.stop());
  return fermat;
}

function clientTo(port: number): EchoClient {
  const client = new EchoClient(port);
  ends.push(() => client.raw.close());
  return client;
}

async function rig(
  pool: Config = {},
  more: Config = {},
): Promise<{ server: EchoServer; fermat: Fermat; client: EchoClient }> {
  const server = await echo();
  const fermat = await proxy(simpleConfig([urlOf(server)], pool, more));
  return { server, fermat, client: clientTo(fermat.port) };
}

/** Requests and failures of every endpoint, by id. */
async function counts(
  fermat: Fermat,
): Promise<Record<string, { requests: number; failures: number; state: string; why: string }>> {
  const rows =
    await fermat.json<{ id: string; requests: number; failures: number; state: string; why: string }[]>(
      '/api/v1/endpoints',
    );
  return Object.fromEntries(rows.map((row) => [row.id, row]));
}

interface BareAnswer {
  readonly head: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** When its last byte came, since the call; ms. */
  readonly tookMs: number;
  /** The head ended the stream. */
  readonly isTrailersOnly: boolean;
}

/** A call by hand over HTTP/2, that is never cancelled. `body` null = the stream stays open. */
function bareCall(session: ClientHttp2Session, fields: IncomingHttpHeaders, body: Buffer | null): Promise<BareAnswer> {
  const startMs = performance.now();
  const head = { ':method': 'POST', ':path': '/test.Echo/Unary', 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...head, ...fields }, { endStream: false });
  return within(
    5000,
    'the answer',
    new Promise((resolve, reject) => {
      const answer = { head: {}, trailers: {}, isTrailersOnly: false } as {
        -readonly [K in keyof BareAnswer]: BareAnswer[K];
      };
      const chunks: Buffer[] = [];
      stream.on('response', (got, flags) => {
        answer.head = got;
        answer.isTrailersOnly = (flags & 1) === 1;
      });
      stream.on('trailers', (got) => {
        answer.trailers = got;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => {
        resolve({ ...answer, body: Buffer.concat(chunks), tookMs: performance.now() - startMs });
        stream.close();
      });
      if (body !== null) stream.end(body);
    }),
  );
}

function bareSession(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  ends.push(() => session.destroy());
  return session;
}

const message = (text: string): Buffer => {
  const bytes = Buffer.alloc(5 + text.length);
  bytes.writeUInt32BE(text.length, 1);
  bytes.write(text, 5);
  return bytes;
};

/** Counts the calls that never answer, and when each was cancelled. */
function silent(server: EchoServer): { begun: number; cancelledAtMs: number[] } {
  const seen = { begun: 0, cancelledAtMs: [] as number[] };
  server.handlers.unary = (call) => {
    seen.begun++;
    call.on('cancelled', () => seen.cancelledAtMs.push(performance.now()));
  };
  return seen;
}

/** Brings new connections to whoever is ready, as a balancer before two nodes does. */
async function startBalancer(to: number): Promise<{ readonly port: number; to: number }> {
  const balancer = { port: 0, to };
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp(balancer.to, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroySoon());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  balancer.port = (server.address() as AddressInfo).port;
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return balancer;
}

describe('a deadline', () => {
  it('that passes ends the call on both sides, and is not held against the endpoint', async () => {
    const { server, fermat, client } = await rig();
    const seen = silent(server);
    const startMs = performance.now();
    const error = await client.failure('x', { deadlineMs: 150 });
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(performance.now() - startMs).toBeLessThan(500);
    await until(() => seen.cancelledAtMs.length === 1, 'the cancellation');
    expect(seen.cancelledAtMs[0]! - startMs).toBeLessThan(300);
    await until(async () => (await counts(fermat)).e0!.requests === 1, 'the count');
    expect((await counts(fermat)).e0!.failures).toBe(0);
  });

  it('is told to the server', async () => {
    const { server, client } = await rig();
    let leftMs = 0;
    server.handlers.unary = (call, callback) => {
      leftMs = Number(call.getDeadline()) - Date.now();
      callback(null, call.request);
    };
    await client.unary('x', { deadlineMs: 3000 });
    expect(leftMs).toBeGreaterThan(2000);
    expect(leftMs).toBeLessThanOrEqual(3001);
  });

  // Else a client that has gone to sleep keeps the endpoint at work for nobody.
  it('is kept to by the proxy when its client forgets it', async () => {
    // Not grpc-js: that would end the call itself, and it is a race who is first.
    const origin = createH2();
    let cancelled = 0;
    origin.on('stream', (stream) => stream.on('aborted', () => cancelled++));
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    ends.push(() => origin.close());
    const fermat = await proxy(simpleConfig([urlOf(origin.address() as AddressInfo)]));
    const session = bareSession(fermat.port);
    const answer = await bareCall(session, { 'grpc-timeout': '200m' }, message('x'));
    expect(answer.tookMs).toBeGreaterThanOrEqual(195);
    expect(answer.tookMs).toBeLessThan(400);
    expect(answer.isTrailersOnly).toBe(true);
    expect(answer.head).toMatchObject({
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': '4',
      'grpc-message': 'the endpoint did not answer in time',
      'proxy-status': 'fermat; error=http_response_timeout',
    });
    await until(() => cancelled === 1, 'the cancellation');
    await until(async () => (await counts(fermat)).e0!.requests === 1, 'the count');
    expect((await counts(fermat)).e0!.failures).toBe(0);
    expect(await fermat.metric('fermat_requests_total', 'code="504"')).toBe(1);
    session.destroy();
  });

  it('is kept to in the middle of an answer, whose trailers say so', async () => {
    const { server, fermat } = await rig();
    server.handlers.repeat = (call) => void call.write(Buffer.from('first'));
    const session = bareSession(fermat.port);
    const fields = { ':path': '/test.Echo/Repeat', 'grpc-timeout': '200m' };
    const answer = await bareCall(session, fields, message('x'));
    expect(answer.tookMs).toBeGreaterThanOrEqual(195);
    expect(answer.body).toEqual(message('first'));
    expect(answer.trailers['grpc-status']).toBe('4');
  });

  it('of the route comes first when it is shorter, and is the endpoint’s failure', async () => {
    const { server, fermat, client } = await rig({ timeouts: { total: '200ms' } });
    silent(server);
    const startMs = performance.now();
    const error = await client.failure('x', { deadlineMs: 5000 });
    expect([error.code, error.details]).toEqual([status.DEADLINE_EXCEEDED, 'the endpoint did not answer in time']);
    expect(performance.now() - startMs).toBeLessThan(1000);
    await until(async () => (await counts(fermat)).e0!.failures === 1, 'the failure');
  });
});

describe('a client that cancels', () => {
  it('is heard by the server within 100 ms, in every kind of call', async () => {
    const { server, client } = await rig();
    const cancelled: Record<string, number> = {};
    const begun: string[] = [];
    const note = (kind: string) => (call: { on: (event: 'cancelled', then: () => void) => unknown }) => {
      begun.push(kind);
      call.on('cancelled', () => {
        cancelled[kind] = performance.now();
      });
    };
    server.handlers.unary = note('unary');
    server.handlers.repeat = note('repeat');
    server.handlers.chat = note('chat');
    const stop = new AbortController();
    const failure = client.failure('x', { signal: stop.signal });
    const repeat = client.repeat('x');
    const repeatEnd = endOf(repeat);
    const chat = client.chat();
    const chatEnd = endOf(chat);
    chat.write(Buffer.from('x'));
    await until(() => begun.length === 3, 'the calls');
    const atMs = performance.now();
    stop.abort();
    repeat.cancel();
    chat.cancel();
    expect((await failure).code).toBe(status.CANCELLED);
    expect((await repeatEnd).code).toBe(status.CANCELLED);
    expect((await chatEnd).code).toBe(status.CANCELLED);
    await until(() => Object.keys(cancelled).length === 3, 'the cancellations');
    for (const kind of begun) expect(cancelled[kind]! - atMs).toBeLessThan(100);
  });

  // A client that asks the same of several and takes the first answer.
  it('every other call leaves nothing behind, and the endpoint in good standing', async () => {
    const { server, fermat, client } = await rig();
    const cancelled: number[] = [];
    let begun = 0;
    server.handlers.unary = (call, callback) => {
      if (call.request.toString() === 'answer') return callback(null, call.request);
      begun++;
      call.on('cancelled', () => cancelled.push(performance.now()));
    };
    for (let round = 0; round < 20; round++) {
      const stop = new AbortController();
      const failures = Array.from({ length: 40 }, () => client.failure('x', { signal: stop.signal }));
      await Promise.all(Array.from({ length: 40 }, () => client.unary('answer')));
      await until(() => begun === (round + 1) * 40, 'the calls');
      stop.abort();
      for (const failure of failures) expect((await failure).code).toBe(status.CANCELLED);
    }
    await until(() => cancelled.length === 800, 'the cancellations');
    await until(async () => (await fermat.metric('fermat_endpoint_inflight')) === 0, 'nothing in flight');
    expect((await counts(fermat)).e0!.failures).toBe(0);
  });
});

describe('a client with many watches', () => {
  // Many requests taken back at once looked like a rapid reset, and cost the channel; but these had been open for a while.
  it('closes them all at once, again and again, and keeps its connection', async () => {
    const { server, fermat, client } = await rig();
    server.handlers.repeat = () => undefined; // nothing to tell
    for (let round = 0; round < 3; round++) {
      server.calls.length = 0;
      const watches = Array.from({ length: 90 }, () => client.repeat('x'));
      const over = watches.map((watch) => endOf(watch));
      await until(() => server.calls.length === 90, 'the watches');
      await delay(1200);
      for (const watch of watches) watch.cancel();
      for (const one of over) expect((await one).code).toBe(status.CANCELLED);
      expect((await client.unary('after')).message.toString()).toBe('after');
    }
    expect(await fermat.metric('fermat_connections')).toBe(1);
  });
});

describe('an endpoint that dies', () => {
  it('in the middle of streams is told as UNAVAILABLE, never as a clean end', async () => {
    const server = await spawnEcho();
    ends.push(() => server.kill());
    const fermat = await proxy(simpleConfig([urlOf(server)]));
    const client = clientTo(fermat.port);
    const received = [0, 0, 0, 0, 0];
    const streams = received.map((_, i) => {
      const call = client.repeat('1000000 1000');
      return endOf(call, () => received[i]!++);
    });
    const chat = client.chat();
    const chatEnd = endOf(chat);
    chat.write(Buffer.from('x'));
    await until(() => received.every((count) => count > 100), 'the streams');
    server.kill();
    const all = await within(3000, 'the ends', Promise.all([...streams, chatEnd]));
    for (const { code } of all) expect([status.UNAVAILABLE, status.INTERNAL]).toContain(code);
    await until(async () => (await counts(fermat)).e0!.failures >= 6, 'the failures');
  });

  it('is left for another, and calls that it never answered are told so at once', async () => {
    const [first, second] = [await spawnEcho(), await spawnEcho()];
    ends.push(
      () => first.kill(),
      () => second.kill(),
    );
    const fermat = await proxy(
      simpleConfig([urlOf(first), urlOf(second)], {
        probe: { type: 'grpc', interval: '200ms', timeout: '500ms' },
        balance: { policy: 'round-robin' },
      }),
    );
    await until(async () => (await fermat.admin('/readyz')).status === 200, 'ready');
    const client = clientTo(fermat.port);
    for (let i = 0; i < 20; i++) await client.unary(`${i}`);
    first.kill();
    const codes: number[] = [];
    for (let i = 0; i < 200; i++) {
      codes.push(
        await client.unary(`${i}`).then(
          () => status.OK,
          (error) => error.code,
        ),
      );
      if (i < 20) await delay(10);
    }
    // Whoever was on the dead connection is told; whatever could not connect goes elsewhere.
    const lost = codes.filter((code) => code !== status.OK);
    expect(lost.length).toBeLessThanOrEqual(1);
    for (const code of lost) expect(code).toBe(status.UNAVAILABLE);
  });

  it('gracefully is left without a failed call', async () => {
    const [first, second] = [await echo(), await echo()];
    const fermat = await proxy(simpleConfig([urlOf(first), urlOf(second)], { balance: { policy: 'round-robin' } }));
    const client = clientTo(fermat.port);
    let failures = 0;
    let calls = 0;
    let isOver = false;
    const callers = Array.from({ length: 10 }, async () => {
      while (!isOver) {
        calls++;
        await client.unary(`${calls}`).catch(() => failures++);
      }
    });
    await until(() => calls > 200, 'some calls');
    const gone = new Promise<void>((resolve) => first.server.tryShutdown(() => resolve()));
    await within(5000, 'the shutdown', gone);
    const before = calls;
    await until(() => calls > before + 200, 'more calls');
    isOver = true;
    await Promise.all(callers);
    expect(failures).toBe(0);
  });
});

describe('without an endpoint', () => {
  it('a call is UNAVAILABLE, and says why', async () => {
    const server = await echo();
    const { port } = server;
    server.stop();
    const fermat = await proxy(simpleConfig([`h2c://127.0.0.1:${port}`]));
    const error = await clientTo(fermat.port).failure();
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(error.details).toMatch(/refused the connection|no endpoint is healthy/);
  });

  it('that is healthy, a call is UNAVAILABLE with the time to wait', async () => {
    const server = await echo();
    server.handlers.health = (_call, callback) => callback(null, Buffer.from([8, 2]));
    const fermat = await proxy(
      simpleConfig([urlOf(server)], {
        probe: { type: 'grpc', interval: '100ms', fall: 1 },
        balance: { whenAllDown: 'fail' },
      }),
    );
    await until(async () => (await counts(fermat)).e0!.state === 'unhealthy', 'the verdict');
    expect((await counts(fermat)).e0!.why).toContain('health NOT_SERVING, expected SERVING');
    const error = await clientTo(fermat.port).failure();
    expect([error.code, error.details]).toEqual([status.UNAVAILABLE, 'no endpoint is healthy']);
    expect(error.metadata.get('grpc-retry-pushback-ms')).toEqual(['1000']);
    expect(server.calls).toEqual([]);
    expect(await fermat.metric('fermat_requests_total', 'code="503"')).toBe(1);
  });

  it('of that name, a call is UNIMPLEMENTED', async () => {
    const server = await echo();
    const fermat = await proxy({
      pools: { main: poolOf([urlOf(server)]) },
      routes: [{ pool: 'main', path: '/test.Echo/' }],
    });
    const client = clientTo(fermat.port);
    expect((await client.unary('x')).message.toString()).toBe('x');
    const error = await client.failure('x', { path: '/other.Service/Call' });
    expect([error.code, error.details]).toEqual([status.UNIMPLEMENTED, 'no route matches this host and path']);
  });
});

describe('what is no gRPC client', () => {
  it('gets HTTP’s own answer', async () => {
    const { fermat } = await rig({}, { routes: [{ pool: 'main', path: '/test.Echo/' }] });
    const fields = 'Host: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n';
    const answer = await exchange(fermat.port, `POST /x HTTP/1.1\r\n${fields}\r\n`, 'POST');
    expect(answer.status).toBe(404);
    expect(answer.field('content-type')).toBe('text/plain; charset=utf-8');
    const session = bareSession(fermat.port);
    const web = await bareCall(session, { ':path': '/x', 'content-type': 'application/grpc-web+proto' }, message(''));
    expect(web.head[':status']).toBe(404);
    const grpc = await bareCall(session, { ':path': '/x' }, message(''));
    expect(grpc.head).toMatchObject({ ':status': 200, 'grpc-status': '12' });
    expect(grpc.isTrailersOnly).toBe(true);
  });
});

describe('what endpoints say of themselves', () => {
  const twoEndpoints = async (pool: Config = {}) => {
    const [bad, good] = [await echo(), await echo()];
    const fermat = await proxy(
      simpleConfig([urlOf(bad), urlOf(good)], {
        balance: { policy: 'round-robin' },
        outlier: { consecutive: 5, ejection: '60s' },
        ...pool,
      }),
    );
    const areHealthy = async (): Promise<boolean> =>
      Object.values(await counts(fermat)).every(({ state }) => state === 'healthy');
    await until(areHealthy, 'both to be known as healthy');
    return { bad, good, fermat, client: clientTo(fermat.port) };
  };

  it.each([
    ['UNAVAILABLE', status.UNAVAILABLE],
    ['INTERNAL', status.INTERNAL],
    ['UNKNOWN', status.UNKNOWN],
    ['DATA_LOSS', status.DATA_LOSS],
    ['DEADLINE_EXCEEDED, to a call without a deadline', status.DEADLINE_EXCEEDED],
  ])('counts against them: %s', async (_name, code) => {
    const { bad, fermat, client } = await twoEndpoints();
    bad.handlers.unary = (_call, callback) => callback({ code, details: 'no' });
    for (let i = 0; i < 12; i++) await client.unary('x').catch(() => undefined);
    await until(async () => (await counts(fermat)).e0!.state === 'ejected', 'the ejection');
    expect(await fermat.metric('fermat_requests_total', 'code="200"')).toBe(12);
  });

  it.each([
    ['NOT_FOUND', status.NOT_FOUND, undefined],
    ['UNIMPLEMENTED', status.UNIMPLEMENTED, undefined],
    ['RESOURCE_EXHAUSTED', status.RESOURCE_EXHAUSTED, undefined],
    ['DEADLINE_EXCEEDED, to a call with a deadline', status.DEADLINE_EXCEEDED, 60_000],
  ])('does not eject them: %s', async (_name, code, deadlineMs) => {
    const { bad, fermat, client } = await twoEndpoints();
    bad.handlers.unary = (_call, callback) => callback({ code, details: 'no' });
    for (let i = 0; i < 40; i++) await client.unary('x', { deadlineMs }).catch(() => undefined);
    await until(async () => (await counts(fermat)).e0!.requests >= 15, 'the counts');
    expect((await counts(fermat)).e0).toMatchObject({ state: 'healthy', failures: 0 });
  });

  it('of a stream counts when it ends badly', async () => {
    const { server, fermat, client } = await rig();
    server.handlers.repeat = (call) => {
      call.write(Buffer.from('x'));
      call.emit('error', { code: status.INTERNAL, details: 'half way' });
    };
    expect((await endOf(client.repeat('x'))).code).toBe(status.INTERNAL);
    await until(async () => (await counts(fermat)).e0!.failures === 1, 'the failure');
  });

  it('by the health service decides who is sent calls', async () => {
    const { bad, good, fermat, client } = await twoEndpoints({
      probe: { type: 'grpc', service: 'test.Echo', interval: '100ms', fall: 1, rise: 1 },
    });
    const asked: string[] = [];
    bad.handlers.health = (call, callback) => {
      asked.push(call.request.subarray(2).toString());
      callback(null, Buffer.from([8, 2]));
    };
    await until(async () => (await counts(fermat)).e0!.state === 'unhealthy', 'the verdict');
    expect(new Set(asked)).toEqual(new Set(['test.Echo']));
    bad.calls.length = 0;
    for (let i = 0; i < 20; i++) await client.unary('x');
    expect([bad.calls.length, good.calls.length]).toEqual([0, 20]);
    bad.reset();
    await until(async () => (await counts(fermat)).e0!.state === 'healthy', 'the recovery');
  });
});

describe('time-outs', () => {
  const QUICK = { limits: { bodyTimeout: '1s', idleTimeout: '1s' } };

  it('do not cut streams that are silent for longer than a body may be', async () => {
    const { server, client } = await rig({ timeouts: { bodyIdle: '1s' } }, QUICK);
    let speak: () => void = () => undefined;
    server.handlers.repeat = (call) => {
      call.write(Buffer.from('one'));
      speak = () => {
        call.write(Buffer.from('two'));
        call.end();
      };
    };
    const heard: string[] = [];
    const repeatEnd = endOf(client.repeat('x'), (text) => heard.push(text.toString()));
    const chat = client.chat();
    const chatEnd = endOf(chat, (text) => heard.push(text.toString()));
    chat.write(Buffer.from('a'));
    await until(() => heard.length === 2, 'the first words');
    await delay(2500);
    chat.write(Buffer.from('b'));
    chat.end();
    speak();
    expect((await chatEnd).code).toBe(status.OK);
    expect((await repeatEnd).code).toBe(status.OK);
    expect(heard.sort()).toEqual(['a', 'b', 'one', 'two']);
  });

  it('still cut what is no gRPC', async () => {
    const origin = createH2(); // never answers
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    ends.push(() => origin.close());
    const fermat = await proxy({ ...simpleConfig([urlOf(origin.address() as AddressInfo)]), ...QUICK });
    const session = bareSession(fermat.port);
    const answer = await bareCall(session, { 'content-type': 'text/plain' }, null);
    expect(answer.head[':status']).toBe(408);
    session.destroy();
  });
});

describe('limits', () => {
  it('of an endpoint that takes five calls at a time make the others wait, and none fail', async () => {
    const server = await startEcho(undefined, { 'grpc.max_concurrent_streams': 5 });
    ends.push(() => server.stop());
    let most = 0;
    let now = 0;
    server.handlers.unary = (call, callback) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        callback(null, call.request);
      }, 5);
    };
    const fermat = await proxy(
      simpleConfig([urlOf(server)], { limits: { connectionsPerEndpoint: 1, queueTimeout: '10s' } }),
    );
    const client = clientTo(fermat.port);
    await client.unary('first');
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.unary(`${i}`)));
    expect(answers.every(({ message: text }, i) => text.toString() === `${i}`)).toBe(true);
    expect(most).toBeLessThanOrEqual(5);
  });

  it('of a body are told as RESOURCE_EXHAUSTED', async () => {
    const { client } = await rig({}, { limits: { body: '64KiB' } });
    expect((await client.unary('small')).message.toString()).toBe('small');
    const error = await client.failure(Buffer.alloc(1 << 20));
    expect([error.code, error.details]).toEqual([status.RESOURCE_EXHAUSTED, 'the request body is larger than allowed']);
    expect((await client.unary('small')).message.toString()).toBe('small');
  });
});

describe('under calls', () => {
  /** Calls of every kind without a pause, until stopped. Gives how many there were, and what failed. */
  function load(client: EchoClient): { calls: () => number; stop: () => Promise<string[]> } {
    const failures: string[] = [];
    let calls = 0;
    let isOver = false;
    ends.push(() => {
      isOver = true;
    });
    const note = (error: { code?: number; details?: string }): void =>
      void failures.push(`${error.code} ${error.details}`);
    const callers = Array.from({ length: 12 }, async (_, i) => {
      while (!isOver && failures.length < 100) {
        calls++;
        if (i % 3 === 0) {
          let count = 0;
          const end = await endOf(
            client.repeat('20 500', { metadata: metadataOf({ 'x-echo-t': 'e' }) }),
            () => count++,
          );
          if (end.code !== status.OK) note(end);
          else if (count !== 20 || end.metadata.get('t')[0] !== 'e') note({ details: `a clean end after ${count}` });
        } else if (i % 3 === 1) {
          const text = `${i} ${calls}`;
          await client
            .unary(text)
            .then((got) => got.message.toString() !== text && note({ details: 'mixed up' }), note);
        } else
          await client
            .collect([Buffer.alloc(10), Buffer.alloc(5)])
            .then((got) => got !== '2 15' && note({ details: got }), note);
      }
    });
    return {
      calls: () => calls,
      stop: async () => {
        isOver = true;
        await within(10_000, 'the last calls', Promise.all(callers));
        return failures;
      },
    };
  }

  it('a reload loses none', async () => {
    const { server, fermat, client } = await rig();
    const { calls, stop } = load(client);
    for (let i = 0; i < 5; i++) {
      const before = calls();
      await until(() => calls() > before + 100, 'some calls');
      fermat.writeConfig(simpleConfig([urlOf(server)], { timeouts: { firstByte: `${20 + i}s` } }));
      const reload = await fermat.json<{ ok: boolean }>('/api/v1/reload', { method: 'POST' });
      expect(reload.ok).toBe(true);
    }
    expect(await stop()).toEqual([]);
  });

  it('a reload that takes their endpoint away loses none', async () => {
    const [first, second] = [await echo(), await echo()];
    const fermat = await proxy(simpleConfig([urlOf(first)]));
    const client = clientTo(fermat.port);
    const { calls, stop } = load(client);
    for (let i = 0; i < 4; i++) {
      const before = calls();
      await until(() => calls() > before + 100, 'some calls');
      const config = { pools: { main: poolOf([urlOf(i % 2 === 0 ? second : first)], {}, i % 2 === 0 ? 'b' : 'a') } };
      fermat.writeConfig({ ...config, routes: [{ pool: 'main' }] });
      expect((await fermat.json<{ ok: boolean }>('/api/v1/reload', { method: 'POST' })).ok).toBe(true);
    }
    expect(await stop()).toEqual([]);
    expect(second.calls.length).toBeGreaterThan(0);
  });

  // GOAWAY moves the channel on; what was refused behind it, or had no connection yet, the library sends again by itself.
  it('a drain finishes what has begun, and new calls go elsewhere without a failure', async () => {
    const server = await echo();
    const config = { ...simpleConfig([urlOf(server)]), shutdown: { drainDelay: '1s', timeout: '10s' } };
    const old = await startFermat(config);
    const next = await proxy(config);
    const balancer = await startBalancer(old.port);
    const client = clientTo(balancer.port);
    const long = client.chat();
    const heard: string[] = [];
    const longEnd = endOf(long, (text) => heard.push(text.toString()));
    long.write(Buffer.from('before'));
    await until(() => heard.length === 1, 'the long call');
    const { calls, stop } = load(client);
    await until(() => calls() > 100, 'some calls');
    old.child.kill('SIGTERM');
    await until(async () => (await old.admin('/readyz')).status === 503, 'the drain to be seen');
    balancer.to = next.port;
    await until(async () => (await next.metric('fermat_requests_total')) > 200, 'calls at the successor');
    await delay(1500);
    expect(await stop()).toEqual([]);
    long.write(Buffer.from('after'));
    long.end();
    expect((await longEnd).code).toBe(status.OK);
    expect(heard).toEqual(['before', 'after']);
    expect(await old.ended()).toEqual({ code: 0, signal: null });
  });
});
