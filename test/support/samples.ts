// What a worker tells of an attempt, written onto a lane without a worker.

import type { CohortPath } from '../../src/core/cohort.ts';
import type { LaneWriter } from '../../src/core/lane-writer.ts';
import { OUTCOME, type Outcome, SAMPLE, SAMPLE_FIELDS } from '../../src/core/sample.ts';

export interface Attempted {
  readonly slot: number;
  readonly outcome: Outcome;
  readonly firstByteMs: number;
  readonly inflight: number;
  readonly status: number;
  readonly client: CohortPath | null;
  readonly cohort: number;
  readonly bytes: number;
  readonly atMs: number;
}

/** Nothing is written when the ring is full. */
export function writeSample(writer: LaneWriter, attempted: Attempted): void {
  const { slot, outcome, firstByteMs, inflight, status, client, cohort, bytes, atMs } = attempted;
  const base = writer.sampleBase();
  if (base < 0) return;
  const { ring } = writer;
  ring.fill(0, base, base + SAMPLE_FIELDS);
  ring[base + SAMPLE.SLOT] = slot;
  ring[base + SAMPLE.GENERATION] = 1;
  ring[base + SAMPLE.OUTCOME] = outcome;
  ring[base + SAMPLE.CONNECT_MS] = -1;
  ring[base + SAMPLE.FIRST_BYTE_MS] = firstByteMs;
  ring[base + SAMPLE.TOTAL_MS] = outcome === OUTCOME.TIMEOUT ? 30_000 : Math.max(firstByteMs, 0);
  ring[base + SAMPLE.INFLIGHT] = inflight;
  ring[base + SAMPLE.AT_MS] = atMs;
  ring[base + SAMPLE.STATUS] = status;
  ring[base + SAMPLE.COHORT] = cohort;
  ring[base + SAMPLE.COUNTRY] = client?.countryKey ?? 0;
  ring[base + SAMPLE.ASN] = client?.asnKey ?? 0;
  ring[base + SAMPLE.PREFIX] = client?.prefixKey ?? 0;
  ring[base + SAMPLE.BYTES] = bytes;
  writer.publishSample();
}
