// Round trips measured between the regions of a cloud (vitorenesduarte/fantoch, 2020): what the demo delays its origins
// by and the benches simulate. Never used for routing: an edge measures its own paths.

import aws from './data/latency/aws-2020-06.json' with { type: 'json' };
import gcp from './data/latency/gcp-2020.json' with { type: 'json' };

/** ICMP round trip: min, mean, max and mean deviation as `ping` reports them. ms. */
export interface Rtt {
  readonly minMs: number;
  readonly avgMs: number;
  readonly maxMs: number;
  readonly mdevMs: number;
}

export type LatencyProvider = 'aws' | 'gcp';

interface PingStat {
  readonly min: number;
  readonly avg: number;
  readonly max: number;
  readonly mdev: number;
}
type Matrix = Readonly<Record<string, Readonly<Record<string, PingStat>>>>;

const matrices = { aws: aws.matrix, gcp: gcp.matrix } as const satisfies Record<LatencyProvider, Matrix>;

/** Region names without the provider (`eu-central-1`), as the matrix has them, sorted. */
export function regionsOf(provider: LatencyProvider): readonly string[] {
  return Object.keys(matrices[provider]).sort();
}

/** From one region to another as measured; null when the matrix lacks either. Within a region it is its own figure. */
export function rttOf(provider: LatencyProvider, from: string, to: string): Rtt | null {
  const matrix: Matrix = matrices[provider];
  const row = Object.hasOwn(matrix, from) ? matrix[from] : undefined;
  const stat = row && Object.hasOwn(row, to) ? row[to] : undefined;
  return stat ? { minMs: stat.min, avgMs: stat.avg, maxMs: stat.max, mdevMs: stat.mdev } : null;
}
