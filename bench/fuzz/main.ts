// `npm run fuzz -- --seconds 60 [--seed N] [--json]`: our codecs against Node's llhttp and nghttp2 until the time is up. Exit 1 when they
// disagree; each disagreement is printed with its bytes and the seed that makes it again.

import { parseArgs } from 'node:util';
import { emptyTally, runBatch } from './fuzz.ts';
import { NodeHpack, runHpackBatch } from './hpack.ts';
import { NodeParser } from './node.ts';

/** More than this many are one bug. */
const MAX_SHOWN = 20;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const firstSeed = values.seed === undefined ? Date.now() % 1e9 : Number(values.seed);
if (!(seconds > 0) || !Number.isSafeInteger(firstSeed)) {
  console.error(
    `fuzz: --seconds wants a number above 0 and --seed an integer, got ${values.seconds} and ${values.seed}`,
  );
  process.exit(2);
}

const tally = emptyTally();
const node = new NodeParser();
const hpack = new NodeHpack();
const endAt = performance.now() + seconds * 1000;
for (let seed = firstSeed; performance.now() < endAt && tally.disagreements.length < MAX_SHOWN; seed++) {
  await runBatch(node, seed, tally);
  await runHpackBatch(hpack, seed, tally);
}

const { cases, accepted, stricter, disagreements } = tally;
if (values.json) {
  console.log(JSON.stringify({ node: process.version, seconds, firstSeed, cases, accepted, stricter, disagreements }));
} else {
  for (const { kind, seed, bytes, what } of disagreements)
    console.log(`${kind} (seed ${seed}): ${what}\n  ${JSON.stringify(bytes)}`);
  console.log(`llhttp and nghttp2 of node ${process.version}, first seed ${firstSeed}`);
  console.log(`cases ${cases}, accepted ${accepted}, stricter ${stricter}, disagreements ${disagreements.length}`);
}
process.exit(disagreements.length === 0 ? 0 : 1);
