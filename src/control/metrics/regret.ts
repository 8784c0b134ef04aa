// How regret is shown in Prometheus. Where it is told: ../decisions/journal.ts (predicted) and ../decisions/regret.ts (realised).

/** Upper bounds in seconds. Most decisions give nothing away, which the first bucket counts. */
export const REGRET_BUCKETS_S = [
  0.00001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const;

export const REGRET_HELP =
  'What sampled decisions gave away: "predicted" is the predicted time of the choice beyond the best candidate, ' +
  '"realised" is by how much an explored request beat the mean of the band in the same seconds.';
