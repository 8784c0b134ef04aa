// Which endpoint an attempt goes to: what the selector picks from the row that the request is bound to, less those that it has tried
// and those that are in doubt, as long as that leaves anybody. Every pick may be written down (capture.ts) as it was made.

import { type PickContext, ROLE, type Selector } from '../core/selector.ts';
import { NONE } from '../core/snapshot.ts';
import type { Exchange } from './exchange.ts';
import { BOUND, isServed } from './locality.ts';

/** The slot to send the next attempt to; NONE when there is none that was not tried. `isMade`: it will be sent there. */
export function choose(ex: Exchange, nowMs: number, isMade = true): number {
  return picked(ex, nowMs, NONE, isMade);
}

/** An endpoint for a second attempt beside the one under way; NONE when there is none that it would not be a burden to. */
export function chooseBeside(ex: Exchange, nowMs: number): number {
  if (ex.triedCount === ex.tried.length) return NONE;
  ex.tried[ex.triedCount++] = ex.slot;
  const slot = picked(ex, nowMs, ex.slot, true);
  ex.triedCount--;
  return slot;
}

/** `beside`: the slot of an attempt that goes on; NONE = there is none. */
function picked(ex: Exchange, nowMs: number, beside: number, isMade: boolean): number {
  const pool = ex.pool!;
  const ctx = ex.plane.pick;
  ctx.nowMs = nowMs;
  if (ex.triedCount > 0) ctx.tried.set(ex.tried);
  ctx.triedCount = ex.triedCount;
  ctx.mayExplore = ex.attempts === 0 && pool.retryMethods.has(ex.head.method);
  ctx.place = ex.books.place;
  ctx.hash = ex.hash;
  const { selector, snapshot } = ex.generation;
  const { spec, inside, locality } = ex.route!;
  const { bound } = ex;
  const first = bound === BOUND.SOFT && !isServed(selector, ex.row) ? spec.row : ex.row;
  let row = first;
  let slot = beside === NONE ? selector.pick(row, ctx) : selector.pickBeside(row, ctx, beside);
  while (slot !== NONE && isInDoubt(ex, slot)) {
    if (beside !== NONE) return NONE;
    slot = ctx.triedCount < ctx.tried.length ? pickBut(selector, row, ctx, slot) : NONE;
  }
  if (slot === NONE && bound === BOUND.SOFT && beside === NONE && row !== spec.row) {
    row = spec.row; // all that are there were tried
    slot = selector.pick(row, ctx);
  }
  if (slot === NONE && ctx.triedCount > ex.triedCount) {
    ctx.triedCount = ex.triedCount; // all that are left are in doubt, and one of them it has to be
    row = first;
    slot = selector.pick(row, ctx);
  }
  // Its row holds nobody else; but where data may go is not left to one array index that is right.
  if (inside !== null && inside[slot] !== 1) return NONE;
  if (bound === BOUND.HARD && locality!.inside.get(row)![slot] !== 1) return NONE;
  if (slot !== NONE && isMade) ex.plane.capture.picked(selector, ctx, snapshot.version, spec, row);
  return slot;
}

/** Connects to it have just failed, or hang. Where nobody is known to be well, such things are no reason. */
function isInDoubt({ generation }: Exchange, slot: number): boolean {
  return generation.selector.role < ROLE.PANIC && !generation.groups[slot]!.doubt.admits();
}

function pickBut(selector: Selector, row: number, ctx: PickContext, slot: number): number {
  ctx.tried[ctx.triedCount++] = slot;
  return selector.pick(row, ctx);
}
