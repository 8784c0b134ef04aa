// The console as its users see it and as the data plane feels it; about five minutes, unattended.
//   npm run bench:console                          all of it; figures go to bench/results/console.json
//   npm run bench:console -- --only screenshots    docs/screenshots alone
//   npm run bench:console -- --only figures|cost   that part of the figures, the other stays as it was
// Limits: all assets 200 kB as transferred, an update of 60 endpoints 16 ms of script, 2 % CPU per request while it is open.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startChromium } from '../../test/support/chromium.ts';
import { placementOf } from '../load/cores.ts';
import { startOrigin } from '../load/origin.ts';
import { commandOf, firstLineOf, machineOf } from '../support/machine.ts';
import { tableOf, writeCompact } from '../support/report.ts';
import { type CostFigures, measureCost } from './cost.ts';
import { type LoadFigures, measureLoad, measureUpdates, type UpdateFigures } from './figures.ts';
import { Rig } from './rig.ts';
import { takeScreenshots } from './screenshots.ts';

const PARTS = ['screenshots', 'figures', 'cost'] as const;
type Part = (typeof PARTS)[number];
const FEW = 60;
const MANY = 300;
const RATE = 250;
/** While CPU per request is measured; updates are measured at the other, with room to spare for the browser. */
const BUSY_RATE = 3000;
const UPDATES_S = 30;
const LIMITS = { assetsBytes: 200_000, updateMs: 16, extraRatio: 0.02 };
const RESULT = new URL('../results/console.json', import.meta.url);

interface Result {
  load?: LoadFigures;
  updates?: UpdateFigures[];
  cost?: CostFigures;
}

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const only = values.only as Part | undefined;
if (only !== undefined && !PARTS.includes(only)) {
  console.error(`--only: expected ${PARTS.join(', ')}`);
  process.exit(2);
}
const wants = (part: Part) => only === undefined || only === part;
const machine = machineOf();
// Debian's script around it may complain on stderr first.
const browserVersion = firstLineOf('sh', ['-c', 'chromium --version 2>/dev/null']);
const result: Result = only === undefined ? {} : earlier();
const updates: UpdateFigures[] = [];

if (wants('screenshots') || wants('figures')) await withFew();
if (wants('figures') || wants('cost')) await withMany();
if (updates.length > 0) result.updates = updates;
report();

/** 60 endpoints in 20 regions, some of them in trouble. */
async function withFew(): Promise<void> {
  await using rig = await Rig.start({ endpoints: FEW, isSound: false, rate: RATE, core: null });
  await using stack = new AsyncDisposableStack();
  const browser = await startChromium();
  stack.defer(() => browser.close());
  if (wants('screenshots')) {
    const taken = await takeScreenshots(rig, browser);
    const largest = taken.toSorted((a, b) => b.bytes - a.bytes)[0]!;
    console.log(`${taken.length} screenshots; the largest is ${largest.file}, ${Math.round(largest.bytes / 1000)} kB`);
  }
  if (!wants('figures')) return;
  result.load = await measureLoad(rig, browser);
  updates.push(await measureUpdates(rig, browser, 'overview', UPDATES_S));
}

/** 300 endpoints that answer at once: the proxy on one core, all else on the other. */
async function withMany(): Promise<void> {
  const { proxy, load } = placementOf(1);
  const folder = mkdtempSync(join(tmpdir(), 'fermat-console-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  // This process and whatever it starts from here on; the proxy is put elsewhere by name.
  if (firstLineOf('taskset', ['--version']) !== null) {
    execFileSync('taskset', ['-acp', String(load), String(process.pid)], { stdio: 'ignore' });
  }
  const origin = await startOrigin(folder, load, MANY);
  stack.defer(() => origin.running.stop());
  const options = { endpoints: MANY, isSound: true, rate: RATE, core: proxy, originPort: origin.port };
  const rig = stack.use(await Rig.start(options));
  const browser = await startChromium();
  stack.defer(() => browser.close());
  if (wants('figures')) {
    updates.push(await measureUpdates(rig, browser, 'overview', UPDATES_S));
    updates.push(await measureUpdates(rig, browser, 'endpoints', UPDATES_S / 2));
  }
  if (!wants('cost')) return;
  rig.setRate(BUSY_RATE);
  result.cost = await measureCost(rig, browser);
}

function earlier(): Result {
  try {
    const { load, updates, cost } = JSON.parse(readFileSync(RESULT, 'utf8')) as Result;
    return { ...(load && { load }), ...(updates && { updates }), ...(cost && { cost }) };
  } catch {
    return {};
  }
}

function report(): void {
  if (only === 'screenshots') return;
  const { load, cost } = result;
  const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
  const rows: string[][] = [];
  if (load) {
    rows.push(['first paint', `${load.firstPaintMs} ms`, '']);
    rows.push(['first contentful paint', `${load.firstContentfulPaintMs} ms`, '']);
    rows.push(['DOMContentLoaded', `${load.domContentLoadedMs} ms`, '']);
    rows.push([`assets of all views, ${load.assets.files} files`, kB(load.assets.bytes), kB(LIMITS.assetsBytes)]);
    rows.push(['assets of the overview', kB(load.overviewAssets.bytes), '']);
  }
  for (const u of result.updates ?? []) {
    const name = `update, ${u.view}, ${u.endpoints} endpoints`;
    rows.push([`${name}: p50 / p99 / max`, `${u.p50Ms} / ${u.p99Ms} / ${u.maxMs} ms`, `${LIMITS.updateMs} ms`]);
    rows.push([`${name}: long tasks`, `${u.longTasks}, longest ${u.longestTaskMs} ms`, '']);
    rows.push([`${name}: heap, and after ${u.afterS} s`, `${u.heapMiB} / ${u.heapAfterMiB} MiB`, '']);
  }
  if (cost) {
    const extra = `${(100 * cost.extraRatio).toFixed(2)} %, ${cost.extraMsPerS} ms/s`;
    rows.push([
      `CPU per request, closed / open, ${cost.requestsPerSecond}/s`,
      `${cost.closedUs} / ${cost.openUs} µs`,
      '',
    ]);
    rows.push([`extra while open, ${cost.endpoints} endpoints`, extra, `${100 * LIMITS.extraRatio} %`]);
  }
  console.log(tableOf(['console', 'measured', 'limit'], rows));
  const facts = { command: commandOf('bench/console/main.ts'), machine, browser: browserVersion, limits: LIMITS };
  console.log(writeCompact('console', { ...facts, ...result }));
}
