// A second attempt by itself, on an exchange that is nothing but what it looks at.

import { expect, it } from 'vitest';
import { newBudget } from '../../src/core/budget.ts';
import { newLane } from '../../src/core/lane.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { Hedge } from '../../src/data/hedge.ts';
import { Books } from '../../src/data/settle.ts';
import { ACQUIRED, type Upstream, type UpstreamEvents } from '../../src/data/sides.ts';
import { endpointSpec, poolSpec } from '../support/world.ts';

const SLOT = 1;

it('is called off when its connection turns out to have no room: nobody would time its wait', () => {
  const lane = new LaneWriter(newLane());
  let isAborted = false;
  const upstream = {
    abort: () => {
      isAborted = true;
    },
  } as unknown as Upstream;
  const group = {
    spec: endpointSpec(SLOT, { id: 'b' }),
    acquire: (user: UpstreamEvents) => {
      user.onConnecting(upstream);
      return ACQUIRED.CONNECTING;
    },
  };
  const ex = {
    plane: { lane, wheel: { nowMs: 0, stalledMs: 0 }, capture: { id: 0 } },
    pool: { spec: poolSpec('p', [0, 1], 0), budget: newBudget(0.2, 0, 0), hedging: null },
    generation: { groups: [undefined, group], selector: { role: 0, cohort: 0 } },
    head: { method: 'GET' },
    books: new Books(),
    tried: new Int32Array(8),
    triedCount: 0,
  } as unknown as Exchange;
  const hedge = new Hedge(ex);
  expect(hedge.begin(SLOT, 0)).toBe(true);
  expect([hedge.isRacing, lane.inflight[SLOT]]).toEqual([true, 1]);
  hedge.onQueued();
  expect([hedge.isRacing, lane.inflight[SLOT], isAborted]).toEqual([false, 0, true]);
});
