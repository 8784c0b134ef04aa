import { describe, expect, it } from 'vitest';
import { digestOf, readDigest } from '../../../src/control/overlay/digest.ts';

const MEASURE = { networkMs: 12.5, probeMs: 1, serverMs: null, errorRatio: 0, healthy: true, ageMs: 100 };
const DIGEST = { form: 1, node: 'edge-b', region: null, endpoints: { key: MEASURE } };

describe('what a peer says that it measured', () => {
  it('is read as it is written', () => {
    const text = digestOf({ node: 'edge-b', region: 'aws:eu-west-1' }, [], () => undefined, 0);
    expect(readDigest(text)).toEqual({ form: 1, node: 'edge-b', region: 'aws:eu-west-1', endpoints: {} });
    expect(readDigest(JSON.stringify(DIGEST))).toEqual(DIGEST);
  });

  it('may have fields of a later version, which are passed over', () => {
    const later = { ...DIGEST, more: 1, endpoints: { key: { ...MEASURE, jitterMs: 3 } } };
    expect(readDigest(JSON.stringify(later))).toEqual(DIGEST);
  });

  it.each([
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['another form', JSON.stringify({ ...DIGEST, form: 2 })],
    ['a negative time', JSON.stringify({ ...DIGEST, endpoints: { key: { ...MEASURE, networkMs: -1 } } })],
    ['a time that is no number', JSON.stringify({ ...DIGEST, endpoints: { key: { ...MEASURE, probeMs: '1' } } })],
    ['a list', '[]'],
    ['null', 'null'],
  ])('is refused in words when it is %s', (_, text) => {
    expect(readDigest(text)).toEqual(expect.any(String));
  });
});
