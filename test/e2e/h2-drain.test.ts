// RELIABILITY.md F8: the end of a process in front of HTTP/2 clients. They are warned, what they send meanwhile is served, they are
// told which request was the last, and everything up to it ends in order.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { simpleConfig, startFermat } from '../support/fermat.ts';
import { h2Client } from '../support/h2.ts';
import { data, E, F, getFields, headers, ping, postFields, T, windowUpdate } from '../support/h2-frames.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { delay, until } from '../support/until.ts';

describe('F8 a drain', () => {
  let origin: Origin;
  beforeAll(async () => {
    origin = await startOrigin();
  });
  afterAll(() => origin.refuse());

  const start = (drainDelay: string) =>
    startFermat(simpleConfig([origin.url], {}, { shutdown: { drainDelay, timeout: '5s' } }));

  it('F8 warns, serves what was sent meanwhile, says which was the last, and lets all of it end', async () => {
    const fermat = await start('400ms');
    const answers: (() => void)[] = [];
    origin.script = (request) => {
      if (request.target === '/slow') answers.push(() => request.answer(200, 'slow'));
      else request.answer();
    };
    // Two clients: one answers the PING behind the warning when it likes, the other never.
    using client = await h2Client(fermat.port, { isDeaf: true });
    using deaf = await h2Client(fermat.port, { isDeaf: true });
    using idle = await h2Client(fermat.port);
    await idle.get();
    const slow = [client.request(getFields('/slow')), deaf.request(getFields('/slow'))];
    await until(() => answers.length === 2, 'both slow requests');
    fermat.child.kill('SIGTERM');
    for (const one of [client, deaf]) {
      await one.come(() => one.goaways.length > 0, 'the warning');
      expect(one.goaways).toEqual([{ lastId: 0x7fff_ffff, code: E.NO_ERROR }]);
    }
    const between = await client.get('/between');
    expect(between.status).toBe(200);
    const late = await h2Client(fermat.port);
    expect((await late.get('/late')).status).toBe(200);
    expect(await late.ended()).toBe(E.NO_ERROR);
    client.send(ping(client.framesOf(T.PING)[0]!.payload.toString('latin1'), F.ACK));
    await client.come(() => client.goaways.length === 2, 'the last word');
    expect(client.goaways[1]).toEqual({ lastId: between.id, code: E.NO_ERROR });
    // Whoever sends more has not read it: that is passed over, with its body, and hurts nobody.
    const tooLate = client.id();
    client.send(
      headers(tooLate, postFields('/too-late')),
      data(tooLate, 'x'),
      windowUpdate(tooLate, 5),
      data(tooLate, '', F.END_STREAM),
    );
    expect(await idle.ended()).toBe(E.NO_ERROR);
    await deaf.come(() => deaf.goaways.length === 2, 'the last word to the deaf');
    for (const answer of answers) answer();
    for (const [i, one] of [client, deaf].entries()) {
      expect((await one.over(slow[i]!)).body).toBe('slow');
      expect(await one.ended()).toBe(E.NO_ERROR);
      expect(one.wasReset).toBe(false);
    }
    expect((await fermat.ended()).code).toBe(0);
    expect(origin.requests.map(({ target }) => target)).not.toContain('/too-late');
    await fermat.stop();
    origin.reset();
  });

  it('F8 loses none of a hundred requests under way', async () => {
    const fermat = await start('0s');
    origin.script = async (request) => {
      await delay(300);
      request.answer(200, Buffer.alloc(100_000));
    };
    using client = await h2Client(fermat.port);
    const all = Array.from({ length: 100 }, () => client.request());
    await until(() => origin.requests.length === 100, 'a hundred requests');
    fermat.child.kill('SIGTERM');
    for (const stream of all) {
      await client.over(stream);
      expect([stream.status, stream.hasEnded, stream.bodyBytes]).toEqual([200, true, 100_000]);
    }
    expect(await client.ended()).toBe(E.NO_ERROR);
    expect((await fermat.ended()).code).toBe(0);
    await fermat.stop();
    origin.reset();
  });

  it('F8 cuts what does not end when the time is up', async () => {
    const fermat = await startFermat(
      simpleConfig([origin.url], {}, { shutdown: { drainDelay: '0s', timeout: '300ms' } }),
    );
    origin.script = () => {};
    using client = await h2Client(fermat.port);
    client.request();
    await until(() => origin.requests.length > 0, 'the request');
    expect((await fermat.stop()).code).toBe(0);
    await until(() => client.isClosed || client.hasEnded, 'the end of the connection');
    origin.reset();
  });
});
