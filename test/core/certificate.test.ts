import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CertificateIndex, coversHost } from '../../src/core/certificate.ts';
import { NONE } from '../../src/core/snapshot.ts';

describe('a certificate covers', () => {
  const names = ['example.com', '*.example.com', '10.0.0.1', '2001:db8::1', 'localhost'];

  it.each([
    ['example.com', true],
    ['EXAMPLE.com', true],
    ['example.com.', true],
    ['www.example.com', true],
    ['WWW.Example.Com.', true],
    ['a.b.example.com', false],
    ['.example.com', false],
    ['example.org', false],
    ['notexample.com', false],
    ['localhost', true],
    ['10.0.0.1', true],
    ['10.0.0.2', false],
    ['[2001:db8::1]', true],
    ['[2001:0DB8:0:0::1]', true],
    ['2001:db8::1', true],
    ['[::ffff:10.0.0.1]', true],
    ['[2001:db8::2]', false],
    ['', false],
    ['.', false],
    ['*.example.com', true], // a client that asks for the name of the wildcard itself
  ])('%s: %s', (host, isCovered) => {
    expect(coversHost(names, host)).toBe(isCovered);
  });

  it('no address and no single label by a wildcard', () => {
    expect(coversHost(['*.0.0.1'], '10.0.0.1')).toBe(false);
    expect(coversHost(['*.com'], 'com')).toBe(false);
    expect(coversHost(['*.'], 'a.')).toBe(false);
    expect(coversHost([], 'example.com')).toBe(false);
  });
});

describe('among certificates', () => {
  const index = new CertificateIndex([
    ['*.example.com', 'a.test'],
    ['www.example.com', 'a.test'],
    ['*.sub.example.com'],
  ]);

  it('an exact name wins over a wildcard, and the first over the second', () => {
    expect(index.find('WWW.example.com')).toBe(1);
    expect(index.find('api.example.com')).toBe(0);
    expect(index.find('x.sub.example.com.')).toBe(2);
    expect(index.find('a.test')).toBe(0);
  });

  it('none is found for other names', () => {
    for (const name of ['example.com', 'x.y.example.com', '', '__proto__', 'constructor'])
      expect(index.find(name)).toBe(NONE);
  });

  it('what is found covers the name, and what is not found is covered by none; whatever is asked for', () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,3}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    const pattern = fc.tuple(fc.boolean(), name).map(([isWild, rest]) => (isWild ? `*.${rest}` : rest));
    const asked = fc.oneof(name, fc.string());
    fc.assert(
      fc.property(fc.array(fc.array(pattern, { maxLength: 3 }), { maxLength: 4 }), asked, (certificates, host) => {
        const found = new CertificateIndex(certificates).find(host);
        if (found === NONE) expect(certificates.some((names) => coversHost(names, host))).toBe(false);
        else expect(coversHost(certificates[found]!, host)).toBe(true);
      }),
    );
  });
});
