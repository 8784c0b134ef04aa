// A second attempt beside a late first one: who answers, who is let go of, what it costs, and what is never asked twice. The
// endpoints answer at once but for requests to /late, whose script says what the first and what the second of them gets.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Origin, type OriginRequest, type Script, startOrigin } from '../support/origin.ts';
import { type Answer, exchange, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

let a: Origin;
let b: Origin;
let fermat: Fermat;

/** Nothing is out of budget, and a dozen answers are enough to know what is late. */
const EAGER = { enabled: true, quantile: 0.8, budgetPercent: 100 };
const POOLS: Record<string, Config> = {
  plain: { hedge: EAGER },
  off: {},
  poor: { hedge: { ...EAGER, budgetPercent: 0 } },
  short: { hedge: EAGER, timeouts: { firstByte: '600ms' }, retry: { attempts: 0 } },
  total: { hedge: EAGER, timeouts: { total: '400ms' } },
};
const LATE_MS = 2000;

beforeAll(async () => {
  [a, b] = [await startOrigin(), await startOrigin()];
  const pools: Config = {};
  for (const [name, more] of Object.entries(POOLS)) {
    pools[name] = poolOf([a.url, b.url], { balance: { policy: 'round-robin' }, ...more }, `${name}-`);
  }
  fermat = await startFermat({
    pools,
    routes: Object.keys(pools).map((pool) => ({ host: pool, pool, serverTiming: true })),
  });
  for (const pool of Object.keys(pools)) {
    for (let i = 0; i < 30; i++) expect((await asked(pool, '/')).status).toBe(200);
  }
  // Nobody is new any more: the workers have a table that says so.
  await until(async () => {
    const endpoints = await fermat.json<{ requests: number }[]>('/api/v1/endpoints');
    return endpoints.every(({ requests }) => requests >= 15);
  }, 'every endpoint to be known');
  await delay(300);
});
afterEach(() => {
  const faults = [...a.faults, ...b.faults];
  a.reset();
  b.reset();
  expect(faults).toEqual([]);
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(async () => {
  await fermat?.stop();
  await Promise.all([a?.refuse(), b?.refuse()]);
});

const ask = (pool: string, target: string, method = 'GET', body = '') =>
  `${method} ${target} HTTP/1.1\r\nHost: ${pool}\r\n${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`;
const asked = (pool: string, target = '/late', method = 'GET', body = ''): Promise<Answer> =>
  exchange(fermat.port, ask(pool, target, method, body), method);

const late = () => [...a.requests, ...b.requests].filter(({ target }) => target === '/late');
const byTime = () => late().sort((x, y) => x.atMs - y.atMs);

/** The first request to /late gets `first`, the next one `second`, wherever they come. */
function scripts(first: Script, second: Script): void {
  let n = 0;
  const either: Script = (request) => {
    if (request.target !== '/late') return request.answer();
    return n++ === 0 ? first(request) : second(request);
  };
  a.script = either;
  b.script = either;
}

const never: Script = () => {};
const says =
  (text: string, afterMs = 0): Script =>
  async (request) => {
    await delay(afterMs);
    if (!request.connection.isClosed) request.answer(200, text);
  };
const hedges = (pool: string, result: string) =>
  fermat.metric('fermat_hedges_total', `pool="${pool}"`, `result="${result}"`);

/** Its connection was closed, and how long after `request` came. */
async function droppedAfterMs(request: OriginRequest): Promise<number> {
  await until(() => request.connection.isClosed, 'the end of the loser');
  return request.connection.closedAtMs - request.atMs;
}

describe('a late answer', () => {
  it('is outrun by a second attempt elsewhere, and the first one is let go of at once', async () => {
    scripts(never, says('second'));
    const won = await hedges('plain', 'won');
    const startMs = performance.now();
    const answer = await asked('plain');
    expect(performance.now() - startMs).toBeLessThan(LATE_MS / 2);
    expect([answer.status, answer.text, answer.field('x-fermat-attempts')]).toEqual([200, 'second', '2']);
    const [first, second] = byTime() as [OriginRequest, OriginRequest];
    expect(new Set([a.requests.includes(first), a.requests.includes(second)]).size).toBe(2); // one each
    expect(await droppedAfterMs(first)).toBeLessThan(LATE_MS / 2);
    expect(second.connection.isClosed).toBe(false);
    expect(await hedges('plain', 'won')).toBe(won + 1);
    // Neither of them has failed.
    expect(await fermat.metric('fermat_upstream_failures_total', 'plain-')).toBe(0);
  });

  it('wins all the same when it comes before the second, which is then let go of', async () => {
    scripts(says('first', 250), never);
    const lost = await hedges('plain', 'lost');
    const answer = await asked('plain');
    expect([answer.text, answer.field('x-fermat-attempts')]).toEqual(['first', '2']);
    const [first, second] = byTime() as [OriginRequest, OriginRequest];
    expect(await droppedAfterMs(second)).toBeLessThan(LATE_MS / 2);
    expect(first.connection.isClosed).toBe(false);
    expect(await hedges('plain', 'lost')).toBe(lost + 1);
  });

  it('counts in the usual way afterwards: nothing is in flight, and every request has one answer', async () => {
    for (let i = 0; i < 5; i++) {
      scripts(never, says('second'));
      expect((await asked('plain')).text).toBe('second');
    }
    await until(
      async () =>
        (await fermat.json<{ inflight: number }[]>('/api/v1/endpoints')).every(({ inflight }) => inflight === 0),
      'nothing in flight',
    );
  });

  it('serves the rest of a connection as ever after a hedge has won', async () => {
    scripts(never, says('x'.repeat(300_000)));
    using client = await rawClient(fermat.port);
    await client.send(ask('plain', '/late') + ask('plain', '/'));
    expect((await client.answer()).text.length).toBe(300_000);
    expect((await client.answer()).text).toBe('ok');
  });

  it('repeats a body that has been read, whole', async () => {
    scripts(never, async (request) => request.answer(200, String((await request.whole()).length)));
    const answer = await asked('plain', '/late', 'PUT', 'x'.repeat(30_000));
    expect(answer.text).toBe('30000');
    expect(late().map((request) => request.bodyBytes)).toEqual([30_000, 30_000]);
  });
});

describe('nothing is asked twice', () => {
  it.each([
    ['off', 'GET'],
    ['plain', 'POST'],
    ['plain', 'PATCH'],
  ])('in the pool %s with %s', async (pool, method) => {
    scripts(says('first', 300), says('second'));
    const answer = await asked(pool, '/late', method, method === 'GET' ? '' : 'body');
    expect([answer.text, answer.field('x-fermat-attempts'), late().length]).toEqual(['first', '1', 1]);
  });

  it('when the budget does not allow it, which is counted once', async () => {
    scripts(says('first', 400), says('second'));
    expect((await asked('poor')).text).toBe('first');
    expect(late().length).toBe(1);
    expect(await hedges('poor', 'budget')).toBe(1);
    expect((await hedges('poor', 'won')) + (await hedges('poor', 'lost'))).toBe(0);
  });

  it('while the body is still coming', async () => {
    scripts(async (request) => {
      await request.whole();
      request.answer(200, 'first');
    }, says('second'));
    using client = await rawClient(fermat.port);
    await client.send('PUT /late HTTP/1.1\r\nHost: plain\r\nContent-Length: 10\r\n\r\nhalf.');
    await delay(300);
    await client.send('half.');
    expect((await client.answer('PUT')).text).toBe('first');
    expect(late().length).toBe(1);
  });

  it.each([
    ['POST', 10],
    ['PUT', 200_000],
  ])('because nobody said 100, when it must not be (%s of %i bytes)', async (method, bytes) => {
    scripts(async (request) => {
      await request.whole();
      await delay(1500); // beyond the patience of a client that waits for a 100
      request.answer(200, 'first');
    }, says('second'));
    using client = await rawClient(fermat.port);
    await client.send(
      `${method} /late HTTP/1.1\r\nHost: plain\r\nExpect: 100-continue\r\nContent-Length: ${bytes}\r\n\r\n`,
    );
    await until(() => late().length === 1, 'the request at its endpoint');
    await client.send('x'.repeat(bytes));
    expect((await client.answer(method)).text).toBe('first');
    expect(late().map((request) => request.bodyBytes)).toEqual([bytes]);
  });

  it('when the body was too large to be kept', async () => {
    scripts(async (request) => {
      await request.whole();
      await delay(300);
      request.answer(200, 'first');
    }, says('second'));
    expect((await asked('plain', '/late', 'PUT', 'x'.repeat(200_000))).text).toBe('first');
    expect(late().length).toBe(1);
  });
});

describe('when one of the two fails', () => {
  it.each(['reset', 'close'] as const)('by a %s of the first, the second goes on', async (how) => {
    scripts(
      async (request) => {
        await delay(200);
        request[how]();
      },
      says('second', 500),
    );
    const answer = await asked('plain');
    expect([answer.status, answer.text, late().length]).toEqual([200, 'second', 2]);
  });

  it.each(['reset', 'close'] as const)('by a %s of the second, the first goes on', async (how) => {
    scripts(says('first', 500), (request) => request[how]());
    const answer = await asked('plain');
    expect([answer.status, answer.text, late().length]).toEqual([200, 'first', 2]);
  });

  it('by a status that is tried again, the other one goes on, whichever it was', async () => {
    scripts(says('first', 500), (request) => request.answer(503, 'no'));
    expect((await asked('plain')).text).toBe('first');
    scripts(
      async (request) => {
        await delay(200);
        request.answer(503, 'no');
      },
      says('second', 500),
    );
    expect((await asked('plain')).text).toBe('second');
  });

  it('by its time, the second goes on, even where nothing is tried again', async () => {
    scripts(never, says('second', 500));
    const answer = await asked('short');
    expect([answer.status, answer.text, late().length]).toEqual([200, 'second', 2]);
  });

  it('and then the other, too, the client is told so', async () => {
    scripts(never, never);
    const answer = await asked('short');
    expect([answer.status, answer.field('x-fermat-attempts'), late().length]).toEqual([504, '2', 2]);
    await until(() => late().every(({ connection }) => connection.isClosed), 'the end of both');
  });
});

describe('both are let go of', () => {
  it('when the client goes', async () => {
    scripts(never, never);
    const client = await rawClient(fermat.port);
    await client.send(ask('plain', '/late'));
    await until(() => late().length === 2, 'both attempts');
    client.destroy();
    await until(() => late().every(({ connection }) => connection.isClosed), 'the end of both');
    expect(await fermat.metric('fermat_upstream_failures_total', 'plain-', 'timeout')).toBe(0);
  });

  it('when the whole time is up', async () => {
    scripts(never, never);
    const startMs = performance.now();
    expect((await asked('total')).status).toBe(504);
    expect(performance.now() - startMs).toBeLessThan(LATE_MS);
    expect(late().length).toBe(2);
    await until(() => late().every(({ connection }) => connection.isClosed), 'the end of both');
  });
});
