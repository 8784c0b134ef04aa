// Endpoints that come and go, come back, or whose probes are slow.

import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { nowMs, type Phase, startLoad } from '../load.ts';
import { ORIGIN_MS, pause, startRig, WARM_UP_MS, WELL } from '../rig.ts';

const RATE = 200;
const FLAP_MS = 3000;
const BIN_MS = 500;
/** The first probes come faster; these are not what is looked at. */
const QUICK_PROBES_MS = 3000;
/** An endpoint with less of the traffic is not in use. */
const IN_USE = 0.02;

/** How often an endpoint went out of use, and came into it. */
function switchesOf(phase: Phase, endpoint: string, fromMs: number, toMs: number): number {
  let switches = 0;
  let wasIn = true;
  for (let atMs = fromMs; atMs < toMs; atMs += BIN_MS) {
    const isIn = phase.between(atMs, atMs + BIN_MS).shareOf(endpoint) > IN_USE;
    if (isIn !== wasIn) switches++;
    wasIn = isIn;
  }
  return switches;
}

async function flapping({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig();
  await using load = await startLoad(rig.port, RATE);
  await pause(isQuick ? 1000 : WARM_UP_MS);
  const faultAtMs = nowMs();
  for (let i = 0; i < (isQuick ? 1 : 5); i++) {
    await rig.origins[0]!.refuse();
    await pause(isQuick ? 1000 : FLAP_MS);
    await rig.origins[0]!.listen();
    await pause(isQuick ? 1000 : FLAP_MS);
  }
  const endedAtMs = nowMs();
  const all = await load.end();
  const perTenSeconds = (endedAtMs - faultAtMs) / 10_000;
  const switches = switchesOf(all, 'e0', faultAtMs, endedAtMs);
  const before = all.between(0, faultAtMs);
  return [
    firm('lost', all.lost(), { atMost: 0 }),
    firm('times it went out of or came into use', switches),
    timed('returns in 10 s', switches / 2 / perTenSeconds, '', isQuick ? {} : { atMost: 1 }),
    timed('p99 before', before.quantileMs(0.99), 'ms'),
    timed('p99 while it flaps', all.between(faultAtMs, endedAtMs).quantileMs(0.99), 'ms', {
      atMost: 1.5 * before.quantileMs(0.99) + 5,
    }),
  ];
}

async function recovering(): Promise<Figure[]> {
  await using rig = await startRig();
  await using load = await startLoad(rig.port, RATE);
  await pause(WARM_UP_MS);
  await rig.origins[0]!.kill();
  await rig.when(0, ({ healthy }) => !healthy, 'to be unhealthy');
  await rig.origins[0]!.restart();
  const startedAtMs = nowMs();
  await pause(17_000);
  const all = await load.end();
  const backAtMs = all.between(startedAtMs).firstAtMs((_, by) => by === 'e0');
  const shareIn = (fromS: number, toS: number) =>
    100 * all.between(backAtMs + fromS * 1000, backAtMs + toS * 1000).shareOf('e0');
  return [
    firm('lost', all.lost(), { atMost: 0 }),
    timed('back in rotation after', (backAtMs - startedAtMs) / 1000, 's', { atMost: 10 }),
    timed('its share in the first second', shareIn(0, 1), '%', { atMost: 17 }),
    timed('… in seconds 3 to 5', shareIn(3, 5), '%'),
    timed('… from 10 s on', shareIn(10, 100), '%', { atLeast: 17 }),
  ];
}

async function slowProbes({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ origins: 2 });
  await using load = await startLoad(rig.port, RATE);
  await pause(QUICK_PROBES_MS);
  await Promise.all(rig.origins.map((origin) => origin.behave(WELL, { ...WELL, headMs: 4000 })));
  const faultAtMs = nowMs();
  await pause(isQuick ? 5000 : 14_000);
  const views = await rig.views();
  const all = await load.end();
  const tallies = await Promise.all(rig.origins.map((origin) => origin.tally()));
  const gaps = tallies.flatMap(({ probesMs }) =>
    probesMs.slice(1).flatMap((atMs, i) => (probesMs[i]! > faultAtMs ? [atMs - probesMs[i]!] : [])),
  );
  return [
    firm('lost', all.lost(), { atMost: 0 }),
    firm('probes at one time, most', Math.max(...tallies.map(({ mostProbesAtOnce }) => mostProbesAtOnce)), {
      atMost: 1,
    }),
    firm('endpoints with a failed last probe', views.filter(({ lastProbe }) => lastProbe?.ok === false).length),
    timed('shortest gap between probes', Math.min(...gaps) / 1000, 's', { atLeast: 1.5 }),
    timed('p99', all.quantileMs(0.99), 'ms', { atMost: ORIGIN_MS + 50 }),
  ];
}

export const UNSTEADY: readonly FaultCase[] = [
  {
    table: 'endpoint',
    fault: 'flapping (up/down every 3 s)',
    injected: 'one of 3 endpoints refuses for 3 s and listens for 3 s, five times, at 200 requests/s',
    expected: '0 lost; it comes back into use at most once in 10 s; others notice nothing',
    isShort: true,
    run: flapping,
  },
  {
    table: 'endpoint',
    fault: 'recovering',
    injected: 'one of 3 endpoints is killed until its probes fail, then started again; slowStart: 10s',
    expected: 'a ramp: at most half its fair share in the first second, at least half of it after 10 s; 0 lost',
    isShort: false,
    run: recovering,
  },
  {
    table: 'endpoint',
    fault: 'probe itself slow',
    injected: 'probes of both endpoints take 4 s (timeout 1 s), traffic does not',
    expected: 'no overlapping probes, no sooner than every 1.6 s; endpoints that answer are not taken out: 0 lost',
    isShort: false,
    run: slowProbes,
  },
];
