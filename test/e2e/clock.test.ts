// The wall clock jumps, as an operator or NTP makes it jump, and nothing but dates takes notice: no time-out, no idle limit, no
// probe, no ejection and no measured time goes by it.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { WallClock } from '../support/faketime.ts';
import { type Fermat, startFermat } from '../support/fermat.ts';
import { NamedOrigin } from '../support/named-origin.ts';
import { get, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const HOUR_S = 3600;

let clock: WallClock;
let origins: NamedOrigin[];
let fermat: Fermat;
let timer: NodeJS.Timeout | undefined;

beforeEach(async () => {
  clock = new WallClock();
  const ips = ['127.0.0.31', '127.0.0.32', '127.0.0.33'];
  origins = await Promise.all(ips.map((ip) => NamedOrigin.start(ip, 0, { delayMs: 5 })));
  fermat = await startFermat(
    {
      pools: {
        main: {
          endpoints: origins.map(({ address, port }) => ({ url: `http://${address}:${port}`, id: address })),
          probe: { interval: '200ms', timeout: '1s', fall: 1, rise: 1 },
          outlier: { consecutive: 1 },
          retry: { attempts: 0 },
        },
      },
      routes: [{ path: '=/own', respond: { status: 200 } }, { pool: 'main' }],
    },
    { env: clock.env },
  );
});
afterEach(async () => {
  clearInterval(timer);
  await fermat.stop();
  await Promise.all(origins.map((origin) => origin.stop()));
  clock[Symbol.dispose]();
});

interface View {
  readonly state: string;
  readonly networkMs: number | null;
  readonly serverMs: number | null;
  readonly scoreMs: number | null;
}

it('by an hour forth and back, under load, and nobody notices', async () => {
  using idle = await rawClient(fermat.port);
  await idle.send(get('/own'));
  const before = await idle.answer();
  const answers: Promise<string>[] = [];
  timer = setInterval(() => {
    const answer = fetch(`http://127.0.0.1:${fermat.port}/`).then(({ status }) => String(status), String);
    answers.push(answer);
  }, 10);
  const served = (): Promise<number> => fermat.metric('fermat_requests_total', 'code="200"');
  await until(async () => (await served()) > 100, 'traffic');
  const changes = await fermat.metric('fermat_endpoint_state_changes_total');
  for (const offsetS of [HOUR_S, 0, -HOUR_S, HOUR_S]) {
    clock.set(offsetS);
    await delay(700); // ticks, probes and requests on either side
    for (const view of await fermat.json<View[]>('/api/v1/endpoints')) {
      expect(view.state).toBe('healthy');
      for (const ms of [view.networkMs, view.serverMs, view.scoreMs]) {
        expect(ms ?? 0).toBeGreaterThanOrEqual(0);
        expect(ms ?? 0).toBeLessThan(1000);
      }
    }
  }
  clearInterval(timer);
  expect((await Promise.all(answers)).filter((status) => status !== '200')).toEqual([]);
  expect(await fermat.metric('fermat_endpoint_state_changes_total')).toBe(changes);
  expect(await fermat.metric('fermat_upstream_failures_total')).toBe(0);
  for (const name of ['fermat_request_duration_seconds', 'fermat_overhead_seconds']) {
    const meanS = (await fermat.metric(`${name}_sum`)) / (await fermat.metric(`${name}_count`));
    expect(meanS).toBeGreaterThan(0);
    expect(meanS).toBeLessThan(1);
  }
  // An hour of silence by the wall, some seconds in truth: the client that was idle all along is still served.
  await idle.send(get('/own'));
  const after = await idle.answer();
  expect(after.status).toBe(200);
  const aheadMs = Date.parse(after.field('date')!) - Date.parse(before.field('date')!);
  expect(aheadMs).toBeGreaterThan((HOUR_S - 60) * 1000); // it did jump
});

it('by an hour while a request waits, and its time-out is as long as it was', async () => {
  for (const origin of origins) origin.isSilent = true;
  using client = await rawClient(fermat.port);
  await client.send(get('/'));
  await until(() => origins.some(({ requests }) => requests > 0), 'the request at an endpoint');
  clock.set(HOUR_S);
  await delay(500);
  clock.set(-HOUR_S);
  await delay(500);
  expect(client.pending.length).toBe(0);
  expect(await fermat.metric('fermat_upstream_failures_total')).toBe(0);
});
