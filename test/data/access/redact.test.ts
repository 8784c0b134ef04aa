// Secrets in query strings: which values are replaced, and that nothing else is.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueryRedaction } from '../../../src/data/access/redact.ts';

const redaction = new QueryRedaction(['token', 'api_key', 'x-amz-signature']);
const redact = (query: string): string => redaction.redact(query, 0, query.length);

describe('the redaction of queries', () => {
  it.each([
    ['token=abc', 'token=***'],
    ['a=b&token=abc&c=d', 'a=b&token=***&c=d'],
    ['TOKEN=abc', 'TOKEN=***'],
    ['%74oken=abc', '%74oken=***'],
    ['X-Amz-Signature=f00&x=1', 'X-Amz-Signature=***&x=1'],
    ['a;token=abc', 'a;token=***'],
    ['token=half;otherHalf&b', 'token=***&b'],
    ['token=half?other#third', 'token=***'],
    ['next=/cb?token=abc&b', 'next=/cb?token=***&b'],
    ['a=1#token=abc', 'a=1#token=***'],
    ['+token=abc', '+token=***'],
    ['token=a=b=c&d', 'token=***&d'],
    ['token=a&token=b', 'token=***&token=***'],
    ['next=%2Flogin%3Ftoken%3Dabc%26x%3D1&b', 'next=%2Flogin%3Ftoken%3D***&b'],
    ['next=http%253A%252F%252Fh%252F%253Ftoken%253Dabc', 'next=http%253A%252F%252Fh%252F%253Ftoken%253D***'],
    ['a=%23%74oken%3Dabc', 'a=%23%74oken%3D***'],
    ['token%3Dabc', 'token%3D***'],
    ['%2574oken=abc', '%2574oken=***'],
    ['token[]=abc', 'token[]=***'],
    ['user[token]=abc&user%5Btoken%5D=abc', 'user[token]=***&user%5Btoken%5D=***'],
    ['u=http://me:abc@h/', 'u=http://***@h/'],
    ['u=http%3A%2F%2Fme%3Aabc%40h%2F', 'u=http%3A%2F%2F***%40h%2F'],
  ])('hides the value: %s', (query, told) => {
    expect(redact(query)).toBe(told);
  });

  it.each([
    '',
    'token',
    'token=',
    'tokens=abc',
    'my_token=abc',
    'a=token=abc',
    '=abc',
    '%zz=1',
    'q=token',
    '&&==&',
    'a=x%3Dtoken',
    'a=b%3Dtoken%3Dabc',
    'a=50%&b=%3',
    'a[b]=c',
    'mail=me@h&x=a://b/c@d',
  ])('leaves alone what is no secret: %s', (query) => {
    expect(redact(query)).toBe(query);
  });

  it('never shows a secret, wherever it stands among others', () => {
    const other = fc.stringMatching(/^[a-z]{1,6}=[a-z0-9=]{0,8}$/).filter((text) => !text.startsWith('token='));
    fc.assert(
      fc.property(fc.array(other), fc.array(other), (before, after) => {
        const told = redact([...before, 'token=SECRET', ...after].join('&'));
        expect(told).toBe([...before, 'token=***', ...after].join('&'));
      }),
    );
  });

  it('of a URL takes the query alone', () => {
    expect(redaction.redactUrl('https://a/token=x?token=y')).toBe('https://a/token=x?token=***');
    expect(redaction.redactUrl('/token=x')).toBe('/token=x');
    expect(redaction.redactUrl('/a#token=x')).toBe('/a#token=***');
  });

  it('of a URL never tells a password', () => {
    expect(redaction.redactUrl('https://me:pass@a/b@c?d=e@f')).toBe('https://***@a/b@c?d=e@f');
    expect(redaction.redactUrl('https://me:p@ss@a')).toBe('https://***@a');
    expect(redaction.redactUrl('https://a/b@c')).toBe('https://a/b@c');
    expect(redaction.redactUrl('/a?b=c://d@e')).toBe('/a?b=c://***@e');
  });
});
