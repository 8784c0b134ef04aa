// A second attempt by itself, on an exchange that is nothing but what it looks at.

import { expect, it } from 'vitest';
import { newBudget } from '../../src/core/budget.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import type { ViaSpec } from '../../src/core/snapshot.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { Hedge } from '../../src/data/hedge.ts';
import { Books } from '../../src/data/settle.ts';
import { ACQUIRED, type Upstream, type UpstreamEvents } from '../../src/data/sides.ts';
import type { ResponseHead } from '../../src/wire/response.ts';
import { endpointSpec, poolSpec } from '../support/specs.ts';

const SLOT = 1;

/** A second attempt that has just begun, beside one that goes on. */
function begun(via?: ViaSpec) {
  const lane = new LaneWriter(newLane());
  const aborted: string[] = [];
  const upstream = (name: string) => ({ abort: () => aborted.push(name) }) as unknown as Upstream;
  const group = {
    spec: { ...endpointSpec(SLOT, { id: 'b' }), ...(via === undefined ? {} : { via }) },
    acquire: (user: UpstreamEvents) => {
      user.onConnecting(upstream('second'));
      return ACQUIRED.CONNECTING;
    },
  };
  const ex = {
    plane: { lane, wheel: { nowMs: 0, stalledMs: 0 }, capture: { id: 0 } },
    pool: {
      spec: poolSpec('p', [0, 1], 0),
      budget: newBudget(0.2, 0, 0),
      hedging: null,
      retryStatuses: new Set([503]),
    },
    generation: { groups: [undefined, group], selector: { role: 0, cohort: 0 } },
    head: { method: 'GET' },
    books: new Books(),
    up: upstream('first'),
    tried: new Int32Array(8),
    triedCount: 0,
    trace: null,
  } as unknown as Exchange;
  const hedge = new Hedge(ex);
  expect(hedge.begin(SLOT, 0)).toBe(true);
  expect([hedge.isRacing, lane.inflight[SLOT]]).toEqual([true, 1]);
  return { ex, hedge, lane, aborted };
}

it('is called off when its connection turns out to have no room: nobody would time its wait', () => {
  const { hedge, lane, aborted } = begun();
  hedge.onQueued();
  expect([hedge.isRacing, lane.inflight[SLOT], aborted]).toEqual([false, 0, ['second']]);
});

it.each([403, 413, 502])('does not win by the %i of an edge that has not sent it on', (status) => {
  const via = { peer: 'n1', endpoint: 'b', target: 1, pool: 'p', key: 'k', costMs: 0 };
  const { ex, hedge, lane, aborted } = begun(via);
  const head = { status, count: 1, nameIs: (_: number, name: string) => name === 'x-fermat-relay' };
  hedge.onResponseHead(head as unknown as ResponseHead);
  expect([hedge.isRacing, lane.inflight[SLOT], aborted]).toEqual([false, 0, ['second']]);
  expect([...ex.tried.subarray(0, ex.triedCount)]).toEqual([SLOT]);
});
