// Numbers and moments as a line has them. Number.toFixed and Date cost more than the rest of a line, so what can be looked up is.

const TWO = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'));
const THREE = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));
const WHOLE = Array.from({ length: 1000 }, (_, n) => String(n));
/** Thousandths, less what zeros there are at the end. */
const THOUSANDTHS = THREE.map((digits) => (digits === '000' ? '' : `.${digits.replace(/0+$/, '')}`));
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Beyond it microseconds do not fit in 31 bits. */
const LOOKED_UP_MS = 2_000_000;

/** Milliseconds to the microsecond; `null` for what did not happen (< 0). */
export function millis(ms: number): string {
  if (!(ms >= 0)) return 'null';
  if (ms > LOOKED_UP_MS) return ms.toFixed(3);
  const us = (ms * 1000 + 0.5) | 0;
  const whole = (us / 1000) | 0;
  return (whole < 1000 ? WHOLE[whole]! : String(whole)) + THOUSANDTHS[us - whole * 1000]!;
}

/** A count. */
export function count(n: number): string {
  return n < 1000 ? WHOLE[n]! : String(n);
}

/** A wall clock's moment in the two forms; what is the same for a second is made once. */
export class Moments {
  #isoSecond = -1;
  #iso = '';
  #clfSecond = -1;
  #clf = '';

  /** `2026-11-21T17:40:00.123Z` */
  iso(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#isoSecond) {
      this.#isoSecond = second;
      this.#iso = new Date(second * 1000).toISOString().slice(0, 20);
    }
    return `${this.#iso}${THREE[wallMs - second * 1000]}Z`;
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
