// Moments as a line has them. Date costs more than the rest of a line, so what can be looked up is.

import { flat } from '../../wire/write.ts';

const TWO = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'));
const THREE = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A wall clock's moment in the two forms; what is the same for a second is made once. `before`, `after`: what stands around it. */
export class Moments {
  readonly #before: string;
  readonly #after: readonly string[];
  #isoSecond = -1;
  #iso = '';
  /** The moment that was told last; busy workers tell many in a millisecond. */
  #toldMs = -1;
  #told = '';
  #clfSecond = -1;
  #clf = '';

  constructor(before = '', after = '') {
    this.#before = before;
    this.#after = THREE.map((digits) => flat(`${digits}Z${after}`));
  }

  /** `2026-11-21T17:40:00.123Z` */
  iso(wallMs: number): string {
    if (wallMs === this.#toldMs) return this.#told;
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#isoSecond) {
      this.#isoSecond = second;
      this.#iso = flat(this.#before + new Date(second * 1000).toISOString().slice(0, 20));
    }
    this.#toldMs = wallMs;
    this.#told = flat(this.#iso + this.#after[wallMs - second * 1000]!);
    return this.#told;
  }

  /** `21/Nov/2026:17:40:00 +0000` */
  clf(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#clfSecond) {
      this.#clfSecond = second;
      const at = new Date(second * 1000);
      const day = `${TWO[at.getUTCDate()]}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}`;
      const time = `${TWO[at.getUTCHours()]}:${TWO[at.getUTCMinutes()]}:${TWO[at.getUTCSeconds()]}`;
      this.#clf = flat(`${this.#before}${day}:${time} +0000`);
    }
    return this.#clf;
  }
}
