// A Snapshot made ready for a worker: the router compiled, header edits spelt out, one retry budget per pool. Built whole
// on arrival, then only read (the budgets' tokens apart). Exchanges keep the generation they began with; when the last
// one of an old generation ends, the control plane is told.

import { type Budget, newBudget } from '../core/budget.ts';
import { type CidrSet, compileCidrs } from '../core/ip.ts';
import { Redirector } from '../core/redirect.ts';
import { compileRouter, type Router } from '../core/router.ts';
import { Selector } from '../core/selector.ts';
import { type HeaderEdits, NONE, type PoolSpec, PRIORITIES, type RouteSpec, type Snapshot } from '../core/snapshot.ts';
import type { TracingSpec } from '../core/trace.ts';
import { type CompressPlan, compressPlanOf } from './compress.ts';
import { Hedging } from './hedging.ts';
import { type Locality, localityOf } from './locality.ts';
import { type OverlayRuntime, overlayRuntimeOf } from './overlay/runtime.ts';
import { type RateLimit, rateLimitsOf } from './rate-limit.ts';
import type { Group } from './upstreams.ts';

export interface RouteRuntime {
  readonly spec: RouteSpec;
  readonly pool: PoolRuntime | null;
  /** Index in PRIORITIES: the higher, the longer it is served. */
  readonly rank: number;
  /** By slot, 1 = inside the route's residency; null = it has none. */
  readonly inside: Uint8Array | null;
  /** Lower-case names to drop, and whole lines to add. */
  readonly requestDrops: readonly string[];
  readonly requestLines: string;
  readonly responseDrops: readonly string[];
  readonly responseLines: string;
  /** UTF-8 bytes as latin1, as the wire writes them. */
  readonly respondBody: string;
  /** null = answers go out as they are. */
  readonly compress: CompressPlan | null;
  /** null = none. */
  readonly rateLimits: readonly RateLimit[] | null;
  /** null = requests go anywhere. */
  readonly locality: Locality | null;
  /** Of requests that another edge sends: nothing is chosen for them. */
  readonly isRelay?: true;
}

export interface PoolRuntime {
  readonly index: number;
  readonly spec: PoolSpec;
  readonly budget: Budget;
  /** null = no second attempt beside the first. */
  readonly hedging: Hedging | null;
  readonly retryMethods: ReadonlySet<string>;
  readonly retryStatuses: ReadonlySet<number>;
}

export interface Generation {
  readonly snapshot: Snapshot;
  readonly router: Router;
  readonly routes: readonly RouteRuntime[];
  readonly pools: readonly PoolRuntime[];
  readonly selector: Selector;
  readonly redirector: Redirector;
  readonly trusted: CidrSet;
  /** null = nothing to do with other edges. */
  readonly overlay: OverlayRuntime | null;
  /** null = no request is traced. */
  readonly tracing: TracingSpec | null;
  /** By slot. An exchange keeps to its generation's groups: a reload may retire them, but not take them away. */
  readonly groups: readonly (Group | undefined)[];
  /** Exchanges that began in it and have not ended. */
  exchanges: number;
}

/** `before`: what pools that stay have spent and learned is theirs after a reload, too. */
export function buildGeneration(
  snapshot: Snapshot,
  groups: readonly (Group | undefined)[],
  nowMs: number,
  wrap: (router: Router) => Router,
  before: Generation | null = null,
): Generation {
  const pools = snapshot.pools.map((spec, index): PoolRuntime => {
    const old = before?.pools.find((pool) => pool.spec.uid === spec.uid);
    const budget = newBudget(spec.retry.budgetRatio, spec.retry.budgetMin / snapshot.lanes, nowMs);
    if (old !== undefined) {
      budget.tokens = old.budget.tokens;
      budget.good = old.budget.good;
    }
    return {
      index,
      spec,
      budget,
      hedging: hedgingOf(spec, snapshot, nowMs, old, before),
      retryMethods: new Set(spec.retry.methods),
      retryStatuses: new Set(spec.retry.onStatus),
    };
  });
  return {
    snapshot,
    router: wrap(compileRouter(snapshot.routes)),
    routes: snapshot.routes.map((spec) => routeRuntime(spec, pools, snapshot)),
    pools,
    selector: new Selector(snapshot),
    redirector: new Redirector(snapshot),
    trusted: compileCidrs(snapshot.trustedProxies),
    overlay: overlayRuntimeOf(snapshot, pools, (spec) => routeRuntime(spec, pools, snapshot)),
    tracing: snapshot.tracing ?? null,
    groups,
    exchanges: 0,
  };
}

function hedgingOf(
  { hedge, endpoints }: PoolSpec,
  snapshot: Snapshot,
  nowMs: number,
  old: PoolRuntime | undefined,
  before: Generation | null,
): Hedging | null {
  if (hedge === null) return null;
  const hedging = new Hedging(hedge, nowMs);
  const learned = old?.hedging ?? null;
  if (before === null || learned === null) return hedging;
  for (const index of endpoints) {
    const { slot, generation } = snapshot.endpoints[index]!;
    const stayed = before.snapshot.endpoints.some((e) => e.slot === slot && e.generation === generation);
    if (stayed) hedging.inherit(learned, slot);
  }
  return hedging;
}

function routeRuntime(spec: RouteSpec, pools: readonly PoolRuntime[], snapshot: Snapshot): RouteRuntime {
  return {
    spec,
    pool: spec.pool === NONE ? null : pools[spec.pool]!,
    rank: PRIORITIES.indexOf(spec.priority),
    inside: insideOf(spec, snapshot),
    requestDrops: dropsOf(spec.requestHeaders),
    requestLines: linesOf(spec.requestHeaders),
    responseDrops: spec.serverTiming
      ? [...dropsOf(spec.responseHeaders), 'x-fermat-endpoint', 'x-fermat-attempts']
      : dropsOf(spec.responseHeaders),
    responseLines: linesOf(spec.responseHeaders),
    respondBody: latin1Of(spec.respond?.body ?? ''),
    compress: compressPlanOf(spec),
    rateLimits: rateLimitsOf(spec),
    locality: localityOf(spec.locality, snapshot),
  };
}

function insideOf({ row, residency }: RouteSpec, { rows, pools, endpoints }: Snapshot): Uint8Array | null {
  if (row === NONE || residency.length === 0) return null;
  const { pool, members } = rows[row]!;
  const slots = members.map((member) => endpoints[pools[pool]!.endpoints[member]!]!.slot);
  const inside = new Uint8Array(Math.max(-1, ...slots) + 1);
  for (const slot of slots) inside[slot] = 1;
  return inside;
}

/** What is set is dropped first, so that it replaces. */
function dropsOf(edits: HeaderEdits): string[] {
  return [...edits.remove, ...edits.set.map(([name]) => name.toLowerCase())];
}

function linesOf(edits: HeaderEdits): string {
  return edits.set.map(([name, value]) => `${name}: ${latin1Of(value)}\r\n`).join('');
}

/** The UTF-8 bytes of a text, one char a byte. */
export function latin1Of(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
