import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datedText, hopText, MAX_HOP_CHARS, parseHop, signedText, signedValue } from '../../../src/core/overlay/hop.ts';

const name = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const base64url = fc.stringMatching(/^[\w-]{1,43}$/);

describe('the hop header', () => {
  it('says back what was put into it, whatever the names are', () => {
    fc.assert(
      fc.property(name, base64url, name, name, fc.nat(), base64url, (from, key, pool, endpoint, atMs, mac) => {
        const dated = datedText(hopText(from, key, pool, endpoint), atMs, 'x1');
        expect(/^[\x20-\x7e]*$/.test(dated)).toBe(true);
        expect(parseHop(signedValue(dated, mac))).toEqual({ from, key, atMs, mac, text: dated });
      }),
    );
  });

  it('may be unsigned', () => {
    const text = hopText('a', 'k', 'p', 'e');
    expect(parseHop(text)).toEqual({ from: 'a', key: 'k', atMs: 0, mac: '', text });
  });

  it('cannot name a second hop, and nothing else is taken for it', () => {
    const text = hopText('a', 'k', 'p', 'e');
    for (const value of [
      '',
      'x',
      text.replace('n=1', 'n=2'),
      text.replace('v=1', 'v=2'),
      text.replace('key=k', 'key='),
    ]) {
      expect(parseHop(value)).toBeNull();
    }
    expect(parseHop(text.padEnd(MAX_HOP_CHARS + 1, ' '))).toBeNull();
    expect(parseHop(text.replace('from=a', 'from=%'))).toBeNull();
    expect(parseHop(`${text}; t=soon`)).toBeNull();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (value) => void parseHop(`v=1; n=1; ${value}`)));
  });

  it('is signed with the request that it belongs to', () => {
    const texts = [
      signedText('me', 'GET', 'a', '/', 't'),
      signedText('you', 'GET', 'a', '/', 't'),
      signedText('me', 'PUT', 'a', '/', 't'),
      signedText('me', 'GET', 'b', '/', 't'),
      signedText('me', 'GET', 'a', '/b', 't'),
      signedText('me', 'GET', 'a', '/', 'u'),
    ];
    expect(new Set(texts).size).toBe(texts.length);
  });
});
