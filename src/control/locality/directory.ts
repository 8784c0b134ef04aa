// One directory of where data is, as this node knows it: read whole when the node starts, then kept by what is published. A change
// that was missed shows as a gap in the versions, a silent connection by a look at the version each second; either way what has
// changed since is read. While Redis is away, what was known last goes on. Workers read the copy in shared memory
// (core/locality/replica.ts), and ask nobody.

import { randomBytes } from 'node:crypto';
import { KeyHash } from '../../core/key-hash.ts';
import { NOWHERE, ReplicaWriter } from '../../core/locality/replica.ts';
import type { RedisLink } from '../redis/link.ts';
import type { EventLog } from '../types.ts';
import { placeName, placeNumber } from './places.ts';
import { CHANGE, CHANGES, type Change, type Changed, readTold, STATE } from './scripts.ts';

/** How often the version is looked at, whatever was published, ms. */
const LOOK_MS = 1000;
/** What changed is read in portions of so many. */
const PORTION = 1000;
/** Room at the start. */
const FIRST_KEYS = 32_768;
/** More room than is needed at once, so that it does not grow at the first change. */
const SPARE = 1.2;
/** Older than whatever comes. */
const BEFORE_ALL = -1;

export interface DirectoryOptions {
  readonly redis: RedisLink;
  readonly clock: () => number;
  readonly events: EventLog;
  /** The workers are to read this from now on. */
  readonly onCopy: (name: string, buffer: SharedArrayBuffer) => void;
}

export class Directory {
  readonly name: string;
  /** Keys that are held at most. */
  max: number;
  /** When some of it was read last. Written here alone. */
  readMs = Number.NEGATIVE_INFINITY;
  readonly #options: DirectoryOptions;
  readonly #hash = new KeyHash();
  #copy = new ReplicaWriter(FIRST_KEYS);
  /** '' = not read yet. */
  #epoch = '';
  #version = 0;
  /** The one that was read. */
  #server = '';
  #isFollowing = false;
  #isAskedAgain = false;
  #isOver = false;
  #isLost = false;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #gaps = 0;
  #unplaced = 0;
  #unsubscribe: (() => void) | null = null;

  constructor(name: string, max: number, options: DirectoryOptions) {
    this.name = name;
    this.max = max;
    this.#options = options;
  }

  get isLoaded(): boolean {
    return this.#copy.isLoaded;
  }

  get keys(): number {
    return this.#copy.placed;
  }

  get version(): number {
    return this.#version;
  }

  /** Times that published changes had been missed. */
  get gaps(): number {
    return this.#gaps;
  }

  /** Keys that were not taken in, for want of room. */
  get unplaced(): number {
    return this.#unplaced;
  }

  get bytes(): number {
    return this.#copy.buffer.byteLength;
  }

  get buffer(): SharedArrayBuffer {
    return this.#copy.buffer;
  }

  /** What the workers know: the number of the place of a key. */
  placeOf(key: string): number {
    const { hi, lo } = this.#hash.of(latin1(key));
    return this.#copy.placeOf(hi, lo);
  }

  /** What the workers know, by name; null = not in the directory, or at a place that has no name here. */
  placeNameOf(key: string): string | null {
    return placeName(this.placeOf(key));
  }

  start(): void {
    this.#options.onCopy(this.name, this.#copy.buffer);
    const { redis } = this.#options;
    this.#unsubscribe = redis.subscribe(
      this.#tag,
      (message) => this.#hear(message.toString()),
      () => void this.#follow(),
    );
  }

  stop(): void {
    this.#isOver = true;
    this.#unsubscribe?.();
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    if (nowMs - this.#lookedMs >= LOOK_MS) void this.#follow();
  }

  // ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────

  /** All of it or nothing; undefined = Redis does not answer, and nobody knows whether it was done. At most some hundred changes. */
  async change(changes: readonly Change[]): Promise<Changed | undefined> {
    const { redis } = this.#options;
    const keys = ['places', 'versions', 'version', 'epoch'].map((part) => this.#key(part));
    const args = changes.flatMap(({ key, to, from }) => [key, to, from]);
    const epoch = randomBytes(6).toString('hex');
    const first = [redis.channel(this.#tag), epoch, this.max];
    const answer = await redis.script<unknown>('locality-change', CHANGE, keys, [...first, ...args]);
    if (!Array.isArray(answer) || answer.length !== 3) return undefined;
    const [version, results, before] = answer as [number, number[], string[]];
    return { version, results, before };
  }

  /** Where Redis says that a key is; null = nowhere; undefined = Redis does not answer. */
  stored(key: string): Promise<string | null | undefined> {
    return this.#options.redis.call('locality-get', (redis) => redis.hget(this.#key('places'), key));
  }

  /** Some of what Redis holds, and where to go on (`0` = that was the end); a key may come twice. */
  async list(cursor: string): Promise<{ cursor: string; entries: [key: string, place: string][] } | undefined> {
    const answer = await this.#scan('locality-list', cursor);
    if (answer === undefined) return undefined;
    const [next, flat] = answer;
    const entries: [string, string][] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) entries.push([flat[i]!, flat[i + 1]!]);
    return { cursor: next, entries };
  }

  // ── following ────────────────────────────────────────────────────────────────────────────────────────────────────

  #hear(text: string): void {
    const told = readTold(text);
    if (told === null) return;
    const { epoch, from, changes } = told;
    if (epoch !== this.#epoch) return void this.#follow();
    if (from > this.#version + 1) {
      this.#gaps++;
      void this.#follow();
    }
    for (const [i, { key, place }] of changes.entries()) if (key !== '') this.#set(key, place, from + i);
    const last = from + changes.length - 1;
    if (from <= this.#version + 1 && last > this.#version) this.#version = last;
  }

  /** Reads what there is to know, once at a time. Never rejects. */
  async #follow(): Promise<void> {
    if (this.#isFollowing) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isFollowing = true;
    this.#lookedMs = this.#options.clock();
    do {
      this.#isAskedAgain = false;
      while (!this.#isOver && (await this.#step()));
    } while (this.#isAskedAgain && !this.#isOver);
    this.#isFollowing = false;
  }

  /** True = there may be more. */
  async #step(): Promise<boolean> {
    const keys = [this.#key('version'), this.#key('epoch')];
    const known = this.#version;
    const answer = await this.#options.redis.script<unknown>('locality-state', STATE, keys, []);
    if (!Array.isArray(answer)) return false;
    const [epoch, version, server] = answer as [string, number, string];
    if (epoch === '') return this.#isGone();
    this.#isLost = false;
    if (epoch !== this.#epoch) {
      this.#server = server;
      return this.#load(epoch, version);
    }
    if (server !== this.#server || version < known) this.#again(server, version - known);
    return version > this.#version && this.#catchUp();
  }

  /** Redis holds no such directory. What was known stays known: whoever has lost the data has not moved it. */
  #isGone(): false {
    if (this.#epoch !== '' && !this.#isLost) {
      this.#isLost = true;
      const message = `Redis has lost the directory ${this.name}: the ${this.keys} keys known here go on; import it again`;
      this.#options.events.emit('error', 'locality.lost', message, { directory: this.name });
    }
    return false;
  }

  /**
   * The same life of the directory, but perhaps as it was before changes that are known here. What Redis says stands, or nodes would
   * differ for good: all of it will be read again, also what was taken out. Until then, and where it says nothing, what was known.
   */
  #again(server: string, ahead: number): void {
    this.#server = server;
    this.#version = 0;
    this.#copy = this.#copy.grown(this.#copy.keys, BEFORE_ALL);
    this.#options.onCopy(this.name, this.#copy.buffer);
    if (ahead >= 0) return;
    const message = `Redis has lost the last ${-ahead} changes of the directory ${this.name}: what they moved is where it was before`;
    this.#options.events.emit('error', 'locality.reverted', message, { directory: this.name });
  }

  /** All of it, into a copy that is shown when it is whole. Of a life before this one, what nobody has said anything of since stays. */
  async #load(epoch: string, version: number): Promise<boolean> {
    const size = await this.#options.redis.call('locality-load', (redis) => redis.hlen(this.#key('places')));
    if (size === undefined || this.#isOver) return false;
    const before = this.#copy;
    this.#copy = before.grown(Math.max(Math.min(size, this.max) * SPARE, FIRST_KEYS), BEFORE_ALL);
    let cursor = '0';
    do {
      const answer = await this.#scan('locality-load', cursor);
      if (answer === undefined || this.#isOver) {
        this.#copy = before;
        return false;
      }
      this.readMs = this.#options.clock();
      const [next, flat] = answer;
      for (let i = 0; i + 1 < flat.length; i += 2) this.#set(flat[i]!, flat[i + 1]!, version, false);
      cursor = next;
    } while (cursor !== '0');
    this.#epoch = epoch;
    this.#version = version;
    this.#copy.setLoaded();
    this.#options.onCopy(this.name, this.#copy.buffer);
    const { name, keys } = this;
    this.#options.events.emit('info', 'locality.loaded', `directory ${name}: ${keys} keys`, { directory: name, keys });
    return true; // what changed meanwhile
  }

  async #catchUp(): Promise<boolean> {
    const keys = ['places', 'versions', 'version', 'epoch'].map((part) => this.#key(part));
    const args = [this.#version, PORTION];
    const answer = await this.#options.redis.script<unknown>('locality-changes', CHANGES, keys, args);
    if (!Array.isArray(answer)) return false;
    const [epoch, version, flat] = answer as [string, number, string[]];
    if (epoch !== this.#epoch) return true;
    for (let i = 0; i + 2 < flat.length; i += 3) this.#set(flat[i]!, flat[i + 1]!, Number(flat[i + 2]));
    const isWhole = flat.length < PORTION * 3;
    const last = isWhole ? version : Number(flat.at(-1));
    if (!(last > this.#version)) return false; // what is no version leads nowhere
    this.#version = last;
    return !isWhole;
  }

  /** Makes room where there is none. `isShown`: workers read this copy, so they are told of a larger one. */
  #set(key: string, place: string, version: number, isShown = true): void {
    const { hi, lo } = this.#hash.of(latin1(key));
    const number = place === '' ? NOWHERE : placeNumber(place);
    if (this.#copy.set(hi, lo, number, version | 0)) return;
    if (this.#copy.placed >= this.max) {
      if (number === NOWHERE || this.#unplaced++ > 0) return;
      const message = `the directory ${this.name} holds more than max (${this.max}) keys: those beyond count as unknown here`;
      this.#options.events.emit('error', 'locality.full', message, { directory: this.name });
      return;
    }
    this.#copy = this.#copy.grown(this.#copy.placed * 2);
    this.#copy.set(hi, lo, number, version | 0);
    if (isShown) this.#options.onCopy(this.name, this.#copy.buffer);
  }

  #scan(what: string, cursor: string): Promise<[string, string[]] | undefined> {
    return this.#options.redis.call(what, (redis) => redis.hscan(this.#key('places'), cursor, 'COUNT', PORTION));
  }

  get #tag(): string {
    return `locality-${this.name}`;
  }

  #key(part: string): string {
    return this.#options.redis.key(this.#tag, part);
  }
}

/** As keys stand in the head of a request: a char a byte. */
function latin1(key: string): string {
  return Buffer.from(key, 'utf8').toString('latin1');
}
