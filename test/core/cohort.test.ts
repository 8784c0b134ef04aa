// Keys of cohorts: numbers that a sample can carry, and that can be read back.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  asnKeyOf,
  cohortName,
  countryKeyOf,
  EDGE_COHORT,
  LEVEL,
  levelOf,
  pathOf,
  prefixKeyOf,
} from '../../src/core/cohort.ts';

describe('the key of a cohort', () => {
  it('is read back as its name, at every level', () => {
    expect(cohortName(EDGE_COHORT)).toBe('edge');
    expect(cohortName(countryKeyOf('DE'))).toBe('country:DE');
    expect(cohortName(asnKeyOf(3320))).toBe('asn:3320');
    expect(cohortName(asnKeyOf(2 ** 32 - 1))).toBe('asn:4294967295');
    expect(cohortName(prefixKeyOf('203.0.113.77'))).toBe('prefix:203.0.113.0/24');
    expect(cohortName(prefixKeyOf('255.255.255.255'))).toBe('prefix:255.255.255.0/24');
    expect(cohortName(prefixKeyOf('2001:db8:1:2::3'))).toBe('prefix:2001:db8:1::/48');
    expect(cohortName(prefixKeyOf('ffff:ffff:ffff:ffff::1'))).toBe('prefix:ffff:ffff:ffff::/48');
  });

  it('is the same for IPv4 and its mapped spelling, and of the edge for what is no address', () => {
    expect(prefixKeyOf('::ffff:203.0.113.77')).toBe(prefixKeyOf('203.0.113.1'));
    expect(prefixKeyOf('')).toBe(EDGE_COHORT);
    expect(prefixKeyOf('unix')).toBe(EDGE_COHORT);
    expect(countryKeyOf(null)).toBe(EDGE_COHORT);
    expect(asnKeyOf(0)).toBe(EDGE_COHORT);
    expect(pathOf('nobody', null, null)).toMatchObject({ countryKey: 0, asnKey: 0, prefixKey: 0 });
  });

  it('never is the same for two levels, and stays exact in a double', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), fc.integer({ min: 1, max: 2 ** 32 - 1 }), (v4, v6, asn) => {
        const keys = [prefixKeyOf(v4), asnKeyOf(asn), countryKeyOf('US')];
        expect(keys.map(levelOf)).toEqual([LEVEL.PREFIX, LEVEL.ASN, LEVEL.COUNTRY]);
        expect(levelOf(prefixKeyOf(v6))).toBe(LEVEL.PREFIX);
        expect(Number.isSafeInteger(prefixKeyOf(v6))).toBe(true);
      }),
    );
  });
});
