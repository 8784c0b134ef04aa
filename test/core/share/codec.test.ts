// The codec of digests: what goes in comes out within its precision, and whatever else comes in is refused, not repaired.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeDigest, ENDPOINT_BYTES, encodeDigest, MAX_BYTES } from '../../../src/core/share/codec.ts';
import { type Digest, endpointKey, type SharedEndpoint } from '../../../src/core/share/digest.ts';

const time = fc.oneof(fc.constant(Number.NaN), fc.double({ min: 0, max: 600_000, noNaN: true }));
const endpoint: fc.Arbitrary<SharedEndpoint> = fc.record({
  key: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  state: fc.constantFrom('unknown', 'healthy', 'unhealthy', 'ejected'),
  reason: fc.constantFrom(null, 'connect', 'reset', 'timeout', 'status', 'ratio', 'success-rate'),
  ageMs: fc.double({ min: 0, max: 100_000, noNaN: true }),
  networkMs: time,
  serverMs: time,
  baseMs: time,
  offsetMs: fc.oneof(fc.constant(Number.NaN), fc.double({ min: -60_000, max: 60_000, noNaN: true })),
  inflight: fc.integer({ min: 0, max: 65_535 }),
  perS: fc.double({ min: 0, max: 100_000, noNaN: true }),
  errorRatio: fc.double({ min: 0, max: 1, noNaN: true }),
  samples: fc.integer({ min: 0, max: 1_000_000 }),
});
const digest: fc.Arbitrary<Digest> = fc.record({
  instance: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((n) => n.toString(16).padStart(16, '0')),
  node: fc.stringMatching(/^[\w.é-]{0,20}$/),
  region: fc.option(fc.constantFrom('aws:eu-central-1', 'gcp:us-east1')),
  place: fc.option(
    fc.record({ latDeg: fc.integer({ min: -90, max: 90 }), lonDeg: fc.integer({ min: -180, max: 180 }) }),
  ),
  sequence: fc.nat(2 ** 31 - 1),
  intervalMs: fc.integer({ min: 1, max: 65_535 }),
  isWhole: fc.boolean(),
  isComplete: fc.boolean(),
  endpoints: fc.array(endpoint, { maxLength: 40 }),
  cohorts: fc.array(
    fc.record({
      cohort: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      endpoint: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      ln: fc.double({ min: -4, max: 4, noNaN: true }),
      count: fc.integer({ min: 0, max: 255 }),
    }),
    { maxLength: 64 },
  ),
});

/** Equal within `ratio` and `least`. */
function near(got: number, given: number, ratio: number, least: number): boolean {
  return Number.isNaN(given) ? Number.isNaN(got) : Math.abs(got - given) <= Math.abs(given) * ratio + least;
}

describe('a digest', () => {
  test('comes out as it went in, times within a tenth of a percent', () => {
    fc.assert(
      fc.property(digest, (given) => {
        const got = decodeDigest(encodeDigest(given));
        if (typeof got === 'string') throw new Error(got);
        const { endpoints, cohorts, ...head } = got;
        const { endpoints: givenEndpoints, cohorts: givenCohorts, ...givenHead } = given;
        expect(head).toEqual(givenHead);
        expect(endpoints).toHaveLength(givenEndpoints.length);
        endpoints.forEach((e, i) => {
          const g = givenEndpoints[i]!;
          expect([e.key, e.state, e.reason, e.inflight]).toEqual([g.key, g.state, g.reason, g.inflight]);
          const isNear =
            near(e.networkMs, g.networkMs, 1e-3, 1e-4) &&
            near(e.serverMs, g.serverMs, 1e-3, 1e-4) &&
            near(e.baseMs, g.baseMs, 1e-3, 1e-4) &&
            near(e.offsetMs, g.offsetMs, 1e-3, 1e-4) &&
            near(e.perS, g.perS, 1e-3, 1e-4) &&
            near(e.errorRatio, g.errorRatio, 0, 0.005) &&
            near(e.ageMs, g.ageMs, 0.06, 10) &&
            near(e.samples, g.samples, 0.06, 1);
          expect(isNear, JSON.stringify([e, g])).toBe(true);
        });
        for (const [i, c] of cohorts.entries()) expect(c.ln).toBeCloseTo(givenCohorts[i]!.ln, 3);
      }),
    );
  });

  test('takes less than 40 bytes an endpoint', () => {
    const given = fc.sample(digest, 1)[0]!;
    const many = fc.sample(endpoint, 300);
    const size = encodeDigest({ ...given, cohorts: [], endpoints: many }).length;
    expect(size / many.length).toBeLessThan(24);
    expect(ENDPOINT_BYTES).toBeLessThan(40);
  });

  test('cuts what does not fit: names by whole characters, lists at their limits, numbers into range', () => {
    const [e] = fc.sample(endpoint, 1) as [SharedEndpoint];
    const wild = {
      ...e,
      networkMs: Number.POSITIVE_INFINITY,
      inflight: 1e9,
      errorRatio: 7,
      perS: -1,
      samples: Number.NaN,
    };
    const given = {
      ...fc.sample(digest, 1)[0]!,
      node: 'é'.repeat(100),
      endpoints: Array(5000).fill(wild),
      intervalMs: 0,
    };
    const got = decodeDigest(encodeDigest(given)) as Digest;
    expect(got.node).toBe('é'.repeat(32));
    expect(got.intervalMs).toBe(1);
    expect(got.endpoints).toHaveLength(4096);
    expect(got.endpoints[0]).toMatchObject({ inflight: 65_535, errorRatio: 1, perS: 0, samples: 0 });
    expect(got.endpoints[0]!.networkMs).toBeGreaterThan(600_000);
  });
});

describe('what is no digest', () => {
  test('any change of any byte, and any cut, is found', () => {
    fc.assert(
      fc.property(digest, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, where, by) => {
        const bytes = encodeDigest(given);
        const changed = Uint8Array.from(bytes);
        changed[where % bytes.length]! ^= by;
        expect(typeof decodeDigest(changed)).toBe('string');
        expect(typeof decodeDigest(bytes.subarray(0, where % bytes.length))).toBe('string');
      }),
    );
  });

  test('any bytes at all are refused without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(typeof decodeDigest(bytes)).toBe('string');
      }),
    );
  });

  test('says why: foreign, another version, broken, out of range', () => {
    const bytes = encodeDigest({ ...fc.sample(digest, 1)[0]!, endpoints: [], cohorts: [] });
    expect(decodeDigest(new Uint8Array(MAX_BYTES + 1))).toBe('foreign');
    expect(decodeDigest(Buffer.from('{"json":"that looks like nothing of ours, and is long enough"}'))).toBe('foreign');
    expect(decodeDigest(Uint8Array.from(bytes, (b, i) => (i === 2 ? 9 : b)))).toBe('version');
    expect(decodeDigest(bytes.subarray(0, bytes.length - 1))).toBe('broken');
    const [e] = fc.sample(endpoint, 1) as [SharedEndpoint];
    const far = { ...fc.sample(digest, 1)[0]!, endpoints: [e], place: { latDeg: 91, lonDeg: 0 } };
    expect(decodeDigest(encodeDigest(far))).toBe('range');
  });
});

test('the key of an endpoint is the same everywhere, and another one for another pool or URL', () => {
  const keys = new Set<number>();
  for (let i = 0; i < 5000; i++)
    for (const pool of ['a', 'b']) keys.add(endpointKey(pool, `http://10.0.${i >> 8}.${i & 255}`));
  expect(keys.size).toBe(10_000);
  expect(endpointKey('shop', 'https://a.example')).toBe(endpointKey('shop', 'https://a.example'));
  for (const key of keys) expect(Number.isSafeInteger(key) && key >= 0 && key < 2 ** 48).toBe(true);
});
