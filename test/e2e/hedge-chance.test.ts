// Hedges, retries, resets, refusals and clients that go, all at once and by (seeded) chance: every answer that arrives is whole
// and the one that was asked for, nothing stays in flight, and no connection is left over.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { seeded } from '../../src/core/selector.ts';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const CLIENTS = 24;
const REQUESTS = 60;
const random = seeded(20261121);
let origins: Origin[];
let fermat: Fermat;

beforeAll(async () => {
  origins = await Promise.all([startOrigin(), startOrigin(), startOrigin()]);
  for (const origin of origins) {
    origin.script = async (request) => {
      const chance = random();
      await request.whole();
      if (chance < 0.03) return request.reset();
      if (chance < 0.06) return request.answer(503, 'no');
      if (chance > 0.75) await delay(200 * random());
      if (request.connection.isClosed) return;
      const size = random() < 0.1 ? 200_000 : 20;
      request.answer(200, `${request.target}|${request.body.length}|`.padEnd(size, '.'));
    };
  }
  const hedge = { enabled: true, quantile: 0.6, budgetPercent: 100 };
  const retry = { attempts: 2, budgetMin: 1000 };
  fermat = await startFermat({
    workers: 2,
    pools: {
      main: poolOf(
        origins.map(({ url }) => url),
        { hedge, retry, balance: { policy: 'random-two' } },
      ),
    },
    routes: [{ pool: 'main' }],
  });
});
afterAll(async () => {
  await fermat?.stop();
  await Promise.all((origins ?? []).map((origin) => origin.refuse()));
});

/** One client's requests, some on a connection that it breaks off in the middle. Gives how many were answered with 200. */
async function run(client: number): Promise<number> {
  let good = 0;
  let connection = await rawClient(fermat.port);
  for (let i = 0; i < REQUESTS; i++) {
    const target = `/${client}/${i}`;
    const body = random() < 0.2 ? 'b'.repeat(Math.floor(random() * 5000) + 1) : '';
    const method = body === '' ? 'GET' : 'PUT';
    const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
    await connection.send(`${method} ${target} HTTP/1.1\r\nHost: a\r\n${length}\r\n${body}`);
    if (random() < 0.1) {
      await delay(60 * random());
      connection.destroy();
      connection = await rawClient(fermat.port);
      continue;
    }
    const answer = await connection.answer(method);
    if (answer.status === 200) {
      expect(answer.text.startsWith(`${target}|${body.length}|`)).toBe(true);
      good++;
    } else expect([502, 503]).toContain(answer.status);
  }
  connection.destroy();
  return good;
}

it('mixes nothing up and leaves nothing behind', async () => {
  const good = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => run(i)));
  expect(good.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(CLIENTS * REQUESTS * 0.85);
  expect(await fermat.metric('fermat_hedges_total', 'result="won"')).toBeGreaterThan(20);
  expect(await fermat.metric('fermat_hedges_total', 'result="lost"')).toBeGreaterThan(20);
  expect(origins.flatMap(({ faults }) => faults)).toEqual([]);
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
  await until(
    async () =>
      (await fermat.json<{ inflight: number }[]>('/api/v1/endpoints')).every(({ inflight }) => inflight === 0),
    'nothing in flight',
  );
  // Pooled connections age out after four seconds; what was dropped is closed before.
  await until(() => origins.every(({ open }) => open.length <= 1), 'the end of the connections', 9000);
}, 30_000);
