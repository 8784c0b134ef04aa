import { expect, test } from 'vitest';
import { KeyHash } from '../../../src/core/key-hash.ts';
import { NOWHERE, ReplicaReader, ReplicaWriter, replicaBytes } from '../../../src/core/locality/replica.ts';

const hash = new KeyHash();

test('holds the place of every key that was set, and of no other', () => {
  const writer = new ReplicaWriter(10_000);
  for (let i = 0; i < 10_000; i++) expect(writer.set(hash.of(`t${i}`).hi, hash.lo, 1 + (i % 7), i)).toBe(true);
  const reader = new ReplicaReader(writer.buffer);
  for (let i = 0; i < 10_000; i++) expect(reader.placeOf(hash.of(`t${i}`).hi, hash.lo)).toBe(1 + (i % 7));
  for (let i = 0; i < 10_000; i++) expect(reader.placeOf(hash.of(`u${i}`).hi, hash.lo)).toBe(NOWHERE);
  expect(writer.keys).toBe(10_000);
});

test('takes what is newer and passes over what is older, also where versions wrap', () => {
  const writer = new ReplicaWriter(10);
  const { hi, lo } = hash.of('a');
  writer.set(hi, lo, 1, 5);
  writer.set(hi, lo, 2, 4);
  expect(writer.placeOf(hi, lo)).toBe(1);
  writer.set(hi, lo, 3, 6);
  expect(writer.placeOf(hi, lo)).toBe(3);
  writer.set(hi, lo, 4, 2 ** 31 - 1);
  writer.set(hi, lo, 5, -(2 ** 31));
  writer.set(hi, lo, 6, 2 ** 31 - 1);
  expect(writer.placeOf(hi, lo)).toBe(5);
  writer.set(hi, lo, NOWHERE, -(2 ** 31) + 1);
  expect(writer.placeOf(hi, lo)).toBe(NOWHERE);
});

test('says when it is full, and a larger copy holds all that has a place', () => {
  const writer = new ReplicaWriter(1);
  let n = 0;
  while (writer.set(hash.of(`k${n}`).hi, hash.lo, 1, n)) n++;
  expect(n).toBe(768);
  expect(writer.set(hash.of('k3').hi, hash.lo, 2, n)).toBe(true); // whoever is there can still move
  writer.set(hash.of('k4').hi, hash.lo, NOWHERE, n);
  writer.setLoaded();
  const larger = writer.grown(2000);
  expect([larger.isLoaded, larger.keys, larger.placeOf(hash.of('k3').hi, hash.lo)]).toEqual([true, 767, 2]);
  expect(larger.set(hash.of('k4').hi, hash.lo, 3, n + 1)).toBe(true);
});

test('a million keys take 32 MiB', () => {
  expect(replicaBytes(1_000_000)).toBeLessThanOrEqual(32 * 1024 ** 2 + 64);
});

test('knows nothing until it is loaded', () => {
  const writer = new ReplicaWriter(1);
  const reader = new ReplicaReader(writer.buffer);
  expect(reader.isLoaded).toBe(false);
  writer.setLoaded();
  expect(reader.isLoaded).toBe(true);
});
