// A process that stands still, as a whole or one worker of it, measures itself and not its endpoints: when it goes on, nobody has
// been ejected, nobody is called slow, and what had arrived meanwhile is answered.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Fermat, startFermat } from '../support/fermat.ts';
import { NamedOrigin } from '../support/named-origin.ts';
import { delay, until } from '../support/until.ts';

const CRASH = '/crash';
let origins: NamedOrigin[];
let fermat: Fermat;
let timer: NodeJS.Timeout | undefined;

beforeEach(async () => {
  origins = await Promise.all(
    ['127.0.0.21', '127.0.0.22', '127.0.0.23'].map((ip) => NamedOrigin.start(ip, 0, { delayMs: 30 })),
  );
  // Every time-out is shorter than a stall, and one failure is enough.
  fermat = await startFermat(
    {
      pools: {
        main: {
          endpoints: origins.map(({ address, port }) => ({ url: `http://${address}:${port}`, id: address })),
          probe: { interval: '200ms', timeout: '200ms', fall: 1, rise: 1 },
          outlier: { consecutive: 1 },
          timeouts: { connect: '300ms', firstByte: '400ms', bodyIdle: '400ms' },
          retry: { attempts: 0 },
        },
      },
      routes: [{ pool: 'main' }],
    },
    { env: { FERMAT_TEST_CRASH_PATH: CRASH } },
  );
  await until(async () => (await views()).every(({ state }) => state === 'healthy'), 'three healthy endpoints');
});
afterEach(async () => {
  clearInterval(timer);
  await fermat.stop();
  await Promise.all(origins.map((origin) => origin.stop()));
});

interface View {
  readonly state: string;
  readonly networkMs: number | null;
  readonly serverMs: number | null;
}

const views = (): Promise<readonly View[]> => fermat.json<View[]>('/api/v1/endpoints');

function load(): { stop(): Promise<string[]> } {
  const answers: Promise<string>[] = [];
  // What a stall of five seconds has gathered is to be answered within one time-out.
  timer = setInterval(() => answers.push(ask('/').catch(String)), 20);
  return {
    stop() {
      clearInterval(timer);
      return Promise.all(answers);
    },
  };
}

async function ask(path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${fermat.port}${path}`, { signal: AbortSignal.timeout(15_000) });
  await response.arrayBuffer();
  return String(response.status);
}

/** Nobody has paid for `stall`, which has the process, or a worker, stand still in the midst of traffic. */
async function harmless(stall: () => Promise<unknown>): Promise<void> {
  const traffic = load();
  await until(async () => (await fermat.metric('fermat_requests_total', 'code="200"')) > 40, 'traffic');
  const changes = await fermat.metric('fermat_endpoint_state_changes_total');
  // A stall is a second and more: what a busy machine adds by itself is not taken for it.
  const before = await views();
  const worstNetworkMs = Math.max(25, ...before.map(({ networkMs }) => networkMs ?? 0));
  const worstServerMs = Math.max(75, ...before.map(({ serverMs }) => serverMs ?? 0));
  await stall();
  await delay(600); // three more probes, and the requests of the stall
  const answers = await traffic.stop();
  expect(answers.filter((status) => status !== '200')).toEqual([]);
  expect(await fermat.metric('fermat_upstream_failures_total')).toBe(0);
  expect(await fermat.metric('fermat_endpoint_state_changes_total')).toBe(changes);
  for (const view of await views()) {
    expect(view.state).toBe('healthy');
    expect(view.networkMs).toBeLessThan(2 * worstNetworkMs);
    expect(view.serverMs ?? 0).toBeLessThan(2 * worstServerMs);
  }
}

it.each([1000, 5000])('the whole process stopped for %i ms', async (ms) => {
  await harmless(async () => {
    fermat.child.kill('SIGSTOP');
    await delay(ms);
    fermat.child.kill('SIGCONT');
  });
});

it('one worker busy for a second', async () => {
  await harmless(() => ask(`${CRASH}?stall`));
});

it('an endpoint that is silent for real is found out all the same', async () => {
  const traffic = load();
  origins[0]!.isSilent = true;
  await until(async () => (await views()).some(({ state }) => state !== 'healthy'), 'an unhealthy endpoint');
  const timeouts = () => fermat.metric('fermat_upstream_failures_total', 'outcome="timeout"');
  await until(timeouts, 'a failure that is counted');
  await traffic.stop();
});
