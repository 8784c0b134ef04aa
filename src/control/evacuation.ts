// "If I drain this region": the recorded decisions, decided again without it. Each keeps what was known at its moment and its
// chance; who may be chosen is another, and the load is what would come of that (evacuation/assignment.ts). What that adds up
// to, weighted by how many requests each stands for, is where the requests would go.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { redecide } from '../core/decision.ts';
import { distanceKm } from '../core/geo.ts';
import type { EndpointSpec, LatLon } from '../core/snapshot.ts';
import type { Config } from './config/config.ts';
import { Alternative } from './decisions/alternative.ts';
import { countryOf, type Entry } from './decisions/entry.ts';
import type { Recorded } from './decisions/parse.ts';
import { recordedOf } from './decisions/recorded.ts';
import { Residuals } from './decisions/residuals.ts';
import { Assignment, ROUNDS } from './evacuation/assignment.ts';
import { type Removal, removalOf } from './evacuation/removal.ts';
import { Tally } from './evacuation/tally.ts';
import type { Evacuation, EvacuationQuery, PoolEvacuation } from './evacuation/types.ts';
import type { PoolState } from './fleet/ranking.ts';
import { sumsOf } from './live/figures.ts';
import type { Refusal } from './types.ts';

export interface EvacuationSources {
  /** Monotonic, ms. */
  readonly clock: () => number;
  /** Newest first. */
  readonly newest: () => Iterable<Entry>;
  readonly pools: () => readonly PoolState[];
  readonly config: () => Pick<Config, 'pools' | 'routes'>;
  /** Where this node is; null = unknown. */
  readonly edge: () => LatLon | null;
}

/** Of fewer decisions no share is worth much. */
const LEAST = 20;
/** Other work is let in when this long has passed: the prober's clock is on the same thread. ms */
const SLICE_MS = 4;
/** Questions under way and waiting: each takes up to seconds, one after the other. */
const MOST_WAITING = 8;

interface Decided {
  readonly entry: Entry;
  readonly record: Recorded;
}

export class Evacuations {
  readonly #sources: EvacuationSources;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(sources: EvacuationSources) {
    this.#sources = sources;
  }

  async preview(query: EvacuationQuery): Promise<Evacuation | Refusal> {
    if (this.#waiting >= MOST_WAITING) {
      return { status: 503, code: 'busy', message: 'too many previews are being computed: ask again in a moment' };
    }
    this.#waiting++;
    const before = this.#last;
    const answer = before.then(() => this.#preview(query));
    this.#last = answer.catch(() => undefined);
    return answer.finally(() => {
      this.#waiting--;
    });
  }

  async #preview(query: EvacuationQuery): Promise<Evacuation | Refusal> {
    const removal = removalOf(this.#sources.pools(), query);
    if ('status' in removal) return removal;
    const breathe = this.#pacer();
    const residuals = new Residuals();
    const decided: Decided[] = [];
    const recorded = this.#recorder();
    for (const entry of this.#firstChoicesOf(removal)) {
      const record = recorded(entry);
      residuals.learn(record);
      decided.push({ entry, record });
      await breathe();
    }
    const tally = new Tally(removal.states);
    const { choices, assignments } = await this.#assign(removal, decided, breathe);
    for (const [i, { entry, record }] of decided.entries()) {
      const chosen = choices[i]!;
      // A pool that the configuration has no more.
      if (chosen.length === 0) continue;
      tally.add(record, countryOf(entry), assignments.get(record.pool)!.faced(record.state), chosen, residuals);
      await breathe();
    }
    const pools = tally.pools(removal.ids);
    return {
      removed: [...removal.ids],
      decisions: decided.length,
      sinceIso: decided.length === 0 ? null : new Date(decided[0]!.entry.dateMs).toISOString(),
      note: noteOf(decided, pools),
      pools,
      countries: tally.countries(),
    };
  }

  /** Where each request would go, round by round; ids, null = nowhere. And the load that comes of it, by pool. */
  async #assign(
    removal: Removal,
    decided: readonly Decided[],
    breathe: () => Promise<void> | undefined,
  ): Promise<{ choices: (string | null)[][]; assignments: ReadonlyMap<string, Assignment> }> {
    const records = decided.map(({ record }) => record);
    const config = this.#sources.config();
    const gone = goneOf(removal);
    const choices = records.map((): (string | null)[] => []);
    const assignments = new Map(
      removal.states.map((state) => [state.spec.name, new Assignment(state, sumsOf(state).requestsPerSecond)]),
    );
    for (const { pool, endpoint, every } of records) assignments.get(pool)!.had(endpoint, every);
    for (let round = 0; round < ROUNDS; round++) {
      const other = new Alternative(config, gone, records);
      for (const [i, record] of records.entries()) {
        if (!other.knows(record.pool)) continue;
        const assignment = assignments.get(record.pool)!;
        const state = other.stateOf(record, assignment.faced(record.state));
        const id = state.endpoints[redecide(state).place]?.id ?? null;
        assignment.sent(id, record.every);
        choices[i]!.push(id);
        await breathe();
      }
      const settled = [...assignments.values()].map((assignment) => assignment.settle());
      if (settled.every((isSettled) => isSettled)) break;
    }
    return { choices, assignments };
  }

  /** Of these pools, oldest first, as of now: the journal goes on. Where a retry goes depends on what failed before. */
  #firstChoicesOf({ states }: Removal): Entry[] {
    const names = new Set(states.map(({ spec }) => spec.name));
    const entries: Entry[] = [];
    for (const entry of this.#sources.newest()) {
      if (names.has(entry.state.pool.name) && entry.state.tried.length === 0) entries.push(entry);
    }
    return entries.sort((a, b) => a.atMs - b.atMs);
  }

  /** Distances are computed once for each endpoint, not for each decision among a thousand. */
  #recorder(): (entry: Entry) => Recorded {
    const edge = this.#sources.edge();
    const known = new Map<EndpointSpec, number | null>();
    const distanceKmOf = (endpoint: EndpointSpec): number | null => {
      let km = known.get(endpoint);
      if (km !== undefined) return km;
      km = edge === null || endpoint.location === null ? null : distanceKm(edge, endpoint.location);
      known.set(endpoint, km);
      return km;
    };
    return (entry) => recordedOf(entry, distanceKmOf);
  }

  /** To be awaited after each piece of work: gives others their turn when it is time. */
  #pacer(): () => Promise<void> | undefined {
    const { clock } = this.#sources;
    let sliceAtMs = clock();
    return () => {
      if (clock() - sliceAtMs < SLICE_MS) return undefined;
      return nextTurn().then(() => {
        sliceAtMs = clock();
      });
    };
  }
}

/** Those that are taken away, and those that an operator has taken away already: some decisions are from before. */
function goneOf({ states, ids }: Removal): Set<string> {
  const members = states.flatMap((state) => state.members);
  return new Set([...ids, ...members.filter((k) => k.isDraining).map((k) => k.spec.id)]);
}

function noteOf(decided: readonly Decided[], pools: readonly PoolEvacuation[]): string | null {
  const notes: string[] = [];
  if (decided.length === 0) notes.push('no decision is recorded yet: nothing can be said of where requests go');
  else if (decided.length < LEAST) notes.push(`only ${decided.length} decisions are recorded: shares are a guess`);
  if (decided.some(({ entry }) => entry.state.endpoints.some(({ via }) => via !== undefined))) {
    notes.push('ways over other edges are left out');
  }
  for (const { regions } of pools) {
    for (const { region, then, capacity } of regions) {
      if (capacity === null || then.requestsPerSecond <= capacity || then.share === 0) continue;
      notes.push(`more than ${region ?? 'the rest'} can take, and nobody else has room for it`);
    }
  }
  return notes.length === 0 ? null : notes.join('; ');
}
