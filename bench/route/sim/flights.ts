// What is under way or has been: requests, numbered as in Jobs, and after these the probes. Arrays by number, made once a run.

export interface Flights {
  /** Numbers below this are requests. */
  readonly jobs: number;
  /** Whom it was sent to last, or NONE; when, by the simulation's clock; and how long the way there and back is. ms. */
  readonly endpoint: Int16Array;
  readonly sentMs: Float64Array;
  readonly rttMs: Float64Array;
  /** As it will be known, and in which life of the server it began. */
  readonly outcome: Uint8Array;
  readonly life: Int32Array;
}

export function newFlights(jobs: number, probes: number): Flights {
  const all = jobs + probes;
  return {
    jobs,
    endpoint: new Int16Array(all),
    sentMs: new Float64Array(all),
    rttMs: new Float64Array(all),
    outcome: new Uint8Array(all),
    life: new Int32Array(all),
  };
}
