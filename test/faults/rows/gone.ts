// Endpoints that go: killed, vanished from the network, or standing still with their port open. One of three, at a steady rate.

import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { nowMs, type Phase, startLoad } from '../load.ts';
import { type FaultRig, pause, type RigOptions, startRig, WARM_UP_MS } from '../rig.ts';

const RATE = 200;
/** GET mostly; PUT and DELETE are safe to repeat, too; a POST is not, once it has been sent. */
const METHODS = ['GET', 'GET', 'GET', 'GET', 'GET', 'GET', 'PUT', 'DELETE', 'HEAD', 'POST'];
/** Right after a fault: what it costs those who meet it. */
const FIRST_MS = 2000;
/** By then the p99 has to be as before. */
const SETTLED_MS = 5000;
const COOL_DOWN_MS = 12_000;
/** For so long a share is measured. */
const MEASURED_MS = 5000;
/** Three in a row eject, and after the first one the worker lets one at a time try. */
const MOST_CONNECTS = 3;
/** Those who were on their way when the first of them was late, or who try again. */
const MOST_WAITING = 4;

interface Course {
  readonly rig: RigOptions;
  readonly faultMs: number;
  readonly afterMs: number;
  readonly warmUpMs: number;
  readonly inject: (rig: FaultRig) => unknown;
  readonly recover: (rig: FaultRig) => unknown;
}

interface Told {
  readonly all: Phase;
  readonly before: Phase;
  readonly during: Phase;
  readonly after: Phase;
  readonly faultAtMs: number;
  readonly recoveredAtMs: number;
  /** When the endpoint was last chosen while it was gone, after the fault; ms. 0 = never. */
  readonly lastTriedMs: number;
  readonly connectFailures: number;
}

/** Before, during and after, with load all the while. */
async function course({ rig: options, faultMs, afterMs, warmUpMs, inject, recover }: Course): Promise<Told> {
  await using rig = await startRig(options);
  await using load = await startLoad(rig.port, RATE, { methods: METHODS, freshShare: 0.2 });
  await pause(warmUpMs);
  const faultAtMs = nowMs();
  const lastTried = rig.watch(() => rig.selections(0));
  await inject(rig);
  await pause(faultMs);
  const lastAtMs = await lastTried();
  const connectFailures = await rig.fermat.metric('fermat_upstream_failures_total', 'endpoint="e0"', 'connect');
  const recoveredAtMs = nowMs();
  await recover(rig);
  await pause(afterMs);
  const all = await load.end();
  return {
    all,
    before: all.between(faultAtMs - FIRST_MS, faultAtMs),
    during: all.between(faultAtMs, recoveredAtMs),
    after: all.between(recoveredAtMs),
    faultAtMs,
    recoveredAtMs,
    lastTriedMs: Number.isNaN(lastAtMs) ? 0 : lastAtMs - faultAtMs,
    connectFailures,
  };
}

const LOST_METHODS = ['GET', 'HEAD', 'PUT', 'DELETE'];
const lostOf = (phase: Phase) => LOST_METHODS.reduce((sum, method) => sum + phase.lost(method), 0);

function common({ all }: Told): Figure[] {
  return [
    firm('requests', all.requests),
    firm('lost GET, HEAD, PUT, DELETE', lostOf(all), { atMost: 0 }),
    firm('POST answered with an error', all.lost('POST')),
  ];
}

/** From the return of the endpoint to the first answer of its own. */
const backS = ({ after, recoveredAtMs }: Told) => (after.firstAtMs((_, by) => by === 'e0') - recoveredAtMs) / 1000;

async function killed({ isQuick }: How): Promise<Figure[]> {
  const told = await course({
    rig: {},
    warmUpMs: isQuick ? 1000 : WARM_UP_MS,
    faultMs: isQuick ? 2000 : 30_000,
    afterMs: isQuick ? 0 : COOL_DOWN_MS,
    inject: (rig) => rig.origins[0]!.kill(),
    recover: (rig) => rig.origins[0]!.restart(),
  });
  const { before, during, faultAtMs } = told;
  const first = during.between(faultAtMs, faultAtMs + FIRST_MS);
  const figures = [
    ...common(told),
    timed('failed connects', told.connectFailures, '', { atMost: MOST_CONNECTS }),
    timed('last request tried it after', told.lastTriedMs / 1000, 's', { atMost: 1 }),
    timed('p99 of the first 2 s, beyond that before', first.quantileMs(0.99) - before.quantileMs(0.99), 'ms', {
      atMost: 5,
    }),
  ];
  return isQuick ? figures : [...figures, timed('back in rotation after', backS(told), 's', { atMost: 10 })];
}

async function vanished({ isQuick }: How): Promise<Figure[]> {
  const told = await course({
    rig: { pool: { timeouts: { connect: '1s' } } },
    warmUpMs: isQuick ? 1000 : WARM_UP_MS,
    faultMs: isQuick ? 2500 : 10_000,
    afterMs: isQuick ? 0 : COOL_DOWN_MS,
    inject: (rig) => rig.origins[0]!.vanish(),
    recover: (rig) => rig.origins[0]!.resume(),
  });
  const { before, during, faultAtMs } = told;
  const settled = during.between(faultAtMs + FIRST_MS);
  return [
    ...common(told),
    timed('requests that waited for it', during.slowerThan(900), '', { atMost: MOST_WAITING }),
    timed('longest', during.maxMs, 'ms', { atMost: 1200 + before.quantileMs(0.99) }),
    timed('p99 before', before.quantileMs(0.99), 'ms'),
    timed('p99 from 2 s on', settled.quantileMs(0.99), 'ms', { atMost: 1.5 * before.quantileMs(0.99) + 5 }),
    timed('last request tried it after', told.lastTriedMs / 1000, 's'),
    ...(isQuick ? [] : [timed('back in rotation after', backS(told), 's', { atMost: 10 })]),
  ];
}

async function stopped({ isQuick }: How): Promise<Figure[]> {
  const firstByteS = isQuick ? 1 : 15;
  const told = await course({
    rig: { pool: { timeouts: { firstByte: `${firstByteS}s` } } },
    warmUpMs: isQuick ? 1000 : WARM_UP_MS,
    faultMs: isQuick ? 2500 : 20_000,
    afterMs: isQuick ? 0 : COOL_DOWN_MS + MEASURED_MS,
    inject: (rig) => rig.origins[0]!.stop(),
    recover: (rig) => rig.origins[0]!.resume(),
  });
  const { before, during, faultAtMs } = told;
  const limit = 1.5 * before.quantileMs(0.99) + 5;
  const settled = during.between(faultAtMs + SETTLED_MS);
  const back = told.after.between(told.recoveredAtMs + COOL_DOWN_MS);
  return [
    ...common(told),
    firm('requests caught by it', during.slowerThan(firstByteS * 900)),
    timed('longest', during.maxMs / 1000, 's', { atMost: firstByteS + 1 }),
    timed('p99 before', before.quantileMs(0.99), 'ms'),
    ...(isQuick
      ? []
      : [
          timed('p99 from 5 s on', settled.quantileMs(0.99), 'ms', { atMost: limit }),
          timed('back in rotation after', backS(told), 's', { atMost: 10 }),
          timed('its share from 12 s after its return on', 100 * back.shareOf('e0'), '%', { atLeast: 17 }),
        ]),
  ];
}

export const GONE: readonly FaultCase[] = [
  {
    table: 'endpoint',
    fault: 'process killed, port refuses',
    injected: 'kill -9 of one of 3 endpoints for 30 s at 200 requests/s, then a new process on its port',
    expected:
      '0 lost of what is safe to repeat; ejected by 3 failed connects, none beyond them; last tried within 1 s; at most 5 ms later; back within 10 s',
    isShort: true,
    run: killed,
  },
  {
    table: 'endpoint',
    fault: 'blackhole (SYN dropped)',
    injected: 'one of 3 endpoints resets what it has and drops every SYN, 200 requests/s; connect: 1s',
    expected: '0 lost; at most 1 s + normal for those who meet it, about 3; p99 as before 2 s later; back within 10 s',
    isShort: true,
    run: vanished,
  },
  {
    table: 'endpoint',
    fault: 'accepted, never answers (SIGSTOP)',
    injected: 'SIGSTOP of one of 3 endpoints for 20 s at 200 requests/s; firstByte: 15s',
    expected:
      '0 lost of what is safe to repeat: tried elsewhere after firstByte; p99 as before within 5 s; half of its share again 12 s after its return',
    isShort: true,
    run: stopped,
  },
];
