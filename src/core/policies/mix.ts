// Hashing of short texts and numbers, for consistent choices: quick and even, not for secrets.

/** Of the bytes of a text (its char codes): a 32-bit integer, never 0, which stands for "no key". Source: FNV-1a, then murmur3's finaliser. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return finished(hash) | 0 || 1;
}

/** Two numbers as one, evenly spread: 0 ≤ x < 2^32. */
export function mixed(a: number, b: number): number {
  return finished(Math.imul(a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b), 0xc2b2ae35) ^ a);
}

/** Source: Appleby, MurmurHash3, fmix32. */
function finished(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
