// Endpoints that answer slowly, break off, or say what is not HTTP.

import { exchange, get } from '../../support/raw.ts';
import { HALF } from '../behaviour.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { nowMs, OUTCOMES, startLoad } from '../load.ts';
import { pause, startRig, WARM_UP_MS, WELL } from '../rig.ts';

const RATE = 200;

/** A slow head on one of three, then slow bodies on all. */
async function slow({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ pool: { timeouts: { firstByte: '800ms', bodyIdle: '600ms' } } });
  await using load = await startLoad(rig.port, RATE);
  const faultMs = isQuick ? 2500 : 12_000;
  await pause(isQuick ? 1000 : WARM_UP_MS);
  const faultAtMs = nowMs();
  await rig.origins[0]!.behave({ ...WELL, headMs: 300 });
  await pause(faultMs);
  const wasEjected = !(await rig.view(0)).healthy;
  const all = await load.end();
  const settled = all.between(faultAtMs + faultMs / 2);
  await Promise.all(rig.origins.map((origin) => origin.behave({ ...WELL, bodyBytes: 1000, pieces: 5, pieceMs: 400 })));
  await using bodies = await startLoad(rig.port, 20);
  await pause(isQuick ? 500 : 3000);
  const streamed = await bodies.end();
  return [
    firm('lost', all.lost() + streamed.lost(), { atMost: 0 }),
    firm('ejected for being slow', Number(wasEjected), { atMost: 0 }),
    timed('its share before', 100 * all.between(0, faultAtMs).shareOf('e0'), '%'),
    timed('its share when it is slow', 100 * settled.shareOf('e0'), '%', { atMost: 5 }),
    timed('bodies of 1.6 s, p99', streamed.quantileMs(0.99) / 1000, 's', { atLeast: 1.6, atMost: 2.5 }),
  ];
}

async function resetInBody({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ origins: 1 });
  await rig.origins[0]!.behave({ kind: 'bytes', text: HALF, ending: 'reset' }, WELL);
  await using load = await startLoad(rig.port, 50);
  await pause(isQuick ? 1000 : 4000);
  const all = await load.end();
  const tally = await rig.origins[0]!.tally();
  const failures = await rig.fermat.metric('fermat_upstream_failures_total', 'endpoint="e0"');
  return [
    firm('requests', all.requests),
    firm(
      'seen as truncated',
      all.count((outcome) => outcome === OUTCOMES.truncated),
      { atLeast: all.requests },
    ),
    firm(
      'clean ends',
      all.count((outcome) => outcome === 200),
      { atMost: 0 },
    ),
    firm('requests at the endpoint', tally.requests, { atMost: all.requests }),
    // The short form runs beside other tests: what a loop of ours that stands still may have caused counts against nobody.
    firm('counted against it', failures, { atLeast: isQuick ? 1 : all.requests, atMost: all.requests }),
    firm('its connections left open', tally.openConnections, { atMost: 1 }),
  ];
}

/** Each is what no intermediary may pass on. */
const LIES: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'SSH-2.0-OpenSSH_9.2p1\r\n\r\n',
  '\0\u0001\u0002\u0003garbage\r\n\r\n',
];

async function garbage(): Promise<Figure[]> {
  await using rig = await startRig({ origins: 1, pool: { retry: { attempts: 0 } } });
  const origin = rig.origins[0]!;
  let refused = 0;
  let reused = 0;
  for (const text of LIES) {
    await origin.behave({ kind: 'bytes', text, ending: 'nothing' }, WELL);
    const { connections } = await origin.tally();
    for (let i = 0; i < 2; i++) if ((await exchange(rig.port, get())).status === 502) refused++;
    const after = await origin.tally();
    if (after.connections - connections < 2) reused++;
  }
  const tally = await origin.tally();
  return [
    firm('answers that are not HTTP', 2 * LIES.length),
    firm('of which 502', refused, { atLeast: 2 * LIES.length }),
    firm('connections used again after one', reused, { atMost: 0 }),
    firm('connections left open', tally.openConnections, { atMost: 2 }),
  ];
}

async function statuses({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ pool: { probe: { expectStatus: [200] } } });
  await using load = await startLoad(rig.port, RATE);
  await pause(1000);
  await rig.origins[0]!.behave({ ...WELL, status: 404 }, WELL);
  await pause(isQuick ? 1000 : 4000);
  const at404 = await rig.view(0);
  const faultAtMs = nowMs();
  await rig.origins[0]!.behave({ ...WELL, status: 500 }, WELL);
  await pause(isQuick ? 1500 : 8000);
  const { state } = await rig.view(0);
  const settledAtMs = nowMs();
  await rig.origins[1]!.behave(WELL, { ...WELL, status: 204 });
  await rig.when(1, ({ healthy }) => !healthy, 'to fail its probes');
  const all = await load.end();
  const at500 = all.between(faultAtMs);
  const is500 = (outcome: number) => outcome === 500;
  return [
    firm(
      'answers 404',
      all.count((outcome) => outcome === 404),
      { atLeast: 1 },
    ),
    firm('failures counted for 404', at404.failures, { atMost: 0 }),
    firm('answers 500 in all', at500.count(is500), { atMost: 25 }),
    timed('last of them after', (all.between(faultAtMs, settledAtMs).lastAtMs(is500) - faultAtMs) / 1000, 's'),
    firm('ejected', Number(state === 'ejected')),
    firm('unhealthy by a probe that answers 204 for 200', 1, { atLeast: 1 }),
    firm(
      'lost otherwise',
      all.count((outcome) => ![200, 404, 500].includes(outcome)),
      { atMost: 0 },
    ),
  ];
}

export const SLOW: readonly FaultCase[] = [
  {
    table: 'endpoint',
    fault: 'slow headers / slow body',
    injected:
      'one of 3 endpoints answers after 300 instead of 5 ms; then bodies in five pieces 400 ms apart; firstByte: 800ms, bodyIdle: 600ms',
    expected:
      'slow is not dead: 0 lost, not ejected, its share falls to 5 % at most; bodies that make progress take their time',
    isShort: false,
    run: slow,
  },
  {
    table: 'endpoint',
    fault: 'reset in mid-body',
    injected: 'the endpoint sends a head with a length, four bytes of the body, and a reset',
    expected: 'every client sees it truncated; not retried; one failure each; the connection destroyed',
    isShort: true,
    run: resetInBody,
  },
  {
    table: 'endpoint',
    fault: 'garbage',
    injected: `${LIES.length} kinds of answers that are not HTTP: bad, two or contradictory lengths, codings, folding, versions, bytes`,
    expected: '502 to each, and the connection is not used again',
    isShort: true,
    run: garbage,
  },
  {
    table: 'endpoint',
    fault: 'wrong status',
    injected:
      'one of 3 endpoints answers 404, then 500, with good probes; another answers probes with 204 where 200 is wanted',
    expected:
      '404 never counts; 500 counts: ejected after 5 in a row, or out of use before that by its score; the probe wants its code',
    isShort: false,
    run: statuses,
  },
];
