// What a worker dials when an endpoint is called by name, and how failures of a connect are named.

import { describe, expect, it } from 'vitest';
import { CONNECT_REASONS } from '../../src/core/cells.ts';
import { AddressBook } from '../../src/data/addresses.ts';
import { failureOf } from '../../src/data/h1/failure.ts';
import { CONNECT_FAILURE } from '../../src/data/sides.ts';

const HOST = 'shop.test';

function newBook() {
  let nowMs = 0;
  const book = new AddressBook(() => nowMs);
  const asked: (readonly string[] | string)[] = [];
  const ask = (): void =>
    book.lookup(HOST, { all: true }, (error, found) => {
      asked.push(error === null ? (found as { address: string }[]).map(({ address }) => address) : error.code!);
    });
  return { book, asked, ask, pass: (ms: number) => (nowMs += ms) };
}

describe('the addresses of a name', () => {
  it('are tried with another one first each time', () => {
    const { book, asked, ask } = newBook();
    book.learn({ [HOST]: ['1', '2', '3'] });
    for (let i = 0; i < 4; i++) ask();
    expect(asked.map((list) => list[0])).toEqual(['1', '2', '3', '1']);
    expect(asked[1]).toEqual(['2', '3', '1']);
  });

  it('are at most four at a time', () => {
    const { book, asked, ask } = newBook();
    book.learn({ [HOST]: ['1', '2', '3', '4', '5', '6'] });
    ask();
    expect(asked[0]).toHaveLength(4);
    expect(book.count(HOST)).toBe(4);
  });

  it('come last for ten seconds after a connect to them failed', () => {
    const { book, asked, ask, pass } = newBook();
    book.learn({ [HOST]: ['1', '2'] });
    book.shun(HOST, '1');
    for (let i = 0; i < 3; i++) ask();
    expect(asked).toEqual([
      ['2', '1'],
      ['2', '1'],
      ['2', '1'],
    ]);
    pass(10_001);
    ask();
    ask();
    expect(asked.slice(3)).toEqual([
      ['2', '1'],
      ['1', '2'],
    ]);
  });

  it('are waited for until something is heard of the name', () => {
    const { book, asked, ask } = newBook();
    ask();
    expect(asked).toEqual([]);
    expect(book.count(HOST)).toBe(0);
    book.learn({ 'other.test': ['9'] });
    expect(asked).toEqual([]);
    book.learn({ [HOST]: ['1'] });
    expect(asked).toEqual([['1']]);
  });

  it.each([[[]], [null]])('are an error at once when there are none (%j)', (addresses) => {
    const { book, asked, ask } = newBook();
    ask();
    book.learn({ [HOST]: addresses });
    expect(asked).toEqual(['ENOTFOUND']);
  });

  it('may be asked for one by one', () => {
    const { book } = newBook();
    book.learn({ [HOST]: ['fd00::1'] });
    let got: unknown[] = [];
    book.lookup(HOST, {}, (...all) => {
      got = all;
    });
    expect(got).toEqual([null, 'fd00::1', 6]);
    expect([book.has(HOST, 'fd00::1'), book.has(HOST, 'fd00::2'), book.has('other.test', 'fd00::1')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('a connect that failed', () => {
  it('has a name in the metrics for each way to fail', () => {
    for (const [name, code] of Object.entries(CONNECT_FAILURE))
      expect(CONNECT_REASONS[code + 1]).toBe(name.toLowerCase());
    expect(CONNECT_REASONS).toHaveLength(Object.keys(CONNECT_FAILURE).length + 1);
  });

  it.each([
    ['CERT_HAS_EXPIRED', true, CONNECT_FAILURE.TLS_EXPIRED],
    ['ERR_TLS_CERT_ALTNAME_INVALID', true, CONNECT_FAILURE.TLS_NAME],
    ['SELF_SIGNED_CERT_IN_CHAIN', true, CONNECT_FAILURE.TLS_UNTRUSTED],
    ['ERR_SSL_WRONG_VERSION_NUMBER', true, CONNECT_FAILURE.TLS_PLAINTEXT],
    ['ECONNRESET', true, CONNECT_FAILURE.TLS],
    ['ECONNRESET', false, CONNECT_FAILURE.REFUSED],
    ['ECONNREFUSED', false, CONNECT_FAILURE.REFUSED],
    ['ETIMEDOUT', false, CONNECT_FAILURE.TIMEOUT],
    ['ENOTFOUND', false, CONNECT_FAILURE.DNS],
  ])('%s, during a handshake: %s', (code, isHandshake, failure) => {
    expect(failureOf(code, isHandshake)).toBe(failure);
  });
});
