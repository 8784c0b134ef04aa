import { describe, expect, it } from 'vitest';
import { hashText } from '../../src/core/policies/mix.ts';
import { cookieIn, hashKeyOf } from '../../src/data/sticky.ts';
import { RequestReader } from '../../src/wire/request.ts';

function headOf(...lines: readonly string[]) {
  const reader = new RequestReader({ requestLineBytes: 8192, headBytes: 32_768, headers: 100 });
  const bytes = Buffer.from(['GET / HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n'), 'latin1');
  reader.feed(bytes, 0);
  return reader.head;
}

describe('the key of a request', () => {
  it('is the value of a header, whatever the case of its name; all lines count; none is 0', () => {
    const on = { kind: 'header', name: 'x-tenant' } as const;
    const key = hashKeyOf(on, headOf('X-Tenant: acme'), '');
    expect(key).toBe(hashText('acme'));
    expect(hashKeyOf(on, headOf('x-TENANT:   acme'), '')).toBe(key);
    expect(hashKeyOf(on, headOf('X-Tenant: acme', 'X-Tenant: b'), '')).toBe(hashText('acme, b'));
    expect(hashKeyOf(on, headOf('X-Tenants: acme'), '')).toBe(0);
  });

  it('is the value of a cookie of exactly that name', () => {
    const on = { kind: 'cookie', name: 'sid' } as const;
    expect(hashKeyOf(on, headOf('Cookie: a=1; sid=abc; b=2'), '')).toBe(hashText('abc'));
    expect(hashKeyOf(on, headOf('Cookie: a=1', 'Cookie: sid="abc"'), '')).toBe(hashText('abc'));
    expect(hashKeyOf(on, headOf('Cookie: SID=abc; xsid=abc; sidx=1; a=sid=abc'), '')).toBe(0);
    expect(cookieIn('sid=a=b', 'sid')).toBe('a=b');
    expect(cookieIn('', 'sid')).toBe('');
  });

  it('is the client: an IPv4 address whole, IPv6 by /64, a UNIX socket has none', () => {
    const on = { kind: 'client' } as const;
    const head = headOf();
    expect(hashKeyOf(on, head, '203.0.113.7')).not.toBe(hashKeyOf(on, head, '203.0.113.8'));
    expect(hashKeyOf(on, head, '2001:db8:1:2::7')).toBe(hashKeyOf(on, head, '2001:db8:1:2:3:4:5:6'));
    expect(hashKeyOf(on, head, '2001:db8:1:2::7')).not.toBe(hashKeyOf(on, head, '2001:db8:1:3::7'));
    expect(hashKeyOf(on, head, '')).toBe(0);
  });
});
