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

/** Takes one frame of the live stream, ready to be written. `isWhole`: it tells everything, and may be big. */
export type SendFrame = (frame: Buffer, isWhole: boolean) => void;

/** What happens, as it happens: docs/admin-api.md has the frames. */
export interface LiveApi {
  /** `send` gets everything soon, then changes, until what is given is called. Never calls `send` before it returns. */
  follow(send: SendFrame): () => void;
}
