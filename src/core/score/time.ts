// Time T: what one more request takes, and what it takes from others.

/**
 * ms. The wait above the unloaded level is charged twice, since my request also delays those behind me: the marginal cost
 * of a queue, which is what an omniscient router would minimise; selfish routing charges it once and overloads the best.
 * Source: marginal-cost pricing, Pigou 1920; Roughgarden & Tardos, "How bad is selfish routing?", 2002.
 */
export function timeMs(networkMs: number, serverMs: number, baseMs: number): number {
  const waitMs = serverMs - baseMs;
  return networkMs + serverMs + (waitMs > 0 ? waitMs : 0);
}
