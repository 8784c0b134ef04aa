// From what several nodes told of an endpoint to one opinion: weighed by age, by likeness of place, by how much stands behind it.

import { distanceKm, priorMs } from '../geo.ts';
import type { LatLon } from '../snapshot.ts';
import type { SharedEndpoint } from './digest.ts';
import { noOpinion, type Opinion } from './opinion.ts';
import type { Peer, Self, Told } from './peers.ts';

/** What a digest says of the load, of a queue, of failures: worth half after this. */
const LOAD_HALF_MS = 1500;
/** And of times that change slowly. */
const LEVEL_HALF_MS = 30_000;
/** A ratio of failures stands on the answers of so many seconds. */
const ERROR_S = 3;
/**
 * Up to so many times its unloaded level an endpoint's W is no queue that others need to know of: S0 follows its quietest answers,
 * so that one at its ease seems to wait, too, and a mild queue is over before it is told.
 */
const AT_EASE = 3;
/** What has not been told again for so long is not believed at all. */
const KEPT_MS = 120_000;
/** At this distance what another measured of the network is worth half, moved by what geography says. */
const HALF_KM = 500;
/** What one node's figure may count as: probes, and answers. */
const MOST_PROBES = 3;
const MOST_ANSWERS = 24;
/** Another region's server term counts for less: what stands between may be in it. */
const FAR_WEIGHT = 0.1;

/** Into `opinion`: what holds at `place`, for a node at `self`. O(nodes). */
export function mergeInto(
  opinion: Opinion,
  told: Iterable<Told>,
  self: Self,
  place: LatLon | null,
  nowMs: number,
): void {
  Object.assign(opinion, noOpinion());
  const network = newMean();
  const base = newMean();
  const offset = newMean();
  const wait = newMean();
  const errors = newMean();
  let newest = Number.POSITIVE_INFINITY;
  for (const { peer, endpoint: e, atMs } of told) {
    const toldMs = Math.max(nowMs - Math.max(atMs, peer.completeMs), 0);
    if (toldMs > KEPT_MS) continue;
    const fresh = halved(toldMs, LOAD_HALF_MS);
    const standing = halved(toldMs + e.ageMs, LEVEL_HALF_MS);
    opinion.nodes++;
    opinion.inflight += e.inflight * fresh;
    opinion.perS += e.perS * fresh;
    addTo(network, ...networkOf(self, peer, e, place, standing));
    const weight = standing * Math.min(e.samples, MOST_ANSWERS) * (peer.isNear ? 1 : FAR_WEIGHT);
    addTo(base, e.baseMs, weight);
    addTo(offset, e.offsetMs, weight);
    addTo(wait, Math.max(e.serverMs - AT_EASE * e.baseMs, 0), e.perS * fresh);
    // Its memory of failures fades by itself; one that it has taken out is another matter.
    if (e.state === 'healthy') addTo(errors, e.errorRatio, (e.perS * ERROR_S + 1) * fresh);
    if (e.state === 'unknown') continue;
    opinion.judging++;
    if (e.state === 'healthy') continue;
    opinion.out++;
    if (toldMs >= newest || e.reason === null) continue;
    newest = toldMs;
    opinion.reason = e.reason;
  }
  opinion.networkMs = meanOf(network);
  opinion.networkWeight = Math.min(network.weight, MOST_PROBES);
  opinion.baseMs = meanOf(base);
  opinion.offsetMs = meanOf(offset);
  opinion.serverWeight = Math.min(base.weight, MOST_ANSWERS);
  opinion.waitMs = meanOf(wait);
  opinion.waitPerS = wait.weight;
  opinion.errorRatio = errors.weight > 0 ? meanOf(errors) : 0;
  opinion.errorWeight = errors.weight;
}

/** Round trip as from here, and its weight in probes. From afar it is moved by what the distances say, and weighs less. */
function networkOf(
  self: Self,
  peer: Peer,
  e: SharedEndpoint,
  place: LatLon | null,
  standing: number,
): [ms: number, weight: number] {
  if (peer.isNear) return [e.networkMs, MOST_PROBES * standing];
  const { place: here } = self;
  if (here === null || peer.place === null || place === null || Number.isNaN(peer.km)) return [Number.NaN, 0];
  const moved = e.networkMs + priorMs(distanceKm(here, place)) - priorMs(distanceKm(peer.place, place));
  const least = priorMs(distanceKm(here, place)) / 2;
  return [Math.max(moved, least), standing / (1 + (peer.km / HALF_KM) ** 2)];
}

interface Mean {
  sum: number;
  weight: number;
}

function newMean(): Mean {
  return { sum: 0, weight: 0 };
}

function addTo(mean: Mean, value: number, weight: number): void {
  if (Number.isNaN(value) || !(weight > 0)) return;
  mean.sum += value * weight;
  mean.weight += weight;
}

function meanOf({ sum, weight }: Mean): number {
  return weight > 0 ? sum / weight : Number.NaN;
}

function halved(ageMs: number, halfMs: number): number {
  return 2 ** (-ageMs / halfMs);
}
