// One run second by second: where requests went, what they took, and why, in the terms of the first node's candidates.

import { tableOf } from '../../support/report.ts';
import { type SimulateOptions, simulate } from './run.ts';
import type { World } from './world.ts';

/** Prints as it goes. Requests are those sent in the second; latency is of those that were answered by its end. */
export function traceRun(options: SimulateOptions): void {
  let from = 0;
  const figures = simulate({
    ...options,
    onSecond: (world, ms) => {
      from = printSecond(world, ms, from);
    },
  });
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
}

function printSecond(world: World, ms: number, from: number): number {
  const { jobs, geography } = world.spec;
  const counts = new Float64Array(geography.endpoints.length);
  let [id, sum, answered, bad, wrong] = [from, 0, 0, 0, 0];
  for (; id < jobs.count && jobs.atMs[id]! < ms; id++) {
    if (world.endpoint[id]! >= 0) counts[world.endpoint[id]!]!++;
    wrong += world.isWrong[id]!;
    if (world.tookMs[id]! === 0) continue;
    sum += world.tookMs[id]!;
    bad += world.isBad[id]!;
    answered++;
  }
  const n = Math.max(id - from, 1);
  const shares = [...counts].map((count, e) => [e, (100 * count) / n] as const).filter(([, share]) => share >= 0.5);
  const line = shares.map(([e, share]) => `e${e} ${share.toFixed(0)}%`).join('  ');
  const mean = (sum / Math.max(answered, 1)).toFixed(1);
  process.stdout.write(
    `\n${ms / 1000} s: ${id - from} requests, mean ${mean} ms, ${bad} errors, ${wrong} wrong: ${line}; waiting ${world.servers.map((s) => s.waiting).join(' ')}\n`,
  );
  const node = world.nodes[0];
  if (node === undefined) return id;
  node.at(ms);
  const text = (x: number | null) => (x === null ? '–' : x.toFixed(1));
  const rows = node
    .candidates()
    .slice(0, 8)
    .map((c) => [
      c.id,
      c.role,
      c.state,
      text(c.scoreMs),
      text(c.networkMs),
      text(c.serverMs),
      text(c.priorMs),
      String(c.inflight),
      c.errorRatio.toFixed(3),
      c.share.toFixed(2),
      text(world.network.usualMs(0, Number(c.id.slice(1)))),
    ]);
  process.stdout.write(
    `${tableOf(['', 'role', 'state', 'score', 'network', 'server', 'prior', 'inflight', 'errors', 'share', 'true rtt'], rows)}\n`,
  );
  return id;
}
