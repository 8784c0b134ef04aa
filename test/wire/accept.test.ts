// What clients say they accept, and what they are sent.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IDENTITY, preferredCoding } from '../../src/wire/accept.ts';

const OURS = ['zstd', 'br', 'gzip'];
const chosen = (value: string, ours: readonly string[] = OURS) => {
  const i = preferredCoding(value, ours);
  return i === IDENTITY ? 'identity' : ours[i];
};

describe('preferredCoding', () => {
  it.each([
    // What browsers and tools send.
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip, deflate, br', 'br'],
    ['gzip,deflate', 'gzip'],
    ['deflate, gzip, br, zstd', 'zstd'],
    ['gzip;q=1.0,deflate;q=0.6,identity;q=0.3', 'gzip'],
    // Nothing that we have is asked for.
    ['', 'identity'],
    ['deflate', 'identity'],
    ['identity', 'identity'],
    ['compress, deflate;q=0.5', 'identity'],
    // The client's weights come before our order.
    ['gzip;q=1, br;q=0.9, zstd;q=0.8', 'gzip'],
    ['gzip;q=0.5, br;q=0.501, zstd;q=0.499', 'br'],
    ['gzip;q=0.001', 'gzip'],
    // Refused is refused.
    ['gzip;q=0', 'identity'],
    ['gzip;q=0.000, br;q=0', 'identity'],
    ['zstd;q=0, br;q=0, gzip', 'gzip'],
    ['gzip, gzip;q=0', 'identity'],
    // The star.
    ['*', 'zstd'],
    ['*;q=0', 'identity'],
    ['zstd;q=0, *', 'br'],
    ['gzip, *;q=0', 'gzip'],
    ['gzip;q=0.5, *;q=0.8', 'zstd'],
    ['br;q=0.1, gzip;q=0.2, zstd;q=0.1, *;q=0.5', 'identity'],
    // Identity wins only when it weighs more.
    ['identity, gzip;q=0.5', 'identity'],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['identity;q=0.4, gzip;q=0.5', 'gzip'],
    ['identity;q=0', 'identity'],
    ['gzip, identity;q=0', 'gzip'],
    // Case, blanks, empty elements, the old name.
    ['GZIP', 'gzip'],
    ['Br ; Q=0.7', 'br'],
    [' \t gzip \t;\tq=0.5 \t', 'gzip'],
    [',,gzip,,', 'gzip'],
    ['x-gzip', 'gzip'],
    ['X-GZip;q=0.3', 'gzip'],
    // What is malformed asks for nothing, and does not spoil the rest.
    ['gzip;q=1.5', 'identity'],
    ['gzip;q=abc', 'identity'],
    ['gzip;q=', 'identity'],
    ['gzip;q=-1', 'identity'],
    ['gzip;q=0.1234', 'identity'],
    ['gzip;q=1.001', 'identity'],
    ['gzip;level=9', 'identity'],
    ['gzip br', 'identity'],
    ['gzip;;q=1', 'identity'],
    ['gzip;q=1.5, br', 'br'],
    ['"gzip"', 'identity'],
    ['gzipped, brotli, zst', 'identity'],
  ])('%j is answered with %s', (value, coding) => {
    expect(chosen(value)).toBe(coding);
  });

  it('never chooses what the route does not have', () => {
    expect(chosen('gzip, br, zstd', ['gzip'])).toBe('gzip');
    expect(chosen('br, zstd', ['gzip'])).toBe('identity');
    expect(chosen('*', ['gzip', 'br'])).toBe('gzip');
    expect(chosen('gzip', [])).toBe('identity');
  });

  it('chooses the heaviest of what is named, whatever the order it is named in', () => {
    const entry = fc.tuple(fc.constantFrom('zstd', 'br', 'gzip'), fc.integer({ min: 0, max: 1000 }));
    const list = fc.uniqueArray(entry, { selector: ([name]) => name, maxLength: 3 });
    fc.assert(
      fc.property(list, fc.boolean(), (entries, isReversed) => {
        const written = isReversed ? entries.toReversed() : entries;
        const value = written.map(([name, q]) => `${name};q=${(q / 1000).toFixed(3)}`).join(', ');
        const most = Math.max(0, ...entries.map(([, q]) => q));
        const heaviest = OURS.filter((name) => most > 0 && entries.some(([n, q]) => n === name && q === most));
        expect(chosen(value)).toBe(heaviest[0] ?? 'identity');
      }),
    );
  });

  it('takes any text at all', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (value) => {
        expect(['identity', ...OURS]).toContain(chosen(value));
      }),
    );
    const bits = fc.array(
      fc.constantFrom('gzip', 'br', '*', 'identity', ';', 'q=', '0', '1', '.5', ',', ' ', '\t', '='),
    );
    fc.assert(
      fc.property(bits, (parts) => {
        expect(['identity', ...OURS]).toContain(chosen(parts.join('')));
      }),
    );
  });
});
