// What an open console costs the data plane: CPU of the proxy's process tree per request, in windows that are by turns with the
// overview open in a real browser and without. Clients ask at a constant rate, so both have the same work; the proxy has a
// core of its own, and browser, clients and origin share the other.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext } from 'playwright-core';
import { cpuMs, treeOf } from '../support/process.ts';
import { median } from '../support/report.ts';
import { contextOf, openConsole } from './pages.ts';
import type { Rig } from './rig.ts';

const DESK = { width: 1440, height: 900, scheme: 'light' } as const;
const WINDOW_MS = 5000;
const PAIRS = 10;
/** What opening and closing themselves cost is not in a window. */
const SETTLE_MS = 1000;

export interface CostWindow {
  readonly pair: number;
  readonly isOpen: boolean;
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly cpuMs: number;
  readonly usPerRequest: number;
}

export interface CostFigures {
  readonly endpoints: number;
  readonly requestsPerSecond: number;
  readonly closedUs: number;
  readonly openUs: number;
  /** Median of the pairs' open ÷ closed, − 1. */
  readonly extraRatio: number;
  readonly extraRatios: readonly number[];
  /** Of CPU a second. */
  readonly extraMsPerS: number;
  readonly windows: readonly CostWindow[];
}

export async function measureCost(rig: Rig, browser: Browser): Promise<CostFigures> {
  const context = await contextOf(browser, DESK);
  const windows: CostWindow[] = [];
  // Warms up code, connections and what the selector knows.
  await windowOf(rig, context, 0, true);
  for (let pair = 0; pair < PAIRS; pair++) {
    // Each goes first as often as second.
    for (const isOpen of pair % 2 === 0 ? [false, true] : [true, false]) {
      windows.push(await windowOf(rig, context, pair, isOpen));
    }
  }
  await context.close();
  const of = (pair: number, isOpen: boolean) => windows.find((w) => w.pair === pair && w.isOpen === isOpen)!;
  const pairs = Array.from({ length: PAIRS }, (_, pair) => ({ open: of(pair, true), closed: of(pair, false) }));
  const extraRatios = pairs.map(({ open, closed }) => round(open.usPerRequest / closed.usPerRequest - 1, 4));
  return {
    endpoints: rig.plans.length,
    requestsPerSecond: Math.round(median(windows.map(({ requests, seconds }) => requests / seconds))),
    closedUs: round(median(pairs.map(({ closed }) => closed.usPerRequest)), 2),
    openUs: round(median(pairs.map(({ open }) => open.usPerRequest)), 2),
    extraRatio: round(median(extraRatios), 4),
    extraRatios,
    extraMsPerS: round(
      median(pairs.map(({ open, closed }) => open.cpuMs / open.seconds - closed.cpuMs / closed.seconds)),
      2,
    ),
    windows,
  };
}

async function windowOf(rig: Rig, context: BrowserContext, pair: number, isOpen: boolean): Promise<CostWindow> {
  const page = isOpen ? await openConsole(context, rig.admin) : null;
  await sleep(SETTLE_MS);
  const tree = treeOf(rig.proxy.pid);
  const before = await rig.count();
  const cpuBefore = cpuMs(tree);
  const startMs = performance.now();
  await sleep(WINDOW_MS);
  const usedMs = cpuMs(tree) - cpuBefore;
  const seconds = (performance.now() - startMs) / 1000;
  const after = await rig.count();
  await page?.close();
  const requests = after.answered - before.answered;
  return {
    pair,
    isOpen,
    requests,
    failed: after.failed - before.failed,
    seconds: round(seconds, 3),
    cpuMs: round(usedMs, 2),
    usPerRequest: round((1000 * usedMs) / requests, 3),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
