// 10,000 tenants move from one region to others while they are asked for at 1,000 requests a second through real nodes: was any
// request at a region that neither held nor was to hold its data? How long after a move was the old region still asked? Each
// tenant has a region of the three that it never has data in; every node is asked all the time.
// Run: node bench/fleet/locality.ts [--tenants 10000] [--rate 1000] [--nodes 3]

import { parseArgs } from 'node:util';
import { Askers, fileOf, locality, REGIONS, startPlaced, tenantLines } from '../../test/support/tenants.ts';
import { until } from '../../test/support/until.ts';
import { commandOf, machineOf } from '../support/machine.ts';
import { tableOf, writeResult } from '../support/report.ts';

const { values } = parseArgs({
  options: { tenants: { type: 'string' }, rate: { type: 'string' }, nodes: { type: 'string' } },
});
const tenants = Number(values.tenants ?? 10_000);
const rate = Number(values.rate ?? 1000);
const nodes = Number(values.nodes ?? 3);
/** Each third moves on by one region; the region after that never holds its data. */
const fromOf = (tenant: number) => REGIONS[tenant % 3]!;
const toOf = (tenant: number) => REGIONS[(tenant + 1) % 3]!;

await using cluster = await startPlaced(nodes);
const imported = await locality(cluster, 0, 'import', fileOf(cluster, 'all', tenantLines(tenants, fromOf)), '--json');
if (imported.code !== 0) throw new Error(imported.stderr);
const versionsAre = (version: number) =>
  until(
    async () => {
      const views = await Promise.all(
        cluster.nodes.map((node) => node.json<{ version: number }[]>('/api/v1/locality')),
      );
      return views.every(([view]) => view!.version >= version);
    },
    `version ${version} at every node`,
    20_000,
  );
await versionsAre(tenants);

const askers = new Askers(cluster);
askers.start(tenants, rate);
await until(() => askers.served.length > rate, 'a second of answers', 20_000);
const movedFromMs = performance.now();
const moved = await locality(
  cluster,
  nodes - 1,
  'import',
  fileOf(cluster, 'moved', tenantLines(tenants, toOf)),
  '--json',
);
const movedMs = performance.now();
if (moved.code !== 0) throw new Error(moved.stderr);
await versionsAre(tenants * 2);
const knownMs = performance.now();
const untilCount = Math.max(askers.served.length + rate * 2, tenants * 2);
await until(() => askers.served.length > untilCount, 'every tenant to be asked twice', 120_000);
const served = await askers.stop();

const failed = served.filter(({ status }) => status !== 200).length;
const strangers = served.filter(
  ({ status, tenant, at }) => status === 200 && at !== fromOf(tenant) && at !== toOf(tenant),
);
const early = served.filter((s) => s.sentMs + s.tookMs < movedFromMs && s.at !== fromOf(s.tenant));
const stale = served.filter((s) => s.sentMs > knownMs && s.at !== toOf(s.tenant));
/** Per tenant, when its new region was asked first: nothing sent later may be at the old one. */
const firstNewMs = new Map<number, number>();
for (const s of served) {
  if (s.at !== toOf(s.tenant)) continue;
  firstNewMs.set(s.tenant, Math.min(firstNewMs.get(s.tenant) ?? Infinity, s.sentMs + s.tookMs));
}
const lagMs = served
  .filter((s) => s.at === fromOf(s.tenant) && s.sentMs > (firstNewMs.get(s.tenant) ?? Infinity))
  .map((s) => s.sentMs - firstNewMs.get(s.tenant)!);
const tookMs = served.map((s) => s.tookMs).sort((a, b) => a - b);
const figures = {
  tenants,
  nodes,
  requests: served.length,
  requestsPerS: Math.round((served.length * 1000) / (Math.max(...served.map((s) => s.sentMs)) - served[0]!.sentMs)),
  failed,
  atStrangers: strangers.length,
  atNewBeforeMove: early.length,
  atOldOnceAllNodesKnew: stale.length,
  atOldAfterAnotherNodeWentToNew: lagMs.length,
  longestSplitMs: Math.round(Math.max(0, ...lagMs)),
  moveTookMs: Math.round(movedMs - movedFromMs),
  knownEverywhereAfterMs: Math.round(knownMs - movedMs),
  p50Ms: tookMs[tookMs.length >> 1],
  p99Ms: tookMs[Math.floor(tookMs.length * 0.99)],
};
console.log(
  tableOf(
    ['what', 'figure'],
    Object.entries(figures).map(([name, value]) => [name, String(value)]),
  ),
);
const result = {
  at: new Date().toISOString(),
  command: commandOf('bench/fleet/locality.ts'),
  machine: machineOf(),
  figures,
};
console.log(writeResult('fleet-locality', result));
if (failed + strangers.length + early.length + stale.length > 0) process.exitCode = 1;
