import { expect, it } from 'vitest';
import { type Lendable, Readers } from '../../src/data/readers.ts';

class Reader implements Lendable {
  place = -1;
  user: object | null = null;
  forgot = 0;
  reset(): void {}
  forget(): void {
    this.forgot++;
  }
}

function pool(): Readers<Reader> {
  return new Readers(() => new Reader());
}

it('gives who comes back the reader it had, with all that it knows', () => {
  const readers = pool();
  const users = Array.from({ length: 5 }, () => ({}));
  const had = users.map((user) => readers.take(user, null));
  expect(new Set(had).size).toBe(5);
  for (const i of [3, 0, 4, 2, 1]) readers.keep(had[i]!);
  for (const i of [1, 4, 0, 3, 2]) expect(readers.take(users[i]!, had[i]!)).toBe(had[i]);
  expect(had.map(({ forgot }) => forgot)).toEqual([0, 0, 0, 0, 0]);
});

it('lends what is kept for one to another when there are enough, and it forgets', () => {
  const readers = pool();
  const users = Array.from({ length: 1024 }, () => ({}));
  const had = users.map((user) => readers.take(user, null));
  for (const reader of had) readers.keep(reader);
  const late = {};
  const stolen = readers.take(late, null);
  const victim = users[had.indexOf(stolen)]!;
  expect(stolen.forgot).toBe(1);
  expect(readers.take(victim, stolen)).not.toBe(stolen);
  // What the thief keeps is not the first one's again, and the first one's going takes nothing from it.
  readers.keep(stolen);
  readers.give(victim, stolen);
  expect(readers.take(late, stolen)).toBe(stolen);
  expect(stolen.forgot).toBe(1);
});

it('gives nobody what is lent or of another pool', () => {
  const [old, now] = [pool(), pool()];
  const user = {};
  const first = old.take(user, null);
  old.keep(first);
  now.keep(now.take({}, null));
  expect(now.take(user, first)).not.toBe(first);
  const lent = old.take(user, first);
  expect(old.take(user, lent)).not.toBe(lent);
});

it('has what is given up for whoever comes next, who finds nothing in it', () => {
  const readers = pool();
  const [a, b] = [{}, {}];
  const reader = readers.take(a, null);
  readers.keep(reader);
  readers.give(a, reader);
  expect(reader.forgot).toBe(1);
  expect(readers.take(b, null)).toBe(reader);
  expect(readers.take(a, reader)).not.toBe(reader);
});
