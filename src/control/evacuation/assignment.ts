// Who gets how much of a pool's requests once endpoints are gone, and what that makes of their times. Where requests go depends on
// how loaded everybody is, and the other way about: so it is asked in rounds, and each round moves the load a part of the way
// to where its requests went. All at once would send everybody to the next best, then all of them on to the one after that.
// Source: the method of successive averages, Sheffi, "Urban Transportation Networks", 1985, 12.2; later rounds count for more:
// Frank & Wolfe's step, as in Jaggi, "Revisiting Frank-Wolfe", ICML 2013.

import type { PickState } from '../../core/decision.ts';
import { liveScoreMs } from '../../core/score/live.ts';
import { kneeOf } from '../../core/score/queue.ts';
import { serverAtMs } from '../../core/score/server.ts';
import { sustainedPerS, untilFull } from '../../core/score/spill.ts';
import { capacityShare } from '../../core/share/opinion.ts';
import { CANDIDATE_DOUBLES, CD } from '../../core/table.ts';
import type { Known } from '../fleet/known.ts';
import type { PoolState } from '../fleet/ranking.ts';

/** Rounds at most: what the first one said, which knows of no load, is then a twenty-eighth. */
export const ROUNDS = 7;
/** A round that would change nobody's part of the requests by more than this is the last. */
const SETTLED_RATIO = 0.01;
/** Fewer more in flight are not worth ranking anew for. */
const LEAST_INFLIGHT = 0.01;

/** What the choice of a round counts for, of `rounds`. They add up to 1. */
export function weightOf(round: number, rounds: number): number {
  return (2 * (round + 1)) / (rounds * (rounds + 1));
}

interface Share {
  /** null = the pool has it no more. */
  readonly known: Known | null;
  /** Weights: as recorded, and in this round. */
  before: number;
  sent: number;
  /** Of the pool's requests: as recorded, and as of the rounds so far. 0…1 */
  was: number;
  is: number;
  /** Of its draws it takes this part; the others find it full. 0…1 */
  taken: number;
  /** What is left over of the load, which is counted in whole requests. */
  carry: number;
}

/** Of one pool. */
export class Assignment {
  readonly #byId = new Map<string, Share>();
  /** That come to the pool. */
  readonly #perMs: number;
  #total = 0;
  #round = 0;

  constructor({ members }: PoolState, requestsPerSecond: number) {
    this.#perMs = requestsPerSecond / 1000;
    for (const k of members) this.#byId.set(k.spec.id, newShare(k));
  }

  /** A choice as it was recorded, of all of them, before the first round. */
  had(id: string, weight: number): void {
    this.#of(id).before += weight;
    this.#total += weight;
  }

  /** Where the same request goes in this round; null = nobody is left. */
  sent(id: string | null, weight: number): void {
    if (id !== null) this.#of(id).sent += weight;
  }

  /** Ends a round: whether another would change nothing. */
  settle(): boolean {
    const step = 2 / (this.#round + 2);
    let most = 0;
    for (const share of this.#byId.values()) {
      share.was = this.#total === 0 ? 0 : share.before / this.#total;
      const sent = this.#total === 0 ? 0 : share.sent / this.#total;
      const fewer = share.taken;
      this.#limit(share, sent);
      most = Math.max(most, Math.abs(sent - share.is), Math.abs(fewer - share.taken));
      share.is += (sent - share.is) * step;
      share.sent = 0;
      share.carry = 0;
    }
    this.#round++;
    return most <= SETTLED_RATIO;
  }

  /** What a pick would see now: the same state at the load of the rounds so far. The state itself where that is as it was. */
  faced(state: PickState): PickState {
    if (this.#round === 0) return state;
    const shares = state.endpoints.map(({ id }) => this.#of(id));
    const more = shares.map((share, place) => this.#moreInflight(share, state, place));
    const isSame = shares.every((share, i) => share.taken === 1 && Math.abs(more[i]!) < LEAST_INFLIGHT);
    if (isSame) return state;
    const terms = state.terms.slice();
    const inflight = state.inflight.slice();
    shares.forEach((share, place) => {
      load(terms, place * CANDIDATE_DOUBLES, more[place]!, share.taken);
      const due = share.carry + more[place]!;
      const whole = Math.round(due);
      share.carry = due - whole;
      inflight[place] = Math.max(inflight[place]! + whole, 0);
    });
    return { ...state, terms, inflight };
  }

  /** Little's law, L = λW, of what comes on top and the time that it took: what the ranking takes for usual, too. */
  #moreInflight({ was, is }: Share, { terms }: PickState, place: number): number {
    const at = place * CANDIDATE_DOUBLES;
    return (is - was) * this.#perMs * (terms[at + CD.NETWORK]! + terms[at + CD.SERVER]!);
  }

  /** What it takes of its draws, so that no more comes than it can carry: as the tick does after this much came. */
  #limit(share: Share, sent: number): void {
    const { known } = share;
    if (known === null) return;
    const ownPerS = sent * this.#perMs * 1000;
    const capacity = capacityShare(known.spec.capacity, ownPerS, known.peers?.perS ?? 0);
    share.taken = untilFull(sustainedPerS(known.spill, capacity), ownPerS / share.taken);
  }

  #of(id: string): Share {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const share = newShare(null);
    this.#byId.set(id, share);
    return share;
  }
}

function newShare(known: Known | null): Share {
  return { known, before: 0, sent: 0, was: 0, is: 0, taken: 1, carry: 0 };
}

/** CD fields at `at` with so many more in flight all the time: the server term by its own law of load, and no queue where it is planned. */
function load(terms: Float64Array, at: number, more: number, taken: number): void {
  const mean = terms[at + CD.MEAN_INFLIGHT]!;
  const scoreMs = liveScoreMs(terms, at, mean);
  const usual = Math.max(mean + more, 0);
  terms[at + CD.SERVER] = serverAtMs(terms[at + CD.SERVER]!, usual, mean, terms[at + CD.GAMMA]!);
  terms[at + CD.MEAN_INFLIGHT] = usual;
  terms[at + CD.KNEE] = Math.max(terms[at + CD.KNEE]!, kneeOf(usual));
  terms[at + CD.SCORE]! += liveScoreMs(terms, at, usual) - scoreMs;
  terms[at + CD.RAMP] = Math.min(terms[at + CD.RAMP]!, taken);
}
