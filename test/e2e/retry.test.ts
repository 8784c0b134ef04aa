// When a request is tried again, and how often: what an endpoint asks for in Retry-After, pauses beyond the first retry, an
// endpoint never twice, and what the client is told of it.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, type OriginRequest, type Script, startOrigin } from '../support/origin.ts';
import { type Answer, exchange, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const ORIGINS = 5;
let origins: Origin[];
let fermat: Fermat;

const RETRY = { budgetMin: 1000 };
const POOLS: Record<string, Config> = {
  once: { retry: RETRY },
  often: { retry: { ...RETRY, attempts: 4 } },
  brief: { retry: { ...RETRY, attempts: 4 }, timeouts: { total: '600ms' } },
  limits: { retry: { ...RETRY, on: [429] } },
  fresh: { retry: RETRY },
  outage: {},
};

beforeAll(async () => {
  origins = await Promise.all(Array.from({ length: ORIGINS }, () => startOrigin()));
  const urls = origins.map(({ url }) => url);
  const pools: Config = {};
  for (const [name, more] of Object.entries(POOLS)) {
    pools[name] = poolOf(urls, { balance: { policy: 'round-robin' }, ...more }, `${name}-`);
  }
  fermat = await startFermat({
    pools,
    routes: Object.keys(pools).map((pool) => ({ host: pool, pool, serverTiming: true })),
  });
});
afterEach(() => {
  const faults = origins.flatMap((origin) => origin.faults);
  for (const origin of origins) origin.reset();
  expect(faults).toEqual([]);
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(async () => {
  await fermat?.stop();
  await Promise.all((origins ?? []).map((origin) => origin.refuse()));
});

const ask = (pool: string, method = 'GET') => `${method} / HTTP/1.1\r\nHost: ${pool}\r\n\r\n`;

interface Asked {
  readonly answer: Answer;
  readonly ms: number;
  /** Of which the machine may be to blame for so much. */
  readonly lateMs: number;
  readonly attempts: string | null;
}

async function asked(pool: string): Promise<Asked> {
  using watch = new Stopwatch();
  const answer = await exchange(fermat.port, ask(pool));
  const { ms } = watch;
  return { answer, ms, lateMs: watch.allowed(0), attempts: answer.field('x-fermat-attempts') };
}

/** What the first `n` requests get; the others get 200. */
function firstGet(n: number, script: Script): void {
  let seen = 0;
  for (const origin of origins) {
    origin.script = (request) => (seen++ < n ? script(request) : request.answer(200, 'well'));
  }
}

const requests = (): OriginRequest[] => origins.flatMap((origin) => origin.requests).sort((x, y) => x.atMs - y.atMs);
const gapsMs = () =>
  requests()
    .slice(1)
    .map((request, i) => request.atMs - requests()[i]!.atMs);

describe('Retry-After of an endpoint', () => {
  it.each([
    [503, 'once'],
    [429, 'limits'],
  ])('with a %s is waited for before the request goes elsewhere', async (status, pool) => {
    firstGet(1, (request) => request.answer(status, 'later', 'Retry-After: 1\r\n'));
    const { answer, ms, lateMs, attempts } = await asked(pool);
    expect([answer.status, answer.text, attempts]).toEqual([200, 'well', '2']);
    expect(ms).toBeGreaterThanOrEqual(1000);
    expect(ms).toBeLessThan(1500 + lateMs);
  });

  it('of no seconds is no wait', async () => {
    firstGet(1, (request) => request.answer(503, 'later', 'Retry-After: 0\r\n'));
    const { answer, ms, lateMs } = await asked('once');
    expect(answer.status).toBe(200);
    expect(ms).toBeLessThan(500 + lateMs);
  });

  it.each([
    ['is longer than a client would wait', 'once', 2],
    ['goes beyond the whole time', 'brief', 1],
  ])('that %s is passed on with the answer, at once', async (_, pool, seconds) => {
    firstGet(1, (request) => request.answer(503, 'later', `Retry-After: ${seconds}\r\n`));
    const { answer, ms, lateMs, attempts } = await asked(pool);
    expect([answer.status, answer.text, answer.field('retry-after'), attempts]).toEqual([
      503,
      'later',
      `${seconds}`,
      '1',
    ]);
    expect(ms).toBeLessThan(500 + lateMs);
    expect(requests().length).toBe(1);
  });

  it.each([
    ['a date to come is passed on', 60, 503],
    ['a date gone by is no wait', -60, 200],
  ])('that is %s', async (_, seconds, status) => {
    const date = new Date(Date.now() + seconds * 1000).toUTCString();
    firstGet(1, (request) => request.answer(503, 'later', `Retry-After: ${date}\r\n`));
    const { answer, ms, lateMs } = await asked('once');
    expect([answer.status, requests().length]).toEqual([status, status === 200 ? 2 : 1]);
    expect(ms).toBeLessThan(500 + lateMs);
  });

  it('holds nothing up when the client goes meanwhile', async () => {
    firstGet(1, (request) => request.answer(503, 'later', 'Retry-After: 1\r\n'));
    const client = await rawClient(fermat.port);
    await client.send(ask('once'));
    await until(() => requests().length === 1, 'the first attempt');
    await delay(50);
    client.destroy();
    await delay(1200);
    expect(requests().length).toBe(1);
    expect(await fermat.metric('fermat_requests_total', 'code="499"')).toBe(1);
  });
});

describe('retries', () => {
  it('go at once the first time, then with pauses, and never to an endpoint that was tried', async () => {
    for (let i = 0; i < 5; i++) {
      firstGet(4, (request) => request.reset());
      const { answer, lateMs, attempts } = await asked('often');
      expect([answer.text, attempts]).toEqual(['well', '5']);
      expect(origins.map((origin) => origin.requests.length)).toEqual([1, 1, 1, 1, 1]);
      const [first, ...others] = gapsMs() as [number, number, number, number];
      expect(first).toBeLessThan(25 + 75 + lateMs);
      // The pause, the wheel's tick, and a busy machine.
      for (const [n, ms] of others.entries()) expect(ms).toBeLessThan(50 * 2 ** n + 25 + 75 + lateMs);
      for (const origin of origins) origin.reset();
    }
  });

  it('end with the whole time, and the client is told what the last one met', async () => {
    firstGet(9, async (request) => {
      await delay(150);
      request.reset();
    });
    const { answer, ms, lateMs, attempts } = await asked('brief');
    expect([502, 504]).toContain(answer.status);
    expect(answer.field('proxy-status')).toMatch(/^fermat; error=/);
    expect(Number(attempts)).toBeGreaterThan(1);
    expect(ms).toBeLessThan(600 + 150 + lateMs);
    const before = requests().length;
    await delay(400);
    expect(requests().length).toBe(before);
  });

  it('that fail, too, are told with their number', async () => {
    firstGet(9, (request) => request.reset());
    const { answer, attempts } = await asked('fresh');
    expect([answer.status, attempts, requests().length]).toEqual([502, '2', 2]);
  });
});

it('an endpoint cannot say how many attempts there were', async () => {
  firstGet(1, (request) => request.answer(200, 'well', 'X-Fermat-Attempts: 77\r\n'));
  const { answer } = await asked('once');
  expect(answer.all('x-fermat-attempts')).toEqual(['1']);
});

it('in a total outage there are at most 1.2 requests upstream for one of a client', async () => {
  // Some good times first, so that the budget has something to give.
  for (let i = 0; i < 100; i++) expect((await asked('outage')).answer.status).toBe(200);
  for (const origin of origins) origin.reset();
  firstGet(Number.POSITIVE_INFINITY, (request) => request.answer(503, 'no'));
  const REQUESTS = 300;
  for (let i = 0; i < REQUESTS; i += 10) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => asked('outage')));
    expect(answers.every(({ answer }) => answer.status === 503)).toBe(true);
  }
  expect(requests().length).toBeGreaterThan(REQUESTS);
  expect(requests().length).toBeLessThanOrEqual(REQUESTS * 1.2);
});

// Retries that were not afforded, not safe, or waited for first were told as decisions that stay under way for ever.
it('an endpoint that was looked for, and not asked, is no decision', async () => {
  firstGet(Number.POSITIVE_INFINITY, (request) => request.answer(503, 'no'));
  for (const method of ['GET', 'POST', 'GET', 'POST']) await exchange(fermat.port, ask('outage', method));
  firstGet(1, (request) => request.answer(503, 'later', 'Retry-After: 1\r\n'));
  await asked('once');
  type Told = { pool: string; outcome: string; replay: { tried: number[] } };
  const told = await until(async () => {
    const all = await fermat.json<Told[]>('/api/v1/decisions?limit=1024');
    return all.every(({ outcome }) => outcome !== 'pending') && all;
  }, 'an outcome of every decision');
  expect(told.some(({ pool, replay }) => pool === 'once' && replay.tried.length > 0)).toBe(true);
});
