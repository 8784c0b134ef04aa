// The 64-bit name of a key: what a request is limited or placed by, as two 32-bit integers. Tables in shared memory keep these in
// place of texts, so that an entry has a fixed size; two of a million keys share a name with a chance of 1 in 37 million. Built
// from pieces of a head where they lie, without making strings of them. The same on every node. No secret is needed: whoever can
// choose a key could as well choose somebody else's.

/** Filled anew for every key; `hi` is never EMPTY nor TAKEN once `end` was called. */
export class KeyHash {
  hi = 0;
  lo = 0;

  begin(seedHi: number, seedLo: number): void {
    this.hi = seedHi;
    this.lo = seedLo;
  }

  /** The char codes of text[from, to). Source: FNV-1a beside murmur3's body, so that what collides in one does not in the other. */
  add(text: string, from: number, to: number): void {
    let { hi, lo } = this;
    for (let i = from; i < to; i++) {
      const code = text.charCodeAt(i);
      hi = Math.imul(hi ^ code, 0x01000193);
      lo = Math.imul(lo ^ Math.imul(code + 0x7f4a7c15, 0xcc9e2d51), 0x1b873593);
      lo = (lo << 13) | (lo >>> 19);
    }
    this.hi = hi;
    this.lo = lo;
  }

  end(): void {
    const hi = finished(this.hi ^ Math.imul(this.lo, 0x9e3779b1));
    this.lo = finished(this.lo ^ this.hi);
    this.hi = hi === EMPTY || hi === TAKEN ? 1 : hi;
  }

  /** Of a text as a whole, from no seed. */
  of(text: string): this {
    this.begin(SEED_HI, SEED_LO);
    this.add(text, 0, text.length);
    this.end();
    return this;
  }
}

/** What `hi` of a key never is: tables mark places with them that hold none. */
export const EMPTY = 0;
export const TAKEN = -0x80000000;

export const SEED_HI = 0x811c9dc5 | 0;
export const SEED_LO = 0x2545f491;

/** Source: Appleby, MurmurHash3, fmix32. */
function finished(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
