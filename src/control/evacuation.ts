// "If I drain this region": the recorded decisions, decided again without it. Each keeps what was known at its moment, its load and
// its chance; only who may be chosen is another. What that adds up to, weighted by how many requests each stands for, is where the
// requests would go. What moves is not added to the load that the times are predicted at: compare `then` with `capacity` for that.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { redecide } from '../core/decision.ts';
import { distanceKm } from '../core/geo.ts';
import type { LatLon } from '../core/snapshot.ts';
import type { Config } from './config/config.ts';
import { Alternative } from './decisions/alternative.ts';
import type { Entry } from './decisions/entry.ts';
import type { Recorded } from './decisions/parse.ts';
import { recordedOf } from './decisions/recorded.ts';
import { Residuals } from './decisions/residuals.ts';
import { type Removal, removalOf } from './evacuation/removal.ts';
import { CountryTally, PoolTally } from './evacuation/tally.ts';
import type { Evacuation, EvacuationQuery, PoolEvacuation } from './evacuation/types.ts';
import type { PoolState } from './fleet/ranking.ts';
import { countryOf } from './live/decided.ts';
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
    const decided = this.#decisionsOf(removal);
    const tallies = new Map(removal.states.map(({ spec }) => [spec.name, new PoolTally()]));
    const countries = new Map<string | null, CountryTally>();
    await this.#decideAgain(decided, removal, tallies, countries);
    const pools = removal.states.map((state) =>
      tallies.get(state.spec.name)!.result(state, sumsOf(state), removal.ids),
    );
    return {
      removed: [...removal.ids],
      decisions: decided.length,
      sinceIso: decided.length === 0 ? null : new Date(decided[0]!.entry.dateMs).toISOString(),
      note: noteOf(decided, pools),
      pools,
      countries: [...countries]
        .map(([country, tally]) => tally.result(country))
        .sort((a, b) => b.requests - a.requests),
    };
  }

  /** First choices of these pools, oldest first: where a retry goes depends on what failed before. */
  #decisionsOf({ states }: Removal): Decided[] {
    const names = new Set(states.map(({ spec }) => spec.name));
    const edge = this.#sources.edge();
    const decided: Decided[] = [];
    for (const entry of this.#sources.newest()) {
      if (!names.has(entry.state.pool.name) || entry.state.tried.length > 0) continue;
      const record = recordedOf(entry, ({ location }) =>
        edge === null || location === null ? null : distanceKm(edge, location),
      );
      decided.push({ entry, record });
    }
    return decided.sort((a, b) => a.entry.atMs - b.entry.atMs);
  }

  async #decideAgain(
    decided: readonly Decided[],
    removal: Removal,
    tallies: ReadonlyMap<string, PoolTally>,
    countries: Map<string | null, CountryTally>,
  ): Promise<void> {
    const breathe = this.#pacer();
    const records = decided.map(({ record }) => record);
    const residuals = new Residuals();
    for (const record of records) {
      residuals.learn(record);
      await breathe();
    }
    const other = new Alternative(this.#sources.config(), goneOf(removal), records);
    for (const { entry, record } of decided) {
      // A pool that the configuration has no more has no state either; one that has just come, no decisions.
      if (!other.knows(record.pool)) continue;
      const { state, place, every } = record;
      const otherState = other.stateOf(record);
      const { place: otherPlace } = redecide(otherState);
      const then = otherState.endpoints[otherPlace] ?? null;
      tallies.get(record.pool)!.add(record.endpoint, then?.id ?? null, every);
      const country = countryOf(entry);
      const tally = countries.get(country) ?? new CountryTally();
      countries.set(country, tally);
      tally.requests++;
      residuals.predict(record.pool, state, place, every, (ms, weight) => tally.before.add(ms, weight));
      if (then !== null) {
        residuals.predict(record.pool, otherState, otherPlace, every, (ms, weight) => tally.after.add(ms, weight));
      }
      await breathe();
    }
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
      notes.push(`more than ${region ?? 'the rest'} can take: what is beyond would go on to the next best`);
    }
  }
  return notes.length === 0 ? null : notes.join('; ');
}
