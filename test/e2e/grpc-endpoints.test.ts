// Endpoints of gRPC calls that die, refuse, or report that they are not well: who is told what, and what is held against them.

import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type Config, poolOf, simpleConfig } from '../support/fermat.ts';
import { endOf } from '../support/grpc.ts';
import { spawnEcho } from '../support/grpc-process.ts';
import {
  bareCall,
  bareSession,
  clientTo,
  counts,
  echo,
  ends,
  message,
  proxy,
  rig,
  urlOf,
} from '../support/grpc-rig.ts';
import { exchange } from '../support/raw.ts';
import { delay, until, within } from '../support/until.ts';

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
