// The last five minutes of every endpoint, a point every five seconds: network term and score, for whoever opens the console.
// Kept whether or not anybody watches, so it must cost next to nothing: two stores an endpoint and step, half a KiB each.
// Written out in slices, since the prober's clock runs on the same thread, and once for all who ask within a step.

import { setImmediate as nextTurn } from 'node:timers/promises';

export const STEP_MS = 5000;
/** Points of each series. */
const KEPT = 60;
/** Endpoints written out before other work is let in: about a millisecond. */
const SLICE = 128;

/** Of an endpoint: RTT and score by turns. NaN = not known then. */
interface Ring {
  readonly generation: number;
  readonly points: Float32Array;
}

export interface Placed {
  readonly slot: number;
  readonly generation: number;
}

export class History {
  /** By slot: there are at most as many as the board has. */
  #rings: (Ring | undefined)[] = [];
  /** Steps there have been, and the place of the next one in every ring. */
  #steps = 0;
  #endAtMs = 0;
  #written: { readonly steps: number; readonly of: readonly Placed[]; readonly text: Promise<string> } | null = null;

  /** A step begins; `dateMs`: as a date. `record` follows for every endpoint. */
  step(dateMs: number): void {
    this.#steps++;
    this.#endAtMs = dateMs;
  }

  /** ms; NaN = not known. */
  record({ slot, generation }: Placed, rttMs: number, scoreMs: number): void {
    let ring = this.#rings[slot];
    if (ring?.generation !== generation) {
      ring = { generation, points: new Float32Array(KEPT * 2).fill(Number.NaN) };
      this.#rings[slot] = ring;
    }
    const at = ((this.#steps - 1) % KEPT) * 2;
    ring.points[at] = rttMs;
    ring.points[at + 1] = scoreMs;
  }

  /** Forgets every endpoint that is not among these. */
  keep(endpoints: readonly Placed[]): void {
    const kept: (Ring | undefined)[] = [];
    for (const { slot, generation } of endpoints) {
      const ring = this.#rings[slot];
      if (ring?.generation === generation) kept[slot] = ring;
    }
    this.#rings = kept;
  }

  /** As JSON: `{ stepMs, endAt, rttMs, scoreMs }`, series in the order of `endpoints`, oldest point first. */
  text(endpoints: readonly Placed[]): Promise<string> {
    const { steps, of, text } = this.#written ?? {};
    if (text !== undefined && steps === this.#steps && of === endpoints) return text;
    this.#written = { steps: this.#steps, of: endpoints, text: this.#write(endpoints) };
    return this.#written.text;
  }

  async #write(endpoints: readonly Placed[]): Promise<string> {
    const steps = this.#steps;
    const endAt = new Date(this.#endAtMs).toISOString();
    const rtts: string[] = [];
    const scores: string[] = [];
    for (let i = 0; i < endpoints.length; i++) {
      const { slot, generation } = endpoints[i]!;
      const ring = this.#rings[slot];
      const points = ring?.generation === generation ? ring.points : null;
      rtts.push(seriesOf(points, 0, steps));
      scores.push(seriesOf(points, 1, steps));
      if (i % SLICE === SLICE - 1) await nextTurn();
    }
    return `{"stepMs":${STEP_MS},"endAt":"${endAt}","rttMs":[${rtts.join()}],"scoreMs":[${scores.join()}]}`;
  }
}

/** To a tenth of a millisecond; [] of an endpoint that is too new to have a point. */
function seriesOf(points: Float32Array | null, offset: number, steps: number): string {
  if (points === null) return '[]';
  let text = '';
  for (let step = Math.max(steps - KEPT, 0); step < steps; step++) {
    const ms = points[(step % KEPT) * 2 + offset]!;
    text += `${text === '' ? '' : ','}${Number.isNaN(ms) ? 'null' : Math.round(ms * 10) / 10}`;
  }
  return `[${text}]`;
}
