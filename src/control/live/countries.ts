// Where requests come from: per second and country, as samples are drained. Counting is one addition for each sample, always;
// rates are made of the counts only when time is passed on. Bounded by how many codes of two letters there are.

/** What is counted is averaged over about so long … */
const TAU_MS = 10_000;
/** … and a country that was silent for so long is not told of any more. */
const SEEN_MS = 60_000;

const LETTERS = 26;
/** Two letters each, and one place for everybody whose country is not known. */
const PLACES = LETTERS * LETTERS + 1;
const A = 65;

/** Two letters, '' = not known; requests/s. */
export type CountryRate = readonly [country: string, requestsPerSecond: number];

export class Countries {
  readonly #counts = new Float64Array(PLACES);
  readonly #rates = new Float64Array(PLACES);
  readonly #seenMs = new Float64Array(PLACES).fill(Number.NEGATIVE_INFINITY);
  /** What the averages of a constant 1 would be by now: until some time has passed they have not got there. */
  #weight = 0;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** One attempt, of a client of this country: countryKeyOf of core/cohort.ts. */
  seen(countryKey: number): void {
    this.#counts[placeOf(countryKey)]! += 1;
  }

  /** Time has passed. */
  pass(nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    if (!(elapsedMs > 0)) return;
    this.#atMs = nowMs;
    const gain = 1 - Math.exp(-elapsedMs / TAU_MS);
    this.#weight += (1 - this.#weight) * gain;
    for (let i = 0; i < PLACES; i++) {
      const count = this.#counts[i]!;
      if (count > 0) this.#seenMs[i] = nowMs;
      this.#rates[i]! += ((count * 1000) / elapsedMs - this.#rates[i]!) * gain;
      this.#counts[i] = 0;
    }
  }

  /** Those of the last minute, most requests first. */
  list(most: number): CountryRate[] {
    const list: CountryRate[] = [];
    for (let i = 0; i < PLACES; i++) {
      if (this.#atMs - this.#seenMs[i]! > SEEN_MS) continue;
      list.push([nameOf(i), Math.round((this.#rates[i]! / this.#weight) * 100) / 100]);
    }
    return list.sort((a, b) => b[1] - a[1]).slice(0, most);
  }
}

/** 0 = none that is known. */
function placeOf(key: number): number {
  const first = (key >> 8) - A;
  const second = (key & 0xff) - A;
  const isCode = first >= 0 && first < LETTERS && second >= 0 && second < LETTERS;
  return isCode ? 1 + first * LETTERS + second : 0;
}

function nameOf(place: number): string {
  if (place === 0) return '';
  return String.fromCharCode(A + Math.floor((place - 1) / LETTERS), A + ((place - 1) % LETTERS));
}
