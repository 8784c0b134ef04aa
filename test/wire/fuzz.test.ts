// The differential fuzz of bench/fuzz, a few thousand cases from fixed seeds; `npm run fuzz` runs it for as long as one likes.

import { describe, expect, it } from 'vitest';
import { disagreement } from '../../bench/fuzz/compare.ts';
import { BATCH, emptyTally, runBatch } from '../../bench/fuzz/fuzz.ts';
import { NodeParser } from '../../bench/fuzz/node.ts';
import { readRequests } from '../../bench/fuzz/ours.ts';

const BATCHES = 40;

describe('against llhttp', () => {
  it('accepts nothing that Node refuses, and sees the same messages in it', async () => {
    const tally = emptyTally();
    const node = new NodeParser();
    for (let seed = 1; seed <= BATCHES; seed++) await runBatch(node, seed, tally);
    expect(tally.disagreements).toEqual([]);
    expect(tally.cases).toBe(BATCHES * BATCH * 2);
    // Else the cases would prove nothing: a fair part is good, and a fair part is refused by us alone.
    expect(tally.accepted).toBeGreaterThan(tally.cases / 5);
    expect(tally.stricter).toBeGreaterThan(tally.cases / 50);
  }, 30_000);

  it('would notice: a body that ends elsewhere, a field that is lost, a message too many', async () => {
    const text = 'POST /a HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 2\r\n\r\nabGET /b HTTP/1.1\r\nHost: h\r\n\r\n';
    const [theirs] = await new NodeParser().readRequests([Buffer.from(text)]);
    const read = (other: string) => disagreement('request', readRequests([Buffer.from(other)]), theirs!);
    expect(read(text)).toBe('');
    expect(read(text.replace(': 2', ': 1').replace('ab', 'a'))).not.toBe('');
    expect(read(text.replace('X: y\r\n', ''))).not.toBe('');
    expect(read(`${text}GET /c HTTP/1.1\r\nHost: h\r\n\r\n`)).not.toBe('');
    expect(read(text.slice(0, text.indexOf('GET /b')))).not.toBe('');
  });
});
