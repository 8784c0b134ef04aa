// One sample: how an attempt at an endpoint ended and how long each part of it took, as fields of the lane's ring. Workers
// write it when they settle, the control plane learns scores and health from it.

/** How an attempt ended, as seen from the endpoint. Anything from CONNECT_FAILED on counts against it. */
export const OUTCOME = {
  OK: 0, // a response head came, and its body was whole (4xx but 429 included)
  CLIENT_GONE: 1, // the client's doing: says nothing about the endpoint
  OUTRUN: 2, // a second attempt beside it was quicker: the wait would have been longer than it was
  TOO_MANY: 3, // 429: counts in the score, not against health
  CONNECT_FAILED: 4,
  RESET: 5, // closed or reset before the whole response was there
  TIMEOUT: 6, // no first byte, or a body without progress
  BAD_RESPONSE: 7, // broke HTTP
  STATUS_5XX: 8,
} as const;
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME];

/** Fields of one sample in the ring; every one a double. Times in ms on the process-wide monotonic clock (clock.ts). */
export const SAMPLE = {
  SLOT: 0,
  GENERATION: 1,
  COHORT: 2, // key of the cohort whose row was picked from (cohort.ts); 0 = the edge's own
  OUTCOME: 3,
  CONNECT_MS: 4, // -1 = a pooled connection was used, or not told (STALLED_MS)
  FIRST_BYTE_MS: 5, // request sent whole → first byte of the response; -1 = none came, it came before, or not told (STALLED_MS)
  TOTAL_MS: 6,
  INFLIGHT: 7, // this worker's at the slot when it was picked, itself not counted
  AT_MS: 8, // when it settled
  STATUS: 9, // 0 = none
  RETRY_AFTER_MS: 10, // 0 = none
  BYTES: 11, // response body
  ROLE: 12, // what the endpoint was picked for: ROLE of selector.ts
  DECISION: 13, // id of the decision in the other ring (core/decision.ts); 0 = the pick was not written down
  COUNTRY: 14, // keys of the cohorts that the client is of (cohort.ts); 0 = not known
  ASN: 15,
  PREFIX: 16,
  STALLED_MS: 17, // the worker's own loop stood still for so long meanwhile: not in TOTAL_MS, and no part of it is told
} as const;
export const SAMPLE_FIELDS = 18;
