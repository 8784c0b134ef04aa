// What one edge tells another that it measured: a few figures for each endpoint that it would send a peer's requests to. Written
// from the pools' state, read with suspicion: a peer is trusted to relay, not to be free of bugs.

import { z } from 'zod';
import { errorRatio } from '../../core/score/errors.ts';
import type { Known } from '../fleet/known.ts';
import { measuredNetworkMs } from '../fleet/known.ts';
import type { PoolState } from '../fleet/ranking.ts';
import { isEligible } from '../fleet/terms.ts';

const FORM = 1;
/** Times older than this, and than three probes, are not told. ms */
const MAX_AGE_MS = 60_000;
const STALE_INTERVALS = 3;
/** Ten thousand endpoints. */
export const MAX_DIGEST_BYTES = 1024 * 1024;

const measure = z.object({
  /** Round trip to it, and what its answers to probes take beyond that; ms, null = not known. */
  networkMs: z.number().min(0).max(600_000).nullable(),
  probeMs: z.number().min(0).max(600_000).nullable(),
  /** What requests take beyond the way; null = none were sent. For people. */
  serverMs: z.number().min(0).max(600_000).nullable(),
  errorRatio: z.number().min(0).max(1),
  healthy: z.boolean(),
  /** Since anything last told how long the way is. For people. */
  ageMs: z.number().min(0),
});

const digest = z.object({
  form: z.literal(FORM),
  node: z.string(),
  region: z.string().nullable(),
  /** By hop key. */
  endpoints: z.record(z.string(), measure),
});

export type Measure = z.infer<typeof measure>;
export type Digest = z.infer<typeof digest>;

export interface Self {
  readonly node: string;
  readonly region: string | null;
}

/** Of the endpoints that peers may ask for: `keyOf` gives their hop key. JSON. */
export function digestOf(
  self: Self,
  pools: readonly PoolState[],
  keyOf: (k: Known) => string | undefined,
  nowMs: number,
): string {
  const endpoints: Record<string, Measure> = {};
  for (const { members } of pools) {
    for (const k of members) {
      const key = k.spec.via === undefined ? keyOf(k) : undefined;
      if (key !== undefined) endpoints[key] = measureOf(k, nowMs);
    }
  }
  return JSON.stringify({ form: FORM, ...self, endpoints } satisfies Digest);
}

function measureOf(k: Known, nowMs: number): Measure {
  const ageMs = Math.max(Math.round(nowMs - k.timedAtMs), 0);
  const isOld = ageMs > Math.max(MAX_AGE_MS, k.probeIntervalMs * STALE_INTERVALS);
  return {
    networkMs: isOld ? null : told(measuredNetworkMs(k)),
    probeMs: told(k.probeMs),
    serverMs: told(k.server.ms),
    errorRatio: Math.min(Math.max(errorRatio(k.errors, nowMs), 0), 1),
    healthy: isEligible(k),
    ageMs,
  };
}

/** Microseconds are enough; JSON knows no NaN. */
function told(ms: number): number | null {
  return Number.isFinite(ms) && ms >= 0 ? Math.round(ms * 1000) / 1000 : null;
}

/** A text for people in place of what cannot be read. Never throws. */
export function readDigest(text: string): Digest | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'its answer is no JSON';
  }
  const read = digest.safeParse(json);
  return read.success ? read.data : `its answer has another form than ours (${read.error.issues[0]?.path.join('.')})`;
}
