// Endpoints that refuse, are silent, reset, stall or go away, and what a client sees of it: a retry elsewhere where that is
// safe, one clear error where it is not. Round robin, so that each endpoint gets its turn whatever its score.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startBlackhole } from '../support/blackhole.ts';
import { type Config, type Fermat, poolOf, simpleConfig, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, type Script, startOrigin } from '../support/origin.ts';
import { type Answer, exchange, get, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

let a: Origin;
let b: Origin;
let fermat: Fermat;

const RETRY = { budgetMin: 1000 };

const QUICK = { connect: '300ms', firstByte: '400ms', bodyIdle: '400ms' };

/** Kinds of pools. Every test takes fresh ones: what endpoints did in one must not be held against them in the next. */
const KINDS: Record<string, { endpoints: 1 | 2; copies: number; pool: Config }> = {
  pair: { endpoints: 2, copies: 16, pool: {} },
  one: { endpoints: 1, copies: 14, pool: { timeouts: QUICK } },
  quick: { endpoints: 2, copies: 1, pool: { timeouts: QUICK } },
  budget: { endpoints: 2, copies: 1, pool: { retry: { budgetPercent: 0, budgetMin: 0 } } },
  none: { endpoints: 2, copies: 1, pool: { retry: { attempts: 0 } } },
  total: { endpoints: 1, copies: 1, pool: { timeouts: { total: '500ms' } } },
  narrow: {
    endpoints: 1,
    copies: 2,
    pool: { limits: { connectionsPerEndpoint: 2, queue: 2, queueTimeout: '400ms' } },
  },
  idle: { endpoints: 1, copies: 1, pool: { timeouts: { idle: '400ms' } } },
};
const taken: Record<string, number> = {};

/** The name, and host, of a pool of this kind that nobody has used yet. */
function fresh(kind: keyof typeof KINDS): string {
  const n = taken[kind] ?? 0;
  if (n === KINDS[kind]?.copies) throw new Error(`more than ${n} pools of kind ${kind} are needed`);
  taken[kind] = n + 1;
  return `${kind}${n}`;
}

beforeAll(async () => {
  [a, b] = [await startOrigin(), await startOrigin()];
  const pools: Config = {};
  for (const [kind, { endpoints, copies, pool }] of Object.entries(KINDS)) {
    for (let n = 0; n < copies; n++) {
      const urls = endpoints === 1 ? [a.url] : [a.url, b.url];
      pools[`${kind}${n}`] = poolOf(
        urls,
        { balance: { policy: 'round-robin' }, retry: RETRY, ...pool },
        `${kind}${n}-`,
      );
    }
  }
  fermat = await startFermat({ pools, routes: Object.keys(pools).map((pool) => ({ host: pool, pool })) });
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

const ask = (pool: string, method = 'GET', body = '') =>
  `${method} / HTTP/1.1\r\nHost: ${pool}\r\n${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`;
const asked = (pool: string, method?: string, body?: string): Promise<Answer> =>
  exchange(fermat.port, ask(pool, method, body), method);

/** Both endpoints play `script` when they are the first to be asked, and answer 200 when they are the second. */
function firstFails(script: Script): void {
  let n = 0;
  const either: Script = (request) => (n++ === 0 ? script(request) : request.answer(200, 'second'));
  a.script = either;
  b.script = either;
}

const requests = () => [...a.requests, ...b.requests];

describe('connections that are refused', () => {
  it('tries the same request elsewhere, whatever its method: none is lost', async () => {
    const pairPool = fresh('pair');
    await a.refuse();
    try {
      for (let i = 0; i < 20; i++) {
        const method = ['GET', 'POST', 'DELETE', 'PATCH'][i % 4]!;
        expect((await asked(pairPool, method, method === 'POST' ? 'body' : '')).status).toBe(200);
      }
      expect(b.requests.length).toBe(20);
      expect(b.requests.filter((request) => request.method === 'POST').every((r) => r.body.toString() === 'body')).toBe(
        true,
      );
      expect(await fermat.metric('fermat_retries_total', `pool="${pairPool}"`, 'result="success"')).toBeGreaterThan(0);
    } finally {
      await a.listen();
    }
  });

  it('answers 502 when there is no other, at once and to every method', async () => {
    const onePool = fresh('one');
    await a.refuse();
    try {
      using watch = new Stopwatch();
      for (const method of ['GET', 'POST']) {
        const answer = await asked(onePool, method);
        expect([502, 503]).toContain(answer.status);
        expect(answer.field('proxy-status')).toMatch(/^fermat; error=(connection_refused|destination_unavailable)$/);
        expect(answer.text).toMatch(/^50[23] /);
      }
      expect(watch.ms).toBeLessThan(watch.allowed(300));
    } finally {
      await a.listen();
    }
    await until(async () => (await asked(onePool)).status === 200, 'the endpoint to be used again');
  });

  it('gives up on a SYN that nobody answers and goes elsewhere; without an elsewhere it is a 504', async () => {
    using hole = await startBlackhole();
    const probe = { type: 'tcp', interval: '1h', timeout: '5s' };
    await using other = await startFermat(
      {
        pools: {
          both: poolOf([hole.url, a.url], { probe, balance: { policy: 'round-robin' }, timeouts: QUICK, retry: RETRY }),
          hole: poolOf([hole.url], { probe, timeouts: QUICK, retry: RETRY }, 'hole'),
        },
        routes: [
          { host: 'both', pool: 'both' },
          { host: 'hole', pool: 'hole' },
        ],
      },
      { isUnready: true },
    );
    for (let i = 0; i < 4; i++) {
      using watch = new Stopwatch();
      expect((await exchange(other.port, ask('both', 'POST', 'x'))).status).toBe(200);
      expect(watch.ms).toBeLessThan(watch.allowed(1300));
    }
    const answer = await exchange(other.port, ask('hole'));
    expect([answer.status, answer.field('proxy-status')]).toEqual([504, 'fermat; error=connection_timeout']);
  });
});

describe('connections that break before an answer', () => {
  it.each(['reset', 'close'] as const)('tries a GET elsewhere after a %s', async (how) => {
    const pairPool = fresh('pair');
    firstFails((request) => request[how]());
    const answer = await asked(pairPool);
    expect([answer.status, answer.text, requests().length]).toEqual([200, 'second', 2]);
    expect([a.requests.length, b.requests.length]).toEqual([1, 1]);
  });

  it.each([
    'POST',
    'PATCH',
    'LOCK',
  ])('answers 502 to %s, which may have been done, and sends it once', async (method) => {
    const pairPool = fresh('pair');
    firstFails((request) => request.reset());
    const answer = await asked(pairPool, method, 'body');
    expect([answer.status, answer.field('proxy-status'), requests().length]).toEqual([
      502,
      'fermat; error=connection_terminated',
      1,
    ]);
  });

  it('repeats a PUT with its body, and one too large to be held is a 502', async () => {
    const pairPool = fresh('pair');
    firstFails(async (request) => {
      await request.whole();
      request.reset();
    });
    expect((await asked(pairPool, 'PUT', 'x'.repeat(20_000))).status).toBe(200);
    expect(requests().map((request) => request.bodyBytes)).toEqual([20_000, 20_000]);
    a.reset();
    b.reset();
    firstFails(async (request) => {
      await request.whole();
      request.reset();
    });
    expect((await asked(pairPool, 'PUT', 'x'.repeat(2_000_000))).status).toBe(502);
    expect(requests().length).toBe(1);
  });

  it('does not repeat what has begun to be answered: the client sees it broken off', async () => {
    const pairPool = fresh('pair');
    firstFails(async (request) => {
      request.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      await delay(20);
      request.reset();
    });
    using client = await rawClient(fermat.port);
    await client.send(ask(pairPool));
    await expect(client.answer()).rejects.toThrow(/was (closed|reset) before/);
    expect(requests().length).toBe(1);
  });

  it('goes no further than the retries allowed', async () => {
    const pairPool = fresh('pair');
    const nonePool = fresh('none');
    const fail: Script = (request) => request.reset();
    [a.script, b.script] = [fail, fail];
    expect((await asked(pairPool)).status).toBe(502);
    expect(requests().length).toBe(2);
    a.reset();
    b.reset();
    [a.script, b.script] = [fail, fail];
    expect((await asked(nonePool)).status).toBe(502);
    expect(requests().length).toBe(1);
  });

  it('repeats nothing once the budget is spent, and counts that', async () => {
    const budgetPool = fresh('budget');
    firstFails((request) => request.reset());
    expect((await asked(budgetPool)).status).toBe(502);
    expect(await fermat.metric('fermat_retries_total', `pool="${budgetPool}"`, 'result="budget"')).toBe(1);
  });
});

describe('pooled connections', () => {
  const warm = async (pool: string) => {
    using client = await rawClient(fermat.port);
    await client.send(ask(pool));
    expect((await client.answer()).status).toBe(200);
  };
  /** Connections that have already answered once break on their second request, before a byte of an answer. */
  const secondBreaks: Script = (request) => {
    if (request.connection.requests.length > 1) request.reset();
    else request.answer(200, 'fresh');
  };

  it('E7 tries an idempotent request again on a new connection when a pooled one turns out stale', async () => {
    const onePool = fresh('one');
    await warm(onePool);
    a.script = secondBreaks;
    const answer = await asked(onePool, 'DELETE');
    expect([answer.status, answer.text]).toEqual([200, 'fresh']);
  });

  it('E7 does not repeat a POST that may have arrived over a stale connection', async () => {
    const onePool = fresh('one');
    await warm(onePool);
    a.script = secondBreaks;
    const answer = await asked(onePool, 'POST', 'body');
    expect(answer.status).toBe(502);
    expect(a.requests.filter((request) => request.method === 'POST').length).toBe(1);
  });

  it('does not use a connection again that the endpoint has closed', async () => {
    const onePool = fresh('one');
    await warm(onePool);
    const { connection } = a.request;
    connection.socket.end();
    await until(() => connection.isClosed, 'the end of the pooled connection');
    expect((await asked(onePool, 'POST', 'body')).status).toBe(200);
  });

  it('does not use a connection again whose answer said close', async () => {
    const onePool = fresh('one');
    a.script = (request) => request.answer(200, 'x', 'Connection: close\r\n');
    await warm(onePool);
    await warm(onePool);
    expect(new Set(a.requests.map((request) => request.connection)).size).toBe(2);
  });

  it('closes connections that have been idle for long enough', async () => {
    const idlePool = fresh('idle');
    await warm(idlePool);
    const { connection } = a.request;
    await until(() => connection.isClosed, 'the end of the idle connection', 3000);
  });

  it('believes an endpoint that says how long it keeps a connection', async () => {
    const pairPool = fresh('pair');
    a.script = (request) => request.answer(200, 'x', 'Keep-Alive: timeout=1\r\n');
    await warm(pairPool);
    await warm(pairPool);
    const { connection } = a.request;
    await until(() => connection.isClosed, 'the end before the second is over', 1500);
  });
});

describe('endpoints that are silent or stall', () => {
  it('tries a GET elsewhere when no first byte comes in time', async () => {
    const quickPool = fresh('quick');
    firstFails(() => {});
    using watch = new Stopwatch();
    const answer = await asked(quickPool);
    const { ms } = watch;
    expect([answer.status, answer.text]).toEqual([200, 'second']);
    expect(ms).toBeGreaterThan(380);
    expect(ms).toBeLessThan(watch.allowed(1200));
    const silent = requests().find(
      (request) => request.connection.requests.at(-1) === request && !request.connection.isClosed,
    );
    await until(
      () => requests().some((request) => request.connection.isClosed),
      `the end of the silent attempt ${silent?.target}`,
    );
  });

  it.each(['GET', 'POST'])('answers 504 to %s when there is no other', async (method) => {
    const onePool = fresh('one');
    a.script = () => {};
    const answer = await asked(onePool, method);
    expect([answer.status, answer.field('proxy-status')]).toEqual([504, 'fermat; error=http_response_timeout']);
    expect(a.requests.length).toBe(1);
    await until(() => a.requests[0]?.connection.isClosed, 'the end of the silent attempt');
  });

  it('breaks off a body that makes no progress, visibly', async () => {
    const onePool = fresh('one');
    a.script = (request) => request.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    using client = await rawClient(fermat.port);
    await client.send(ask(onePool));
    const startMs = performance.now();
    await expect(client.answer()).rejects.toThrow(/was (closed|reset) before/);
    expect(performance.now() - startMs).toBeGreaterThan(380);
  });

  it('lets a body that makes progress, and a stream of events that makes none, take their time', async () => {
    const onePool = fresh('one');
    a.script = async (request) => {
      const isEvents = request.target === '/events';
      request.send(
        `HTTP/1.1 200 OK\r\nContent-Type: text/${isEvents ? 'event-stream' : 'plain'}\r\nContent-Length: 4\r\n\r\n`,
      );
      if (isEvents) await delay(1200);
      for (let i = 0; i < 4; i++) {
        request.send('x');
        await delay(200);
      }
    };
    const events = exchange(fermat.port, ask(onePool).replace('GET /', 'GET /events'));
    const plain = exchange(fermat.port, ask(onePool));
    expect([(await plain).text, (await events).text]).toEqual(['xxxx', 'xxxx']);
  });

  it('ends what takes longer in all than it may', async () => {
    const totalPool = fresh('total');
    a.script = () => {};
    using watch = new Stopwatch();
    expect((await asked(totalPool)).status).toBe(504);
    expect(watch.ms).toBeLessThan(watch.allowed(1500));
  });
});

describe('statuses', () => {
  it('tries a GET elsewhere after a 503, and passes it on when there is nothing better', async () => {
    const pairPool = fresh('pair');
    firstFails((request) => request.answer(503, 'busy'));
    expect((await asked(pairPool)).text).toBe('second');
    [a.script, b.script] = [(r) => r.answer(503, 'busy'), (r) => r.answer(503, 'busy')];
    const answer = await asked(pairPool);
    expect([answer.status, answer.text, answer.field('proxy-status')]).toEqual([503, 'busy', null]);
  });

  it('passes a 503 to a POST on as it is, and a 500 and a 404 to anybody', async () => {
    const pairPool = fresh('pair');
    for (const [method, status] of [
      ['POST', 503],
      ['GET', 500],
      ['GET', 404],
    ] as const) {
      a.reset();
      b.reset();
      firstFails((request) => request.answer(status, 'no'));
      expect((await asked(pairPool, method, method === 'POST' ? 'x' : '')).status).toBe(status);
      expect(requests().length).toBe(1);
    }
  });
});

describe('limits', () => {
  it('lets so many wait for a connection, so long, and refuses the others at once', async () => {
    const narrowPool = fresh('narrow');
    a.script = () => {};
    const clients = await Promise.all(Array.from({ length: 5 }, () => rawClient(fermat.port)));
    await clients[0]!.send(ask(narrowPool));
    await clients[1]!.send(ask(narrowPool));
    await a.nth(2);
    const startMs = performance.now();
    for (const client of clients.slice(2)) await client.send(ask(narrowPool));
    const answers = await Promise.all(
      clients.slice(2).map(async (client) => ({ answer: await client.answer(), ms: performance.now() - startMs })),
    );
    for (const { answer } of answers) {
      expect([answer.status, answer.field('proxy-status')]).toEqual([503, 'fermat; error=connection_limit_reached']);
      expect(Number(answer.field('retry-after'))).toBeGreaterThan(0);
    }
    const waits = answers.map(({ ms }) => ms).sort((x, y) => x - y);
    expect(waits[0]).toBeLessThan(200);
    expect(waits[1]).toBeGreaterThan(350);
    expect(waits[2]).toBeLessThan(1300);
    expect(a.requests.length).toBe(2);
    for (const client of clients) client.destroy();
  });

  it('serves those who wait as connections become free', async () => {
    const narrowPool = fresh('narrow');
    a.script = async (request) => {
      await delay(60);
      request.answer();
    };
    const answers = await Promise.all(Array.from({ length: 4 }, () => asked(narrowPool)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(a.used.length).toBeLessThanOrEqual(2 + 1);
  });
});

describe('no healthy endpoint', () => {
  it('answers 503 with Retry-After at once, but for one trial a second, and finds back when an endpoint does', async () => {
    await using c = await startOrigin();
    await using other = await startFermat(
      simpleConfig([c.url], { probe: { type: 'tcp', interval: '200ms', timeout: '200ms', rise: 1, fall: 2 } }),
    );
    expect((await exchange(other.port, get())).status).toBe(200);
    await c.refuse();
    await until(
      async () => (await other.metric('fermat_endpoint_healthy')) === 0,
      'the endpoint to be found unhealthy',
    );
    const answers: { status: number; ms: number; retryAfter: string | null }[] = [];
    using watch = new Stopwatch();
    for (let i = 0; i < 50; i++) {
      const startMs = performance.now();
      const answer = await exchange(other.port, get());
      answers.push({ status: answer.status, ms: performance.now() - startMs, retryAfter: answer.field('retry-after') });
    }
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(45);
    expect(refused.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true);
    expect(refused.map(({ ms }) => ms).sort((x, y) => x - y)[25]).toBeLessThan(watch.allowed(10));
    await c.listen();
    await until(async () => (await exchange(other.port, get())).status === 200, 'the way back');
  });

  it('loses no GET while one of three endpoints dies under load, and uses it again when it is back', async () => {
    const origins = [await startOrigin(), await startOrigin(), await startOrigin()];
    for (const origin of origins) origin.script = (request) => request.answer();
    await using other = await startFermat(
      simpleConfig(
        origins.map((origin) => origin.url),
        { probe: { interval: '250ms', timeout: '200ms' }, outlier: {}, balance: { policy: 'round-robin' }, retry: {} },
      ),
    );
    const clients = await Promise.all(Array.from({ length: 10 }, () => rawClient(other.port)));
    const statuses: number[] = [];
    let isOver = false;
    const load = clients.map(async (client) => {
      while (!isOver) {
        await client.send(get());
        statuses.push((await client.answer()).status);
        await delay(50);
      }
    });
    const [victim] = origins as [Origin];
    const byTraffic = () => victim.requests.filter((request) => request.head.includes('X-Forwarded-For')).length;
    await until(() => byTraffic() > 10, 'load on the first endpoint');
    await victim.refuse();
    await until(
      async () => (await other.metric('fermat_endpoint_healthy', 'e0')) === 0,
      'the death to be noticed',
      3000,
    );
    await delay(300);
    await victim.listen();
    const before = byTraffic();
    await until(() => byTraffic() > before, 'traffic to come back', 8000);
    isOver = true;
    await Promise.all(load);
    for (const client of clients) client.destroy();
    expect(statuses.length).toBeGreaterThan(100);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    for (const origin of origins) {
      expect(origin.faults).toEqual([]);
      await origin.refuse();
    }
  });
});
