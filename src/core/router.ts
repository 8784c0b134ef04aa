// Host and path to route. Compiled once per Snapshot, then one map look-up for the host and one walk over the path,
// which hashes it, looks up every prefix that ends at a segment, and notices on the way whether the path is plain.
// So the cost is the path's length, not the number of routes, and a plain path allocates nothing. A tree of segments
// would allocate a string per segment; a list of routes, the usual way, grows with the configuration.

import { decodedRoute, isDotSegment, readingsOf, SUSPECT } from './path.ts';
import { NONE, type RouteSpec } from './snapshot.ts';

/** Two readings of the path's bytes lead to two routes: the request is to be refused. */
export const AMBIGUOUS = -2;
/** Private answer of a walk: not a plain path, look closer. */
const SUSPICIOUS = -3;

const SLASH = 0x2f;
const DOT = 0x2e;
const QUESTION = 0x3f;
/** FNV-1a, 32 bits. */
const HASH_START = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;

export interface Router {
  /**
   * Index into the routes, NONE, or AMBIGUOUS. Never throws; O(length of the path).
   * `host`: lower case, no port, '' if none. `path`: as it came, with its query; `*` and '' are routed like '/'.
   *
   * The most specific host that has any route on this listener is settled first (exact, then longest suffix, then any);
   * among its routes the longest path wins, an equality before a prefix of the same length, and a route of this very listener
   * before one of all listeners with the same path. A prefix `/a/` also takes `/a`, unless a route says `/a`.
   */
  match(host: string, path: string, listener: string): number;
}

/** Routes of equal host, path and listener: the first one wins. The order of `routes` matters for nothing else. */
export function compileRouter(routes: readonly RouteSpec[]): Router {
  const everywhere = new HostTable(routes, null);
  const byListener = new Map<string, HostTable>();
  for (const { listener } of routes) {
    if (listener !== null && !byListener.has(listener)) byListener.set(listener, new HostTable(routes, listener));
  }
  if (byListener.size === 0) return everywhere;
  return {
    match: (host, path, listener) => (byListener.get(listener) ?? everywhere).match(host, path),
  };
}

/** Every host that has routes on one listener. */
class HostTable {
  readonly #exact = new Map<string, PathTable>();
  /** Keys without the `*.`. */
  readonly #suffixes = new Map<string, PathTable>();
  #longestSuffix = 0;
  readonly #any: PathTable | null;

  constructor(routes: readonly RouteSpec[], listener: string | null) {
    const groups = new Map<string | null, number[]>();
    // A listener's own routes come first, so that they win over those of all listeners with the same path.
    for (const pass of listener === null ? [null] : [listener, null]) {
      routes.forEach((route, index) => {
        if (route.listener !== pass) return;
        const group = groups.get(route.host);
        if (group) group.push(index);
        else groups.set(route.host, [index]);
      });
    }
    let any: PathTable | null = null;
    for (const [host, indexes] of groups) {
      const table = new PathTable(routes, indexes);
      if (host === null) any = table;
      else if (host.startsWith('*.')) this.#addSuffix(host.slice(2), table);
      else this.#exact.set(host, table);
    }
    this.#any = any;
  }

  match(host: string, path: string): number {
    const table = this.#tableOf(host);
    return table === null ? NONE : table.match(path);
  }

  #addSuffix(suffix: string, table: PathTable): void {
    this.#suffixes.set(suffix, table);
    if (suffix.length > this.#longestSuffix) this.#longestSuffix = suffix.length;
  }

  #tableOf(host: string): PathTable | null {
    if (this.#exact.size === 0 && this.#longestSuffix === 0) return this.#any;
    // `example.com.` is the same name, fully qualified.
    const name = host.charCodeAt(host.length - 1) === DOT ? host.slice(0, -1) : host;
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    if (this.#longestSuffix === 0) return this.#any;
    // Start where the longest suffix could begin; a dot at 0 would leave an empty label before it.
    let dot = name.indexOf('.', Math.max(1, name.length - this.#longestSuffix - 1));
    for (; dot > 0; dot = name.indexOf('.', dot + 1)) {
      const table = this.#suffixes.get(name.slice(dot + 1));
      if (table !== undefined) return table;
    }
    return this.#any;
  }
}

/**
 * The routes of one host.
 *
 *   key '/a/b' ─ hash ─► entry ─► equal:  '=/a/b'   the whole path is the key
 *                                 prefix: '/a/b'    the key, then a slash or the end
 *                                 slash:  '/a/b/'   the key, then a slash (or the end, if there is no `prefix`)
 */
class PathTable {
  readonly #keys: string[] = [];
  readonly #hashes: number[] = [];
  readonly #equal: number[] = [];
  readonly #prefix: number[] = [];
  readonly #slash: number[] = [];
  /** Open addressing over entry + 1, at most a quarter full. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  /** The answer when `/` is the only route: then no reading of any path can lead elsewhere. */
  readonly #only: number;

  constructor(routes: readonly RouteSpec[], indexes: readonly number[]) {
    const encoded = indexes.filter((index) => routes[index]!.path.includes('%'));
    const size = 1 << (34 - Math.clz32(indexes.length + encoded.length));
    this.#slots = new Int32Array(size);
    this.#mask = size - 1;
    for (const index of indexes) this.#add(routes[index]!, routes[index]!.path, index);
    // After all that is written: what a path is once decoded leads to its route, so that requests for it have one meaning.
    for (const index of encoded) {
      const path = decodedRoute(routes[index]!.path);
      if (path !== null) this.#add(routes[index]!, path, index);
    }
    this.#only = this.#keys.length === 1 && this.#keys[0] === '' ? this.#slash[0]! : NONE;
  }

  match(path: string): number {
    if (this.#only !== NONE) return this.#only;
    if (path.charCodeAt(0) !== SLASH)
      return path === '*' || path === '' || path[0] === '?' ? this.#walk('/', true) : NONE;
    const route = this.#walk(path, true);
    return route === SUSPICIOUS ? this.#matchEveryReading(path) : route;
  }

  #matchEveryReading(path: string): number {
    const readings = readingsOf(path);
    if (readings === null) return AMBIGUOUS;
    const route = this.#walk(readings[0]!, false);
    for (let i = 1; i < readings.length; i++) if (this.#walk(readings[i]!, false) !== route) return AMBIGUOUS;
    return route;
  }

  /** The route of a path; if `guarded`, the path ends at its query, and SUSPICIOUS is the answer when it is not plain. */
  #walk(path: string, guarded: boolean): number {
    let hash = HASH_START;
    let best = NONE;
    let previous = 0;
    let end = path.length;
    for (let i = 0; i < end; i++) {
      const c = path.charCodeAt(i);
      if (c === SLASH) {
        if (guarded && previous === SLASH) return SUSPICIOUS;
        const entry = this.#entryOf(hash, path, i);
        if (entry !== NONE) best = orElse(orElse(this.#slash[entry]!, this.#prefix[entry]!), best);
      } else if (guarded) {
        if (c === QUESTION) {
          end = i;
          break;
        }
        if (c > 0xff || SUSPECT[c] === 1 || (previous === SLASH && isDotSegment(path, i))) return SUSPICIOUS;
      }
      hash = Math.imul(hash ^ c, HASH_PRIME);
      previous = c;
    }
    const entry = this.#entryOf(hash, path, end);
    if (entry === NONE) return best;
    return orElse(orElse(this.#equal[entry]!, orElse(this.#prefix[entry]!, this.#slash[entry]!)), best);
  }

  #entryOf(hash: number, path: string, length: number): number {
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const entry = this.#slots[at]! - 1;
      if (entry < 0) return NONE;
      const key = this.#keys[entry]!;
      if (this.#hashes[entry] === hash && key.length === length && path.startsWith(key)) return entry;
    }
  }

  #add({ exact }: RouteSpec, path: string, index: number): void {
    const isSlash = !exact && path.endsWith('/');
    const key = isSlash ? path.slice(0, -1) : path;
    const kind = exact ? this.#equal : isSlash ? this.#slash : this.#prefix;
    const entry = this.#entryFor(key);
    if (kind[entry] === NONE) kind[entry] = index;
  }

  #entryFor(key: string): number {
    let hash = HASH_START;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), HASH_PRIME);
    const found = this.#entryOf(hash, key, key.length);
    if (found !== NONE) return found;
    let at = hash & this.#mask;
    while (this.#slots[at] !== 0) at = (at + 1) & this.#mask;
    this.#hashes.push(hash);
    for (const kind of [this.#equal, this.#prefix, this.#slash]) kind.push(NONE);
    const count = this.#keys.push(key);
    this.#slots[at] = count;
    return count - 1;
  }
}

function orElse(first: number, second: number): number {
  return first === NONE ? second : first;
}
