// One batch of the differential fuzz: draw, read by both, compare. Shared by the command (main.ts) and the tests.

import { disagreement } from './compare.ts';
import { pick, type Random, requests, responses, seeded } from './generate.ts';
import type { NodeParser } from './node.ts';
import { readRequests, readResponses } from './ours.ts';
import type { Reading } from './seen.ts';

export interface Tally {
  cases: number;
  /** Every message in it complete and accepted by us. */
  accepted: number;
  /** Refused by us, where Node sees more messages than we let through. */
  stricter: number;
  readonly disagreements: Disagreement[];
}

export interface Disagreement {
  readonly kind: 'request' | 'response' | 'h2';
  /** Makes the case again: `--seed` with a batch of this kind. */
  readonly seed: number;
  /** The bytes, latin1; of HTTP/2, its header blocks in hexadecimal. */
  readonly bytes: string;
  readonly what: string;
}

export const BATCH = 64;

export function emptyTally(): Tally {
  return { cases: 0, accepted: 0, stricter: 0, disagreements: [] };
}

/** The input in pieces: whole, in a few, or byte by byte. */
function split(random: Random, input: Buffer): Buffer[] {
  const kind = random();
  if (kind < 0.4) return [input];
  const longest = kind < 0.6 ? 1 : 1 + Math.floor(random() * 40);
  const pieces: Buffer[] = [];
  for (let at = 0; at < input.length; ) {
    const size = 1 + Math.floor(random() * longest);
    pieces.push(input.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function settle(
  tally: Tally,
  kind: 'request' | 'response',
  seed: number,
  input: Buffer,
  ours: Reading,
  theirs: Reading,
): void {
  tally.cases++;
  const complete = ours.messages.filter((message) => message.isComplete).length;
  if (ours.stop !== 'bad' && complete > 0 && complete === ours.messages.length) tally.accepted++;
  if (ours.stop === 'bad' && theirs.messages.filter((message) => message.isComplete).length > complete)
    tally.stricter++;
  const what = disagreement(kind, ours, theirs);
  if (what !== '') tally.disagreements.push({ kind, seed, bytes: input.toString('latin1'), what });
}

/** BATCH cases of requests and as many of responses, all drawn from this seed. */
export async function runBatch(node: NodeParser, seed: number, tally: Tally): Promise<void> {
  const random = seeded(seed);
  const asked = Array.from({ length: BATCH }, () => Buffer.from(requests(random), 'latin1'));
  const mineAsked = asked.map((input) => readRequests(split(random, input)));
  const theirAsked = await node.readRequests(asked);
  for (let i = 0; i < BATCH; i++) settle(tally, 'request', seed, asked[i]!, mineAsked[i]!, theirAsked[i]!);

  const answers = Array.from({ length: BATCH }, () => Buffer.from(responses(random), 'latin1'));
  const methods = answers.map(() => pick(random, ['GET', 'GET', 'GET', 'HEAD', 'POST']));
  const mine = answers.map((input, i) =>
    readResponses(split(random, input), ['', 'GET', 'HEAD', 'POST'].indexOf(methods[i]!)),
  );
  const theirs = await node.readResponses(answers, methods);
  for (let i = 0; i < BATCH; i++) settle(tally, 'response', seed, answers[i]!, mine[i]!, theirs[i]!);
}
