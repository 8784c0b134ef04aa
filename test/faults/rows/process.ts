// The life of the process: the drain, hot restarts, workers that die, errors nobody handles.

import { exchange, get, rawClient } from '../../support/raw.ts';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { nowMs, startLoad } from '../load.ts';
import { measureRestarts } from '../restarts.ts';
import { pause, startRig, WELL } from '../rig.ts';

const CRASH_PATH = '/__crash';
/** Load goes on for this long after readiness is gone: what balancers take to see it. */
const NOTICE_MS = 2000;
const SLOW_MS = 100;

/** A thousand a second at 100 ms each: about a hundred connections at work when the signal comes. */
async function drain({ isQuick }: How): Promise<Figure[]> {
  const rate = isQuick ? 300 : 1000;
  await using rig = await startRig({
    config: { workers: 2, shutdown: { drainDelay: '3s', timeout: '30s' } },
  });
  await Promise.all(rig.origins.map((origin) => origin.behave({ ...WELL, headMs: SLOW_MS }, WELL)));
  await using load = await startLoad(rig.port, rate, { freshShare: 0.5 });
  await pause(isQuick ? 1000 : 5000);
  using slow = await rawClient(rig.port);
  await Promise.all(rig.origins.map((origin) => origin.behave({ ...WELL, headMs: 4500 }, WELL)));
  await slow.send(get());
  await pause(50);
  await Promise.all(rig.origins.map((origin) => origin.behave({ ...WELL, headMs: SLOW_MS }, WELL)));
  const connections = await rig.fermat.metric('fermat_connections');
  const signalMs = nowMs();
  rig.fermat.child.kill('SIGTERM');
  await until(async () => (await rig.fermat.admin('/readyz')).status === 503, 'not ready');
  const unreadyMs = nowMs() - signalMs;
  const said = await exchange(rig.port, get());
  await pause(NOTICE_MS - 500);
  const all = await load.end();
  const answer = await slow.answer();
  const exit = await rig.fermat.ended(20_000);
  return [
    firm('connections at the signal', connections, isQuick ? {} : { atLeast: 100 }),
    firm('requests', all.requests),
    firm('of them after the signal', all.between(signalMs).requests),
    firm('lost', all.lost(), { atMost: 0 }),
    timed('/readyz 503 after', unreadyMs, 'ms', { atMost: 100 }),
    firm('Connection: close in answers', Number(said.field('connection') === 'close'), { atLeast: 1 }),
    firm('a request of 4.5 s that was under way', answer.status, { atLeast: 200, atMost: 200 }),
    firm('exit code', exit.code ?? -1, { atLeast: 0, atMost: 0 }),
    timed('from signal to exit', (nowMs() - signalMs) / 1000, 's', { atMost: 34 }),
  ];
}

async function restarts({ isQuick, say }: How): Promise<Figure[]> {
  const plan = isQuick ? { seconds: 15, rate: 300, restarts: 2, reloads: 2 } : { seconds: 60, rate: 1000 };
  say(`${plan.seconds} s`);
  const {
    requests,
    failed,
    restarts: done,
    reloads,
    isDrained,
    readyMs,
    p99Ms,
    maxMs,
    outcomes,
    tcpMigrateReq,
  } = await measureRestarts(plan);
  say(outcomes);
  return [
    firm('hot restarts', done, { atLeast: plan.restarts ?? 10 }),
    firm('reloads', reloads, { atLeast: plan.reloads ?? 10 }),
    firm('drained at the end', Number(isDrained), { atLeast: 1 }),
    firm('net.ipv4.tcp_migrate_req', tcpMigrateReq ?? Number.NaN, { atMost: 0 }),
    firm('requests', requests, { atLeast: 0.98 * plan.seconds * plan.rate - 2 * plan.rate }),
    firm('failed', failed, { atMost: 0 }),
    timed('slowest successor ready after', readyMs / 1000, 's', { atMost: 10 }),
    timed('p99', p99Ms, 'ms'),
    timed('longest', maxMs, 'ms'),
  ];
}

/** What a worker has in hand is lost with it, no more. */
async function crash(how: string, { isQuick }: How): Promise<Figure[]> {
  const rate = isQuick ? 100 : 300;
  await using rig = await startRig({
    config: { workers: 2 },
    start: { env: { FERMAT_TEST_CRASH_PATH: CRASH_PATH } },
  });
  await using load = await startLoad(rig.port, rate, { freshShare: 0.3 });
  await pause(isQuick ? 1000 : 3000);
  const counted = await rig.fermat.metric('fermat_requests_total');
  using client = await rawClient(rig.port);
  await client.send(get(how));
  await client.closed();
  const crashedMs = performance.now();
  await until(async () => (await rig.fermat.metric('fermat_worker_restarts_total')) === 1, 'the restart', 10_000);
  const [line] = rig.fermat.events.filter(({ type }) => type === 'worker.error' || type === 'worker.exit');
  const after = await rig.fermat.metric('fermat_requests_total');
  await until(async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(rig.port, get()).catch(() => null)));
    return answers.every((answer) => answer?.status === 200);
  }, 'both workers');
  const backMs = performance.now() - crashedMs;
  await pause(isQuick ? 500 : 2000);
  const all = await load.end();
  const inHand = Math.ceil(rate * 0.05) + 5;
  return [
    firm('requests', all.requests),
    firm('lost with the worker', all.lost(), { atMost: inHand }),
    firm('counters went back', Number(after < counted), { atMost: 0 }),
    firm('told in the log', Number(line !== undefined), { atLeast: 1 }),
    firm('the process lives', Number(rig.fermat.exit === null), { atLeast: 1 }),
    timed('both serve again after', backMs / 1000, 's', { atMost: 1 }),
  ];
}

/** One crash after the other: back-off instead of a spin, and the other worker serves all the while. */
async function crashLoop({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({
    config: { workers: 2 },
    start: { env: { FERMAT_TEST_CRASH_PATH: CRASH_PATH } },
  });
  const untilMs = performance.now() + (isQuick ? 2000 : 12_000);
  let crashes = 0;
  while (performance.now() < untilMs) {
    const client = await rawClient(rig.port).catch(() => null);
    if (client === null) continue;
    await client.send(get(CRASH_PATH));
    await client.closed().catch(() => {});
    client.destroy();
    crashes++;
    await pause(100);
  }
  const restarted = await rig.fermat.metric('fermat_worker_restarts_total');
  const admin = await rig.fermat.admin('/livez');
  await until(async () => (await exchange(rig.port, get()).catch(() => null))?.status === 200, 'an answer', 40_000);
  const seconds = isQuick ? 2 : 12;
  return [
    firm('crashes asked for', crashes),
    firm('worker restarts', restarted),
    firm('restarts a second', restarted / seconds, { atMost: 4 }, '/s'),
    firm('admin answers', admin.status, { atLeast: 200, atMost: 200 }),
    firm(
      'told as an alarm',
      rig.fermat.events.filter(({ type, level }) => String(type).startsWith('worker.') && level === 'error').length,
      { atLeast: 1 },
    ),
    firm('the process lives', Number(rig.fermat.exit === null), { atLeast: 1 }),
  ];
}

export const PROCESS: readonly FaultCase[] = [
  {
    table: 'lifecycle',
    fault: 'SIGTERM drain',
    injected:
      'SIGTERM under 1,000 requests/s of 100 ms, half on new connections (100 at work), and one of 4.5 s; drainDelay: 3s; load ends 2 s after the signal, as a balancer would see to',
    expected: '/readyz 503 at once; goes on accepting; Connection: close; what is under way ends; exit 0; 0 lost',
    isShort: true,
    run: drain,
  },
  {
    table: 'lifecycle',
    fault: 'hot restart under load',
    injected:
      '10 hot restarts, 10 reloads and a drain under 1,000 requests/s for 60 s, half on new connections, in a network namespace with tcp_migrate_req = 0',
    expected: '0 of 60,000 failed',
    isShort: false,
    run: restarts,
  },
  {
    table: 'lifecycle',
    fault: 'worker crash',
    injected: 'one of 2 workers throws while it serves, under 300 requests/s',
    expected: 'only what it had in hand is lost; replaced within 1 s; counters do not go back',
    isShort: true,
    run: (how) => crash(CRASH_PATH, how),
  },
  {
    table: 'lifecycle',
    fault: 'crash loop',
    injected: 'a request that kills its worker, again and again for 12 s, 2 workers',
    expected: 'restarts back off; admin answers; it is told as an error; the process lives and serves when it stops',
    isShort: false,
    run: crashLoop,
  },
  {
    table: 'lifecycle',
    fault: 'unhandled rejection/exception',
    injected: 'a promise that nobody handles is rejected in one of 2 workers, under 300 requests/s',
    expected: 'logged, that worker ends and is replaced, never goes on; the others are not affected',
    isShort: true,
    run: (how) => crash(`${CRASH_PATH}?reject`, how),
  },
];
