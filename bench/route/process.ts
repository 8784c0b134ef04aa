// Does traffic take the fastest healthy path, measured from outside on the real process: three origins at 5, 40 and 120 ms.
//   share   how many of 2,000 requests the nearest serves
//   kill    kill -9 of the nearest at 200 requests/s: requests lost, time until the traffic has moved
//   revive  how soon the nearest serves again
//   explain with --explain: the share it predicts, against what 5,000 requests did
// Called by `bench/route/main.ts --process`.

import { parseArgs } from 'node:util';
import { commandOf, machineOf } from '../support/machine.ts';
import { quantileOf, tableOf, writeResult } from '../support/report.ts';
import { type Answer, DELAYS_MS, Rig } from './rig.ts';

const { values: flags } = parseArgs({
  options: {
    explain: { type: 'boolean', default: false },
    requests: { type: 'string', default: '2000' },
    rate: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const [requests, rate] = [Number(flags.requests), Number(flags.rate)] as const;

const SETTLE_MS = 2000;
const KILL_AFTER_MS = 2000;
const AFTER_KILL_MS = 8000;
const AFTER_REVIVAL_MS = 20_000;
const EXPLAIN_REQUESTS = 5000;
/** Traffic has moved when no request tries the dead origin any more: each try is a retry elsewhere, and these are counted. */
const RETRY_POLL_MS = 50;
/** Home again: the first second from which so much of each is served by the nearest. */
const HOME_RATIO = 0.9;

const rig = await Rig.start();
try {
  await rig.settled(SETTLE_MS);
  const rows: string[][] = [];
  const result: Record<string, unknown> = {};
  const add = (what: string, figure: string, target: string) => rows.push([what, figure, target]);

  if (flags.explain) {
    const explained = await explain();
    result.explain = explained;
    for (const line of explained.candidates) {
      const figure = `${percent(line.predicted)} predicted, ${percent(line.measured)} measured`;
      add(`explain: ${line.id}`, figure, 'within 3 points');
    }
  } else {
    const share = shareOf(await rig.load(requests, rate), 'near');
    add(`share of the nearest, ${requests} requests`, percent(share), '≥ 95 %');
    const failure = await killAndRevive();
    add('failed GETs after kill -9', String(failure.failed), '0');
    add('until no request tried it any more', `${failure.movedAfterMs.toFixed(0)} ms`, '≤ 2000 ms');
    add('p99 in the 8 s after the kill', `${failure.p99AfterKillMs.toFixed(0)} ms`, '–');
    add('revived: home again after', seconds(failure.homeAfterS), '≤ 15 s');
    add('share home, second by second', failure.homeBySecond.map((ratio) => Math.round(ratio * 100)).join(' '), '–');
    Object.assign(result, { share, ...failure });
  }

  const path = writeResult(flags.explain ? 'route-explain' : 'route', {
    at: new Date().toISOString(),
    command: commandOf('bench/route/process.ts'),
    machine: machineOf(),
    delaysMs: DELAYS_MS,
    requestsPerSecond: rate,
    ...result,
  });
  console.log(
    flags.json ? JSON.stringify(result) : `${tableOf(['what', 'measured', 'target'], rows)}\n\nRaw figures: ${path}`,
  );
} finally {
  await rig.end();
}

/** One load over all of it, so that the connections stay what they were. */
async function killAndRevive() {
  const count = Math.ceil(((KILL_AFTER_MS + AFTER_KILL_MS + AFTER_REVIVAL_MS) * rate) / 1000);
  const startMs = performance.now();
  const loading = rig.load(count, rate);
  await pause(KILL_AFTER_MS);
  const killedAtMs = performance.now() - startMs;
  rig.kill('near');
  const movedAfterMs = await lastRetryMs(AFTER_KILL_MS);
  await rig.revive('near');
  const revivedAtMs = performance.now() - startMs;
  const answers = await loading;

  const afterKill = answers.filter(({ atMs }) => atMs >= killedAtMs && atMs < killedAtMs + AFTER_KILL_MS - 500);
  const homeBySecond = Array.from({ length: AFTER_REVIVAL_MS / 1000 - 1 }, (_, second) => {
    const fromMs = revivedAtMs + second * 1000;
    return shareOf(
      answers.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + 1000),
      'near',
    );
  });
  const home = homeBySecond.findIndex((_, i) => homeBySecond.slice(i).every((ratio) => ratio >= HOME_RATIO));
  return {
    failed: answers.filter((answer) => answer.status !== 200).length,
    failures: answers.filter((answer) => answer.status !== 200).slice(0, 20),
    movedAfterMs,
    p99AfterKillMs: quantileOf(
      afterKill.map((answer) => answer.tookMs),
      0.99,
    ),
    homeAfterS: home < 0 ? null : home + 1,
    homeBySecond,
  };
}

/** Watches for `forMs`; when the counter of retries last went up, ms from now. */
async function lastRetryMs(forMs: number): Promise<number> {
  const startMs = performance.now();
  let [retries, lastMs] = [-1, 0];
  while (performance.now() - startMs < forMs) {
    const now = await rig.retries();
    if (retries >= 0 && now > retries) lastMs = performance.now() - startMs;
    retries = now;
    await pause(RETRY_POLL_MS);
  }
  return lastMs;
}

async function explain() {
  await rig.load(1000, rate); // so that what is predicted is a state that lasts
  const before = await rig.explain();
  const answers = await rig.load(EXPLAIN_REQUESTS, rate * 2);
  const candidates = before.candidates.map((candidate) => ({
    id: candidate.id,
    predicted: candidate.share,
    measured: shareOf(answers, candidate.id),
  }));
  return { requests: EXPLAIN_REQUESTS, candidates, explanation: before };
}

function shareOf(answers: readonly Answer[], origin: string): number {
  return answers.filter((answer) => answer.origin === origin).length / answers.length;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}

function seconds(value: number | null): string {
  return value === null ? 'not within 19 s' : `${value} s`;
}
