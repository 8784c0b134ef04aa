// What is known of found endpoints, as text for the process that takes over, and a change of it in words for people.

import type { Book } from './book.ts';
import type { FoundEndpoint } from './entries.ts';
import type { Entry } from './source.ts';

interface Memory {
  /** By pool and source. */
  readonly found: readonly { readonly key: string; readonly entries: readonly Entry[] }[];
  readonly books: readonly { readonly pool: string; readonly registrations: unknown }[];
}

export function packed(
  found: readonly { readonly key: string; readonly endpoints: readonly FoundEndpoint[] }[],
  books: ReadonlyMap<string, Book>,
  nowMs: number,
): Memory {
  return {
    found: found.map(({ key, endpoints }) => ({ key, entries: endpoints.map(entryOf) })),
    books: [...books].map(([pool, book]) => ({ pool, registrations: book.memory(nowMs) })),
  };
}

/** What cannot be read is left out: it may be of another version. */
export function unpacked(given: unknown): Memory {
  const { found, books } = (given ?? {}) as { found?: unknown; books?: unknown };
  return {
    found: rowsOf(found).map(({ key, entries }) => ({
      key: String(key),
      entries: (rowsOf(entries) as unknown[]).filter(isEntry),
    })),
    books: rowsOf(books).map(({ pool, registrations }) => ({ pool: String(pool), registrations })),
  };
}

/** `before`, `after`: by `POOL\0ID`. null = the same endpoints are there. */
export function changeOf(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): { readonly message: string; readonly fields: { readonly added: string[]; readonly removed: string[] } } | null {
  const idOf = (key: string): string => key.slice(key.indexOf('\0') + 1);
  const added = [...after.keys()].filter((key) => !before.has(key)).map(idOf);
  const removed = [...before.keys()].filter((key) => !after.has(key)).map(idOf);
  if (added.length + removed.length === 0) return null;
  const parts = [...listed('found', added), ...listed('gone', removed)];
  return { message: `endpoints ${parts.join('; ')}`, fields: { added, removed } };
}

function entryOf({ url, id, region, location, weight, capacity, egressUsdPerGb, labels, tier }: FoundEndpoint): Entry {
  const at = location === null ? null : { lat: location.latDeg, lon: location.lonDeg };
  return { at: url, endpoint: { url, id, region, location: at, weight, capacity, egressUsdPerGb, labels }, tier };
}

function isEntry(given: unknown): given is Entry {
  const { at, endpoint, tier } = (given ?? {}) as Partial<Entry>;
  return typeof at === 'string' && typeof endpoint === 'object' && endpoint !== null && Number.isFinite(tier ?? 0);
}

function rowsOf(given: unknown): Record<string, unknown>[] {
  return Array.isArray(given) ? given.filter((row) => typeof row === 'object' && row !== null) : [];
}

function listed(what: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  const rest = ids.length > 5 ? ` and ${ids.length - 5} more` : '';
  return [`${what}: ${ids.slice(0, 5).join(', ')}${rest}`];
}
