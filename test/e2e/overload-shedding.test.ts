// What a worker does when it has too much to do, or the process too little memory: low routes go first, high ones are served.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Answer, type RawClient, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const PRIORITIES = ['high', 'normal', 'low'] as const;
type Priority = (typeof PRIORITIES)[number];

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin();
  origin.script = (request) => request.answer();
});
afterAll(async () => {
  await origin.refuse();
});

function config(limits: Config = {}): Config {
  return {
    workers: 1,
    limits,
    pools: { main: poolOf([origin.url]) },
    routes: PRIORITIES.map((priority) => ({ name: priority, host: priority, pool: 'main', priority })),
  };
}

const ask = (host: Priority): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

async function answerOf(fermat: Fermat, host: Priority): Promise<Answer> {
  using client = await rawClient(fermat.port);
  await client.send(ask(host));
  return await client.answer();
}

async function statuses(fermat: Fermat): Promise<number[]> {
  const out: number[] = [];
  for (const priority of PRIORITIES) out.push((await answerOf(fermat, priority)).status);
  return out;
}

async function limitMemory(fermat: Fermat, bytes: number): Promise<void> {
  fermat.writeConfig(config({ memory: Math.round(bytes) }));
  expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
}

/** Sets the limit of memory to what makes `ratio` of it used, again and again until high, normal and low are answered like this. */
async function squeeze(fermat: Fermat, ratio: number, wanted: readonly number[]): Promise<void> {
  await until(
    async () => {
      // From below: a step that was taken is left two points below only.
      await limitMemory(fermat, fermat.rssBytes * 2);
      await delay(300); // the worker looks four times a second
      await limitMemory(fermat, fermat.rssBytes / ratio);
      for (let i = 0; i < 10; i++) {
        if ((await statuses(fermat).catch(() => [])).join() === wanted.join()) return true;
        await delay(50);
      }
      return false;
    },
    `answers ${wanted} at ${ratio} of the memory`,
    15_000,
  );
}

describe('short of memory', () => {
  let fermat: Fermat;
  beforeAll(async () => {
    fermat = await startFermat(config());
  });
  afterAll(async () => {
    await fermat.stop();
  });

  it('turns away low, then normal, then high; tells it once in the log, in /metrics and to `status`; and is over when it is over', async () => {
    expect(await statuses(fermat)).toEqual([200, 200, 200]);
    await squeeze(fermat, 0.96, [200, 200, 503]);
    const high = await answerOf(fermat, 'high');
    expect(high.field('connection')).toBe('close'); // no keep-alive: what a connection holds is given back
    const low = await answerOf(fermat, 'low');
    expect([low.field('retry-after'), low.field('proxy-status')]).toEqual([
      '1',
      'fermat; error=http_request_denied; details="memory"',
    ]);
    expect(await fermat.metric('fermat_overload')).toBeGreaterThanOrEqual(1);
    await squeeze(fermat, 0.98, [200, 503, 503]);
    const said = (event: string) => fermat.events.filter(({ type }) => type === event);
    await until(() => said('shedding.begin').length === 1, 'the line in the log');
    expect(said('shedding.begin')[0]).toMatchObject({ level: 'warn', reason: 'memory' });
    expect(await fermat.json('/api/v1/node')).toMatchObject({ shedding: ['memory'] });
    expect(await fermat.metric('fermat_shed_total', 'route="low"', 'reason="memory"')).toBeGreaterThan(0);
    expect(await fermat.metric('fermat_shed_total', 'route="high"')).toBe(0);
    await squeeze(fermat, 0.5, [200, 200, 200]);
    expect((await answerOf(fermat, 'low')).field('connection')).toBeNull();
    await until(() => said('shedding.end').length === 1, 'the end in the log', 10_000);
    expect(said('shedding.begin')).toHaveLength(1);
    expect(await fermat.json('/api/v1/node')).toMatchObject({ shedding: [] });
  }, 40_000);

  it('says no within 5 ms, and answers its admin', async () => {
    await squeeze(fermat, 0.97, [200, 200, 503]);
    const times: number[] = [];
    using watch = new Stopwatch();
    for (let i = 0; i < 200; i++) {
      using asking = await rawClient(fermat.port);
      const startMs = performance.now();
      await asking.send(ask('low'));
      expect((await asking.answer()).status).toBe(503);
      times.push(performance.now() - startMs);
    }
    times.sort((a, b) => a - b);
    expect(times[100]).toBeLessThan(watch.allowed(5));
    expect((await fermat.admin('/metrics')).status).toBe(200);
    expect((await fermat.admin('/readyz')).status).toBe(200);
  }, 20_000);

  it('to the last accepts nobody, and goes on answering its admin', async () => {
    await limitMemory(fermat, fermat.rssBytes / 1.2);
    await until(async () => {
      using client = await rawClient(fermat.port);
      client.socket.write(ask('high'));
      return (await client.closed().then(() => client.received)) === 0;
    }, 'a connection closed at accept');
    expect((await fermat.admin('/metrics')).status).toBe(200);
    await squeeze(fermat, 0.5, [200, 200, 200]);
  }, 20_000);
});

describe('a worker that is late all the time', () => {
  /** Requests that each keep the worker from all else for 20 ms, ten of them in every turn of its loop; until `isOver`. */
  async function delayed(limits: Config, meanwhile: (fermat: Fermat) => Promise<void>): Promise<void> {
    const env = { FERMAT_TEST_CRASH_PATH: '/planted' };
    await using fermat = await startFermat(config(limits), { env });
    const crowd = await Promise.all(Array.from({ length: 10 }, () => rawClient(fermat.port)));
    let isOver = false;
    const pester = async (client: RawClient): Promise<void> => {
      while (!isOver) {
        await client.send('GET /planted?late HTTP/1.1\r\nHost: normal\r\n\r\n');
        expect((await client.answer()).status).toBe(200);
      }
    };
    const all = Promise.all(crowd.map(pester));
    try {
      await meanwhile(fermat);
    } finally {
      isOver = true;
      await all;
      for (const client of crowd) client.destroy();
    }
    await until(async () => (await answerOf(fermat, 'low')).status === 200, 'low to be served', 10_000);
  }

  it('sheds low until it is in time, while normal and high are served', async () => {
    await delayed({ loopDelay: '40ms' }, async (fermat) => {
      await until(async () => (await fermat.metric('fermat_overload')) >= 1, 'all of low to be shed', 15_000);
      const seen: number[][] = [];
      for (let i = 0; i < 5; i++) seen.push(await statuses(fermat));
      const [high, normal, low] = [0, 1, 2].map((i) => seen.map((round) => round[i]));
      expect(new Set([...high!, ...normal!])).toEqual(new Set([200]));
      const shed = low!.filter((status) => status === 503).length;
      expect(shed).toBeGreaterThan(0);
      expect(await fermat.metric('fermat_shed_total', 'route="low"', 'reason="loop"')).toBe(shed);
      expect(await fermat.metric('fermat_shed_total')).toBe(shed);
    });
  }, 40_000);

  it('sheds nobody with `loopDelay: 0s`', async () => {
    await delayed({ loopDelay: '0s' }, async (fermat) => {
      for (let i = 0; i < 5; i++) expect(await statuses(fermat)).toEqual([200, 200, 200]);
      expect(await fermat.metric('fermat_overload')).toBe(0);
    });
  }, 20_000);
});
