// Numbers and moments as a line has them. Number.toFixed and Date cost more than the rest of a line, so what can be looked up is.

import { flat } from '../../wire/write.ts';

const TWO = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'));
const THREE = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));
const WHOLE = Array.from({ length: 1000 }, (_, n) => String(n));
/** Thousandths, less what zeros there are at the end. */
const THOUSANDTHS = THREE.map((digits) => (digits === '000' ? '' : `.${digits.replace(/0+$/, '')}`));
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Beyond it microseconds do not fit in 31 bits. */
const LOOKED_UP_MS = 2_000_000;

/** A field of milliseconds, to the microsecond: what stands before the number, and behind it, is looked up with it. */
export class Millis {
  readonly #label: string;
  readonly #end: string;
  readonly #none: string;
  /** By microseconds, below one millisecond; by whole milliseconds. Made when they are first needed. */
  readonly #micros: string[] = [];
  readonly #wholes: string[] = [];
  readonly #thousandths: readonly string[];

  constructor(label: string, end = '') {
    this.#label = label;
    this.#end = end;
    this.#none = `${label}null${end}`;
    this.#thousandths = end === '' ? THOUSANDTHS : THOUSANDTHS.map((digits) => digits + end);
  }

  /** `null` for what did not happen (< 0). */
  of(ms: number): string {
    if (!(ms >= 0)) return this.#none;
    if (ms > LOOKED_UP_MS) return `${this.#label}${ms.toFixed(3)}${this.#end}`;
    const us = (ms * 1000 + 0.5) | 0;
    if (us < 1000) {
      this.#micros[us] ??= flat(`${this.#label}0${this.#thousandths[us]}`);
      return this.#micros[us];
    }
    const whole = (us / 1000) | 0;
    return (whole < 1000 ? this.#whole(whole) : this.#label + whole) + this.#thousandths[us - whole * 1000]!;
  }

  #whole(whole: number): string {
    this.#wholes[whole] ??= flat(this.#label + whole);
    return this.#wholes[whole];
  }
}

/** A count. */
export function count(n: number): string {
  return n < 1000 ? WHOLE[n]! : String(n);
}

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
      this.#clf = `${day}:${TWO[at.getUTCHours()]}:${TWO[at.getUTCMinutes()]}:${TWO[at.getUTCSeconds()]} +0000`;
    }
    return this.#clf;
  }
}
