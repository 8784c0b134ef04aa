// What the console costs the browser: how soon it is there, what it weighs, what an update takes with many endpoints, and
// whether it grows.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { median, quantileOf } from '../support/report.ts';
import {
  CONTENT,
  contextOf,
  countTransfers,
  heapBytes,
  longTasksOf,
  openConsole,
  type Paint,
  paintOf,
  type Transferred,
  updatesOf,
  VIEWS,
  watchLongTasks,
} from './pages.ts';
import type { Rig } from './rig.ts';

const DESK = { width: 1440, height: 900, scheme: 'light' } as const;
const LOADS = 5;

export interface LoadFigures extends Paint {
  /** Of all views together. */
  readonly assets: Transferred;
  readonly overviewAssets: Transferred;
}

/** Medians of cold loads of the overview, each in a context without a cache; and the weight of everything. */
export async function measureLoad(rig: Rig, browser: Browser): Promise<LoadFigures> {
  const paints: Paint[] = [];
  let overviewAssets: Transferred | null = null;
  let assets: Transferred | null = null;
  for (let i = 0; i < LOADS; i++) {
    const context = await contextOf(browser, DESK);
    const page = await context.newPage();
    const transferred = await countTransfers(await context.newCDPSession(page));
    await page.goto(`${rig.admin}/ui/`);
    await page.locator(CONTENT.overview!).first().waitFor();
    paints.push(await paintOf(page));
    if (i === 0) {
      overviewAssets = transferred();
      for (const [view, link] of Object.entries(VIEWS)) {
        if (link.includes('{')) continue;
        await page.evaluate(`location.hash = ${JSON.stringify(link)}`);
        await page.locator(CONTENT[view]!).first().waitFor();
      }
      assets = transferred();
    }
    await context.close();
  }
  const middle = (name: keyof Paint) => Math.round(median(paints.map((paint) => paint[name])) * 10) / 10;
  return {
    firstPaintMs: middle('firstPaintMs'),
    firstContentfulPaintMs: middle('firstContentfulPaintMs'),
    domContentLoadedMs: middle('domContentLoadedMs'),
    assets: assets!,
    overviewAssets: overviewAssets!,
  };
}

export interface UpdateFigures {
  readonly endpoints: number;
  readonly view: string;
  readonly updates: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Tasks of 50 ms and more after the page was live; the longest. */
  readonly longTasks: number;
  readonly longestTaskMs: number;
  readonly heapMiB: number;
  /** After so long. */
  readonly afterS: number;
  readonly heapAfterMiB: number;
}

/** Updates of one view over `seconds`. */
export async function measureUpdates(
  rig: Rig,
  browser: Browser,
  view: string,
  seconds: number,
): Promise<UpdateFigures> {
  const context = await contextOf(browser, DESK);
  await watchLongTasks(context);
  const page = await openConsole(context, rig.admin, VIEWS[view]);
  await page.locator(CONTENT[view]!).first().waitFor();
  await sleep(2000);
  const session = await context.newCDPSession(page);
  const heap = await heapBytes(session);
  const before = { tasks: (await longTasksOf(page)).length, updates: (await updatesOf(page)).length };
  await sleep(seconds * 1000);
  const updates = (await updatesOf(page)).slice(before.updates);
  const tasks = (await longTasksOf(page)).slice(before.tasks);
  const heapAfter = await heapBytes(session);
  await context.close();
  const round = (value: number) => Math.round(value * 100) / 100;
  return {
    endpoints: rig.plans.length,
    view,
    updates: updates.length,
    p50Ms: round(quantileOf(updates, 0.5)),
    p99Ms: round(quantileOf(updates, 0.99)),
    maxMs: round(Math.max(...updates)),
    longTasks: tasks.length,
    longestTaskMs: Math.round(Math.max(0, ...tasks)),
    heapMiB: round(heap / 2 ** 20),
    afterS: seconds,
    heapAfterMiB: round(heapAfter / 2 ** 20),
  };
}
