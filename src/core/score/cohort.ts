// Cohort term: what an endpoint costs the clients of one cohort more (or less) than everybody, as a ratio of the whole way.
// It goes to the network term: data that lives elsewhere is a round trip more, and no queue that a further request makes
// longer. Below nothing the network cannot go; then the server is the nearer one, its unloaded level with it.

import { CD } from '../table.ts';
import { MIN_BASE_MS } from './server.ts';

/** ms that the ratio e^`ln` adds to network and server; negative for a shorter way. `at`: first double of the candidate. */
export function cohortMs(terms: Float64Array, at: number, ln: number): number {
  return (terms[at + CD.NETWORK]! + terms[at + CD.SERVER]!) * Math.expm1(ln);
}

/** The score of `terms` under the ratio e^`ln`, at the load it was ranked at. ms. */
export function cohortScoreMs(terms: Float64Array, at: number, ln: number): number {
  return terms[at + CD.SCORE]! + cohortMs(terms, at, ln) * terms[at + CD.ERROR_FACTOR]!;
}

/** Changes `terms` to those of a cohort. */
export function applyCohort(terms: Float64Array, at: number, ln: number): void {
  const ms = cohortMs(terms, at, ln);
  terms[at + CD.SCORE]! += ms * terms[at + CD.ERROR_FACTOR]!;
  const network = terms[at + CD.NETWORK]! + ms;
  terms[at + CD.NETWORK] = Math.max(network, 0);
  if (network >= 0) return;
  const server = terms[at + CD.SERVER]!;
  const left = Math.max(server + network, MIN_BASE_MS);
  terms[at + CD.SERVER] = left;
  terms[at + CD.BASE] = Math.max((terms[at + CD.BASE]! * left) / Math.max(server, MIN_BASE_MS), MIN_BASE_MS);
}
