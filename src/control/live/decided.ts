// Decisions as they settle, in few words and few a second: what the console's stream shows. Made from the journal's numbers
// without the whole record, which takes a millisecond each; whoever opens one asks for that.

import { cohortName } from '../../core/cohort.ts';
import { liveScoreMs } from '../../core/score/live.ts';
import { ROLE_NAMES } from '../../core/selector.ts';
import { CANDIDATE_DOUBLES } from '../../core/table.ts';
import { countryOf, type Entry } from '../decisions/entry.ts';
import type { Journal } from '../decisions/journal.ts';
import { OUTCOME_NAMES } from '../decisions/record.ts';
import type { DecisionSummary } from './types.ts';

/** Told in one look, which is a second. */
const MOST = 10;
/** Who has not been answered by then is told without the answer. ms */
const PATIENCE_MS = 2000;

export class Decided {
  readonly #journal: Pick<Journal, 'after' | 'newest' | 'taken'>;
  #taken = 0;
  /** Told when they settle, or soon. Oldest first; bounded. */
  #waiting: Entry[] = [];

  constructor(journal: Pick<Journal, 'after' | 'newest' | 'taken'>) {
    this.#journal = journal;
  }

  /** From now on: what has been is told by `recent`. */
  begin(): void {
    this.#taken = this.#journal.taken;
    this.#waiting = [];
  }

  /** What there is to tell now, oldest first; at most ten. Of more than that, some that stand for all. */
  news(nowMs: number): DecisionSummary[] {
    const news = this.#journal.after(this.#taken);
    this.#taken = this.#journal.taken;
    this.#waiting.push(...spread(news, MOST));
    const isDue = (entry: Entry) => entry.settled !== null || nowMs - entry.atMs >= PATIENCE_MS;
    const due = this.#waiting.filter(isDue).slice(0, MOST);
    const told = new Set(due);
    this.#waiting = this.#waiting.filter((entry) => !told.has(entry)).slice(-2 * MOST);
    return due.map(summaryOf);
  }

  /** Oldest first; without those that `news` is yet to tell. */
  recent(most: number): DecisionSummary[] {
    const recent: DecisionSummary[] = [];
    const waiting = new Set(this.#waiting);
    let ahead = this.#journal.taken - this.#taken;
    for (const entry of this.#journal.newest()) {
      if (ahead-- > 0 || waiting.has(entry)) continue;
      if (recent.push(summaryOf(entry)) >= most) break;
    }
    return recent.reverse();
  }
}

/** At most `most`, evenly over all. */
function spread<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all;
  return Array.from({ length: most }, (_, i) => all[Math.floor(((i + 0.5) / most) * all.length)]!);
}

export function summaryOf(entry: Entry): DecisionSummary {
  const { state, place, settled, cohort } = entry;
  const { id, region } = state.endpoints[place]!;
  return {
    id: entry.id.toString(36),
    at: new Date(entry.dateMs).toISOString(),
    route: entry.route,
    pool: state.pool.name,
    endpoint: id,
    region,
    role: ROLE_NAMES[entry.role] ?? 'band',
    country: countryOf(entry),
    cohort: cohortName(cohort),
    scoreMs: tenth(liveScoreMs(state.terms, place * CANDIDATE_DOUBLES, state.inflight[place]!)),
    outcome: settled === null ? null : (OUTCOME_NAMES[settled.outcome] ?? 'ok'),
    status: settled?.status || null,
    tookMs: settled === null || settled.totalMs < 0 ? null : tenth(settled.totalMs),
  };
}

function tenth(ms: number): number {
  return Math.round(ms * 10) / 10;
}
