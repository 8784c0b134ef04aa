// What people may ask of directories, and have done to them: looked up, listed, changed. Redis holds the truth and is asked each
// time; what this node knows is told beside it. Judges what comes from outside; who may come at all is admin/gate.ts's business.

import type { Refusal } from '../types.ts';
import type { Directory } from './directory.ts';
import type { DirectoryView, Localities } from './localities.ts';
import { isPlace } from './places.ts';
import type { Change } from './scripts.ts';

/** Changes in one go: a script holds up Redis for some µs each. */
export const MOST_CHANGES = 200;
const MAX_KEY_BYTES = 256;

export interface KeyView {
  readonly directory: string;
  readonly key: string;
  /** As Redis has it; null = nowhere. */
  readonly place: string | null;
  /** As requests at this node are sent now. */
  readonly here: string | null;
}

export interface ListView {
  readonly directory: string;
  /** Where to go on; "0" = that was all. */
  readonly cursor: string;
  readonly entries: readonly { readonly key: string; readonly place: string }[];
}

export interface ChangeView {
  readonly directory: string;
  /** Of the directory, with these changes. */
  readonly version: number;
  readonly results: readonly {
    readonly key: string;
    readonly result: 'done' | 'elsewhere' | 'full';
    readonly before: string | null;
    readonly place: string | null;
  }[];
}

const AWAY: Refusal = {
  status: 503,
  code: 'redis_away',
  message: 'Redis does not answer now: nothing is known to have changed',
};
const RESULTS = new Map([
  [1, 'done'],
  [0, 'elsewhere'],
  [-1, 'full'],
] as const);

export class LocalityApi {
  readonly #localities: Localities;

  constructor(localities: Localities) {
    this.#localities = localities;
  }

  views(): readonly DirectoryView[] {
    return this.#localities.views();
  }

  async get(name: string, key: string): Promise<KeyView | Refusal> {
    const directory = this.#named(name);
    if ('status' in directory) return directory;
    const wrong = wrongKey(key);
    if (wrong !== null) return bad(wrong);
    const place = await directory.stored(key);
    if (place === undefined) return AWAY;
    return { directory: directory.name, key, place, here: directory.placeNameOf(key) };
  }

  async list(name: string, cursor: string): Promise<ListView | Refusal> {
    const directory = this.#named(name);
    if ('status' in directory) return directory;
    if (!/^\d{1,20}$/.test(cursor)) return bad('cursor: expected the one of the answer before, or 0');
    const page = await directory.list(cursor);
    if (page === undefined) return AWAY;
    const entries = page.entries.map(([key, place]) => ({ key, place }));
    return { directory: directory.name, cursor: page.cursor, entries };
  }

  /** `body`: `{"changes":[{"key","to","from"?}]}`; `to` null takes a key out; `from` is where it must be: null = nowhere, `*` = somewhere. */
  async change(name: string, body: unknown): Promise<ChangeView | Refusal> {
    const directory = this.#named(name);
    if ('status' in directory) return directory;
    const changes = changesOf(body);
    if (typeof changes === 'string') return bad(changes);
    const changed = await directory.change(changes);
    if (changed === undefined) return AWAY;
    const results = changes.map(({ key, to }, i) => {
      const result = RESULTS.get(changed.results[i] as 1 | 0 | -1) ?? 'full';
      const before = changed.before[i] || null;
      return { key, result, before, place: result === 'done' ? to || null : before };
    });
    return { directory: directory.name, version: changed.version, results };
  }

  #named(name: string): Directory | Refusal {
    return this.#localities.named(name === '-' ? null : name);
  }
}

/** The changes, or in words what is wrong with them. None at all: the directory is to be there, if need be empty. */
function changesOf(body: unknown): Change[] | string {
  const list = typeof body === 'object' && body !== null ? (body as { changes?: unknown }).changes : undefined;
  if (!Array.isArray(list) || list.length > MOST_CHANGES) {
    return `changes: expected a list of at most ${MOST_CHANGES}`;
  }
  const changes: Change[] = [];
  for (const [i, item] of list.entries()) {
    const { key, to, from } = (item ?? {}) as { key?: unknown; to?: unknown; from?: unknown };
    const wrong = wrongKey(key);
    if (wrong !== null) return `changes[${i}].${wrong}`;
    if (to !== null && !(typeof to === 'string' && isPlace(to))) {
      return `changes[${i}].to: expected a region such as aws:eu-central-1, a cloud such as aws, or null`;
    }
    if (from !== undefined && from !== null && typeof from !== 'string')
      return `changes[${i}].from: expected a place or null`;
    changes.push({ key: key as string, to: to ?? '', from: fromOf(from) });
  }
  return changes;
}

/** As the script takes it. */
function fromOf(from: string | null | undefined): string {
  if (from === undefined) return '*';
  return from === '*' ? '+' : (from ?? '');
}

function wrongKey(key: unknown): string | null {
  const isKey =
    typeof key === 'string' && key !== '' && !/[\x00-\x1f\x7f]/.test(key) && Buffer.byteLength(key) <= MAX_KEY_BYTES;
  return isKey ? null : `key: expected 1 to ${MAX_KEY_BYTES} bytes without control characters`;
}

function bad(message: string): Refusal {
  return { status: 400, code: 'bad_request', message };
}
