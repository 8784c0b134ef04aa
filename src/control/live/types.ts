// What the live stream and the pools of the node look like from outside. Shapes only.

/** One row of GET /api/v1/pools. */
export interface PoolView {
  readonly name: string;
  readonly policy: string;
  readonly endpoints: number;
  readonly healthy: number;
  readonly requestsPerSecond: number;
  readonly inflight: number;
  readonly whenAllDown: 'try' | 'fail';
  readonly explorePercent: number;
}

/** One decision in a line; times in ms. */
export interface DecisionSummary {
  readonly id: string;
  readonly at: string;
  readonly route: string;
  readonly pool: string;
  readonly endpoint: string;
  readonly region: string | null;
  readonly role: string;
  /** Two letters; null = not known, or not yet. */
  readonly country: string | null;
  readonly cohort: string;
  /** Of the choice, as compared. */
  readonly scoreMs: number;
  /** null = the attempt has not ended. */
  readonly outcome: string | null;
  readonly status: number | null;
  readonly tookMs: number | null;
}

/** Takes one frame of the live stream, ready to be written. `isWhole`: it tells everything, and may be big. */
export type SendFrame = (frame: Buffer, isWhole: boolean) => void;

/** What happens, as it happens: docs/admin-api.md has the frames. */
export interface LiveApi {
  /** `send` gets everything soon, then changes, until what is given is called. Never calls `send` before it returns. */
  follow(send: SendFrame): () => void;
}
