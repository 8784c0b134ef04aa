// The policies by their name in the configuration: registry and guard in one. Each is a function that draws a few candidates
// of one row and compares them (policies/*.ts); what they draw from, and the moves they share, is in policies/draw.ts.

import type { Policy } from './policies/draw.ts';
import { fastest, first } from './policies/fastest.ts';
import { hashed } from './policies/hash.ts';
import { leastRequest, peakEwma, randomTwo } from './policies/load.ts';
import { roundRobin, weighted } from './policies/turn.ts';
import type { PolicyName } from './snapshot.ts';

export const POLICY = {
  fastest,
  nearest: first,
  'peak-ewma': peakEwma,
  'least-request': leastRequest,
  'random-two': randomTwo,
  'round-robin': roundRobin,
  weighted,
  hash: hashed,
} satisfies Record<PolicyName, Policy>;
