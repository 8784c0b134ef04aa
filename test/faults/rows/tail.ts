// Latency that one endpoint, or chance, adds: the slow one of many, and hedging against a heavy tail.

import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { measureHedging, measureSlowOne } from '../hedge.ts';

async function slowOne({ isQuick }: How): Promise<Figure[]> {
  const { requests, lost, withinASecondPercent } = await measureSlowOne(isQuick);
  return [
    firm('requests', requests),
    firm('lost', lost, { atMost: 0 }),
    timed('within 1 s', withinASecondPercent, '%', isQuick ? {} : { atLeast: 99.9 }),
  ];
}

async function hedging({ isQuick }: How): Promise<Figure[]> {
  const { without, hedged, extraPercent, cut } = await measureHedging(isQuick);
  return [
    firm('requests', without.requests + hedged.requests),
    firm('lost', without.lost + hedged.lost, { atMost: 0 }),
    timed('p99.9 without', without.p999Ms, 'ms'),
    timed('p99.9 hedged', hedged.p999Ms, 'ms'),
    timed('p99.9 shorter by', cut, '×', isQuick ? {} : { atLeast: 5 }),
    firm('requests on top', extraPercent, { atMost: 2 }, '%'),
  ];
}

export const TAIL: readonly FaultCase[] = [
  {
    table: 'endpoint',
    fault: 'one slow of 11',
    injected: 'one of 11 endpoints begins to take 5 s for everything, 200 requests/s, no hedging',
    expected: 'at least 99.9 % of requests within 1 s, 0 lost',
    isShort: false,
    run: slowOne,
  },
  {
    table: 'endpoint',
    fault: 'heavy tail, hedged',
    injected:
      'one answer of a hundred takes 1 s, 3 endpoints, 300 requests/s; hedge: { enabled: true, budgetPercent: 2 }',
    expected: 'p99.9 at least 5 times shorter for at most 2 % more requests',
    isShort: false,
    run: hedging,
  },
];
