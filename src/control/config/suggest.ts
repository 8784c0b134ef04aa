// Did you mean …? One rule for keys, enum values and names alike.

import { closest, distance } from 'fastest-levenshtein';

/** The candidate a typing slip away from `word` (a third of its letters, at least two), or null. Case does not count. */
export function didYouMean(word: string, candidates: readonly string[]): string | null {
  if (candidates.length === 0 || word.length > 64) return null;
  const lower = word.toLowerCase();
  const byLower = new Map(candidates.map((candidate) => [candidate.toLowerCase(), candidate]));
  const best = closest(lower, [...byLower.keys()]);
  const isNear = distance(lower, best) <= Math.max(2, Math.floor(best.length / 3));
  // A word of three letters is two slips away from half of all words.
  const isShort = Math.min(word.length, best.length) <= 2;
  if (isNear && !isShort) return byLower.get(best) ?? null;
  const prefixed = candidates.filter((candidate) => lower.length >= 3 && candidate.toLowerCase().startsWith(lower));
  return prefixed.length === 1 ? prefixed[0]! : null;
}
