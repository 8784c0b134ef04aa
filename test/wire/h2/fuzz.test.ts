// The differential fuzz of bench/fuzz for HTTP/2, some thousand connections from fixed seeds; `npm run fuzz` goes on for as long as
// one likes.

import { describe, expect, it } from 'vitest';
import { emptyTally } from '../../../bench/fuzz/fuzz.ts';
import { hpackDisagreement, NodeHpack, runHpackBatch } from '../../../bench/fuzz/hpack.ts';

const BATCHES = 60;

describe('against nghttp2', () => {
  it('takes nothing that Node refuses, and reads the same fields', async () => {
    const tally = emptyTally();
    const node = new NodeHpack();
    for (let seed = 1; seed <= BATCHES; seed++) await runHpackBatch(node, seed, tally);
    expect(tally.disagreements).toEqual([]);
    expect(tally.cases).toBe(BATCHES * 32);
    // Else the cases would prove nothing: a fair part is good, and a fair part is refused by us alone.
    expect(tally.accepted).toBeGreaterThan(tally.cases / 10);
    expect(tally.stricter).toBeGreaterThan(tally.cases / 50);
  }, 30_000);

  it('would notice: a broken block taken, a malformed request taken, another field', async () => {
    const block = Buffer.from('8287840101610001610162', 'hex');
    const [good] = await new NodeHpack().read([[block]]);
    expect(good!.outcomes[0]).toContain('a: b');
    const [broken, malformed] = await new NodeHpack().read([[Buffer.from('80', 'hex')], [Buffer.from('82', 'hex')]]);
    expect([broken!.isBroken, malformed!.isBroken]).toEqual([true, false]);
    expect(hpackDisagreement(good!, good!)).toBe('');
    expect(hpackDisagreement(good!, broken!)).not.toBe('');
    expect(hpackDisagreement(good!, malformed!)).not.toBe('');
    expect(hpackDisagreement({ outcomes: [good!.outcomes[0]!.with(-1, 'a: c')], isBroken: false }, good!)).not.toBe('');
  });
});
