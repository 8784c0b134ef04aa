// Which tiers of a source are used (priorities of SRV records, RFC 2782): the lowest, and each next one for as long as all below
// it are down. A spare that was needed stays a while longer, so that an endpoint that comes and goes does not take it along.

import type { FoundEndpoint } from './entries.ts';

const STAYS_MS = 30_000;

export class Tiers {
  /** Number of tiers in use, and until when at least; by source. */
  readonly #used = new Map<string, { depth: number; untilMs: number }>();

  /** Those in use now, of one source. `isDown`: by URL; who has not been judged yet is not down. */
  of(
    source: string,
    found: readonly FoundEndpoint[],
    isDown: (url: string) => boolean,
    nowMs: number,
  ): readonly FoundEndpoint[] {
    const tiers = [...new Set(found.map(({ tier }) => tier))].sort((a, b) => a - b);
    if (tiers.length < 2) {
      this.#used.delete(source);
      return found;
    }
    const firstUp = tiers.findIndex((tier) => found.some((one) => one.tier === tier && !isDown(one.url)));
    const needed = firstUp === -1 ? tiers.length : firstUp + 1;
    const before = this.#used.get(source) ?? { depth: 1, untilMs: nowMs };
    const depth = before.untilMs > nowMs ? Math.max(before.depth, needed) : needed;
    this.#used.set(source, { depth, untilMs: needed > 1 && needed >= depth ? nowMs + STAYS_MS : before.untilMs });
    const last = tiers[Math.min(depth, tiers.length) - 1]!;
    return found.filter(({ tier }) => tier <= last);
  }
}
