// Nobody answers: what clients get and how soon, what the endpoints are spared, and that the last one is never given up.

import { exchange, get } from '../../support/raw.ts';
import type { Behaviour } from '../behaviour.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { startLoad } from '../load.ts';
import { type FaultRig, pause, startRig, WELL } from '../rig.ts';

const RATE = 200;
const FAST_MS = 5;
/** More requests upstream than clients sent: no more than this. */
const AMPLIFICATION = 1.2;

async function allDown(rig: FaultRig): Promise<void> {
  await Promise.all(rig.origins.map((origin) => origin.refuse()));
  for (const n of rig.origins.keys()) await rig.when(n, ({ healthy }) => !healthy, 'to be unhealthy');
}

async function failFast({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ pool: { balance: { whenAllDown: 'fail' }, probe: { interval: '500ms' } } });
  await allDown(rig);
  const answer = await exchange(rig.port, get());
  const before = await Promise.all(rig.origins.map((_, n) => rig.selections(n)));
  await using load = await startLoad(rig.port, RATE);
  await pause(isQuick ? 1000 : 8000);
  const all = await load.end();
  const after = await Promise.all(rig.origins.map((_, n) => rig.selections(n)));
  return [
    firm('answers', all.requests),
    firm(
      'of which 503',
      all.count((outcome) => outcome === 503),
      { atLeast: all.requests },
    ),
    firm('with Retry-After', Number(answer.field('retry-after') !== null), { atLeast: 1 }),
    timed('p50', all.quantileMs(0.5), 'ms'),
    timed('p99', all.quantileMs(0.99), 'ms', { atMost: FAST_MS }),
    firm('attempts at endpoints', sum(after) - sum(before), { atMost: 0 }),
    firm('fermat_endpoint_healthy', await rig.fermat.metric('fermat_endpoint_healthy'), { atMost: 0 }),
  ];
}

async function failOpen({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ pool: { probe: { interval: '500ms' } } });
  await allDown(rig);
  const seconds = isQuick ? 2 : 8;
  const before = await Promise.all(rig.origins.map((_, n) => rig.selections(n)));
  await using load = await startLoad(rig.port, RATE);
  await pause(seconds * 1000);
  const all = await load.end();
  const after = await Promise.all(rig.origins.map((_, n) => rig.selections(n)));
  const trials = after.map((n, i) => n - before[i]!);
  await Promise.all(rig.origins.map((origin) => origin.listen()));
  const backMs = await rig.when(0, ({ healthy }) => healthy, 'to be healthy again');
  const last = await lastStays(isQuick);
  return [
    firm(
      'answers 503, 502 or 504',
      all.count((outcome) => outcome >= 502),
      { atLeast: all.requests },
    ),
    timed('p99', all.quantileMs(0.99), 'ms', { atMost: FAST_MS }),
    timed('trials a second and endpoint', Math.max(...trials) / seconds, '/s', { atMost: 1 + 1 / seconds }),
    timed('back after', backMs / 1000, 's', { atMost: 5 }),
    ...last,
  ];
}

/** The only endpoint answers 500 to everything: it is used all the same. */
async function lastStays(isQuick: boolean): Promise<Figure[]> {
  await using rig = await startRig({ origins: 1 });
  await rig.origins[0]!.behave({ ...WELL, status: 500 }, WELL);
  await using load = await startLoad(rig.port, 100);
  await pause(isQuick ? 500 : 3000);
  const all = await load.end();
  return [
    firm(
      'requests kept from the last endpoint that answers',
      all.count((outcome) => outcome !== 500),
      { atMost: 0 },
    ),
  ];
}

/** How many requests reach endpoints for one of a client. */
async function amplification(name: string, traffic: Behaviour | null, { isQuick, say }: How): Promise<Figure> {
  say(name);
  await using rig = await startRig({ pool: { timeouts: { firstByte: '500ms' } } });
  await using load = await startLoad(rig.port, RATE);
  await pause(1000);
  const before = await attempts(rig);
  if (traffic === null) await Promise.all(rig.origins.map((origin) => origin.refuse()));
  else await Promise.all(rig.origins.map((origin) => origin.behave(traffic)));
  await pause(isQuick ? 2000 : 8000);
  const all = await load.end();
  const requests = all.requests - RATE; // those of the first second
  return firm(
    `requests upstream for one of a client, ${name}`,
    ((await attempts(rig)) - before) / requests,
    {
      atMost: AMPLIFICATION,
    },
    '×',
  );
}

const attempts = async (rig: FaultRig) => sum(await Promise.all(rig.origins.map((_, n) => rig.selections(n))));
const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);

async function retryStorm(how: How): Promise<Figure[]> {
  return [
    await amplification('all refuse', null, how),
    await amplification('all 503', { ...WELL, status: 503 }, how),
    await amplification('all silent', { kind: 'silent' }, how),
    await amplification('all reset', { kind: 'reset' }, how),
  ];
}

export const OUTAGE: readonly FaultCase[] = [
  {
    table: 'endpoint',
    fault: 'all endpoints unhealthy, failFast',
    injected: 'all 3 endpoints refuse and their probes have failed; 200 requests/s; whenAllDown: fail',
    expected: '503 with Retry-After in under 5 ms to all, nothing upstream, and a metric says so',
    isShort: true,
    run: failFast,
  },
  {
    table: 'endpoint',
    fault: 'all endpoints unhealthy, failOpen',
    injected: 'the same with whenAllDown: try; then one endpoint alone that answers 500 to everything',
    expected:
      'one trial a second and endpoint, the rest 503 in under 5 ms; the last endpoint that answers is never ejected',
    isShort: false,
    run: failOpen,
  },
  {
    table: 'endpoint',
    fault: 'retry storm',
    injected: 'all 3 endpoints at once refuse, answer 503, are silent (firstByte: 500ms), or reset; 200 requests/s',
    expected: 'at most 1.2 requests upstream for one of a client: the budget holds, at most 2 tries each',
    isShort: false,
    run: retryStorm,
  },
];
