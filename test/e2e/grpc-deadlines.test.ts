// How long gRPC calls may take: deadlines, cancellation, silent streams, limits. Each side is the real library, but where the
// test is about a client that breaks its own rules.

import { createServer as createH2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { type EchoServer, endOf, startEcho } from '../support/grpc.ts';
import { bareCall, bareSession, clientTo, counts, ends, message, proxy, rig, urlOf } from '../support/grpc-rig.ts';
import { Stopwatch } from '../support/lateness.ts';
import { delay, until } from '../support/until.ts';

/** Counts the calls that never answer, and when each was cancelled. */
function silent(server: EchoServer): { begun: number; cancelledAtMs: number[] } {
  const seen = { begun: 0, cancelledAtMs: [] as number[] };
  server.handlers.unary = (call) => {
    seen.begun++;
    call.on('cancelled', () => seen.cancelledAtMs.push(performance.now()));
  };
  return seen;
}

describe('a deadline', () => {
  it('that passes ends the call on both sides, and is not held against the endpoint', async () => {
    const { server, fermat, client } = await rig();
    await client.unary('x'); // the channel is there: the time is the call's alone
    const seen = silent(server);
    using watch = new Stopwatch();
    const error = await client.failure('x', { deadlineMs: 300 });
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(watch.ms).toBeLessThan(watch.allowed(1000));
    await until(() => seen.cancelledAtMs.length === 1, 'the cancellation');
    expect(seen.cancelledAtMs[0]! - watch.startMs).toBeLessThan(watch.allowed(500));
    await until(async () => (await counts(fermat)).e0!.requests === 2, 'the count');
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
    using watch = new Stopwatch();
    const answer = await bareCall(session, { 'grpc-timeout': '200m' }, message('x'));
    expect(answer.tookMs).toBeGreaterThanOrEqual(195);
    expect(answer.tookMs).toBeLessThan(watch.allowed(400));
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
    using watch = new Stopwatch();
    const error = await client.failure('x', { deadlineMs: 5000 });
    expect([error.code, error.details]).toEqual([status.DEADLINE_EXCEEDED, 'the endpoint did not answer in time']);
    expect(watch.ms).toBeLessThan(watch.allowed(1000));
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
    using watch = new Stopwatch();
    stop.abort();
    repeat.cancel();
    chat.cancel();
    expect((await failure).code).toBe(status.CANCELLED);
    expect((await repeatEnd).code).toBe(status.CANCELLED);
    expect((await chatEnd).code).toBe(status.CANCELLED);
    await until(() => Object.keys(cancelled).length === 3, 'the cancellations');
    for (const kind of begun) expect(cancelled[kind]! - watch.startMs).toBeLessThan(watch.allowed(100));
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
