// What an encoder remembers of the fields it has written, so that those that come again go as a number. A field is looked for under a
// hash of its length and a few characters; the first time it only leaves that hash, the second time it enters the table, from then
// on it is found there. So what comes once costs no more than that, whatever its name.

import { DynamicTable, ENTRY_OVERHEAD, LINE_OVERHEAD } from './table.ts';

/** Fields looked for at a time: a head has a dozen, a connection carries a few kinds of heads. In sets, by the top of the hash. */
const MARKS = 128;
const SET = 4;
/** 32 sets. */
const SET_SHIFT = 27;
// Numbers of a mark: hash, ordinal in the table (0: not yet), whether it has been of use there.
const HASH = 0;
const ORDINAL = 1;
const USED = 2;
const MARK_NUMBERS = 3;
/** An entry of more than this part of the table would push out too much. */
const LARGEST_PART = 4;

const NO_MARKS = new Int32Array(0);
const COLON = 58;
const SP = 32;
const CR = 13;
const LF = 10;

/** What `find` gives when the field is in no table: write it as it is, or so and then `keep` it. */
export const FOUND = { NOTHING: 0, WORTHY: -1 } as const;

/** Of one direction of one connection; allocates nothing before the first field. */
export class Memory {
  readonly table: DynamicTable;
  #limit: number;
  #marks: Int32Array = NO_MARKS;
  /** Mark that `find` looked at last. */
  #mark = 0;
  #hand = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.table = new DynamicTable(limit);
  }

  /** The table's new size, bytes. */
  resize(limit: number): void {
    this.#limit = limit;
    this.table.resize(limit);
  }

  /**
   * The index (from 1) in the dynamic table of the field whose name is text[nameAt, nameEnd), in any case, and its value
   * text[valueAt, valueEnd); or a value of FOUND. `index` is the name's in the static table, 0 if it is not there.
   */
  find(index: number, text: string, nameAt: number, nameEnd: number, valueAt: number, valueEnd: number): number {
    if (this.#marks.length === 0) this.#marks = new Int32Array(MARKS * MARK_NUMBERS);
    const marks = this.#marks;
    const hash = hashOf(index, text, nameAt, nameEnd, valueAt, valueEnd);
    const set = (hash >>> SET_SHIFT) * SET * MARK_NUMBERS;
    let mark = set;
    const end = set + SET * MARK_NUMBERS;
    while (mark < end && marks[mark + HASH] !== hash) mark += MARK_NUMBERS;
    if (mark === end) {
      this.#note(set, hash);
      return FOUND.NOTHING;
    }
    this.#mark = mark;
    const ordinal = marks[mark + ORDINAL]!;
    if (ordinal !== 0) {
      const place = this.table.inserted - ordinal + 1;
      const isThere = place <= this.table.count;
      if (isThere && this.#is(place, index, text, nameAt, nameEnd, valueAt, valueEnd)) {
        marks[mark + USED] = 1;
        return place;
      }
      // Something else has this hash, and what is in the table has been of no use: neither is likely to come again.
      if (isThere && marks[mark + USED] === 0) {
        marks[mark + ORDINAL] = 0;
        return FOUND.NOTHING;
      }
    }
    const size = nameEnd - nameAt + valueEnd - valueAt + ENTRY_OVERHEAD;
    return size * LARGEST_PART > this.#limit ? FOUND.NOTHING : FOUND.WORTHY;
  }

  /** Leaves the hash in a mark of the set: in turn, but one that has been of use is passed over once (the clock algorithm). */
  #note(set: number, hash: number): void {
    const marks = this.#marks;
    let mark = set;
    for (;;) {
      mark = set + (this.#hand++ & (SET - 1)) * MARK_NUMBERS;
      if (marks[mark + USED] === 0) break;
      marks[mark + USED] = 0;
    }
    marks[mark + HASH] = hash;
    marks[mark + ORDINAL] = 0;
    marks[mark + USED] = 0;
  }

  /** Puts the field that `find` was just asked for into the table. */
  keep(index: number, text: string, nameAt: number, nameEnd: number, valueAt: number, valueEnd: number): void {
    const nameBytes = nameEnd - nameAt;
    const valueBytes = valueEnd - valueAt;
    const line = Buffer.allocUnsafe(nameBytes + valueBytes + LINE_OVERHEAD);
    let to = 0;
    for (let p = nameAt; p < nameEnd; p++) line[to++] = text.charCodeAt(p);
    line[to++] = COLON;
    line[to++] = SP;
    for (let p = valueAt; p < valueEnd; p++) line[to++] = text.charCodeAt(p);
    line[to++] = CR;
    line[to] = LF;
    this.table.insert(line, 0, nameBytes, valueBytes, index);
    this.#marks[this.#mark + ORDINAL] = this.table.inserted;
    this.#marks[this.#mark + USED] = 0;
  }

  /** Names are compared as they came: who sends one in another case has an entry of its own, and that is all. */
  #is(
    place: number,
    index: number,
    text: string,
    nameAt: number,
    nameEnd: number,
    valueAt: number,
    valueEnd: number,
  ): boolean {
    const { bytes, numbers } = this.table;
    const slot = this.table.slotOf(place);
    const lineAt = numbers[slot]!;
    const nameBytes = numbers[slot + 1]!;
    if (numbers[slot + 3] !== index || numbers[slot + 2] !== valueEnd - valueAt) return false;
    let q = lineAt + nameBytes + 2;
    for (let p = valueAt; p < valueEnd; p++, q++) {
      if (bytes[q] !== text.charCodeAt(p)) return false;
    }
    if (index !== 0) return true;
    if (nameBytes !== nameEnd - nameAt) return false;
    q = lineAt;
    for (let p = nameAt; p < nameEnd; p++, q++) {
      if (bytes[q] !== text.charCodeAt(p)) return false;
    }
    return true;
  }
}

/** Of lengths and few characters, to be cheap; the seconds of a date are among them. Never 0. */
function hashOf(
  index: number,
  text: string,
  nameAt: number,
  nameEnd: number,
  valueAt: number,
  valueEnd: number,
): number {
  const n = valueEnd - valueAt;
  let hash = Math.imul(index + 1, 0x9e3779b1) ^ n;
  if (index === 0) hash = Math.imul(hash ^ (nameEnd - nameAt) ^ (text.charCodeAt(nameEnd - 1) << 8), 0x85ebca6b);
  if (n > 4) {
    const last =
      text.charCodeAt(valueEnd - 1) ^ (text.charCodeAt(valueEnd - 2) << 8) ^ (text.charCodeAt(valueEnd - 3) << 16);
    hash = Math.imul(hash ^ last, 0x27d4eb2f) ^ (text.charCodeAt(valueEnd - 5) << 12);
  } else if (n > 0) hash ^= (text.charCodeAt(valueAt) << 8) ^ (text.charCodeAt(valueEnd - 1) << 16);
  return Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) | 1;
}
