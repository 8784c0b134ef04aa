import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalIp, clientOf, compileCidrs, hostBits, parseCidr } from '../../src/core/ip.ts';

describe('canonicalIp', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:0:0:1:0:0:1:1', '2001::1:0:0:1:1'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::192.0.2.1', '::c000:201'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('spells %s as %s', (text, canonical) => {
    expect(canonicalIp(text)).toBe(canonical);
  });

  it('has no answer for what is no address', () => {
    for (const text of [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '256.1.1.1',
      '1.2.3.4 ',
      '1.2.3.4:80',
      '[::1]',
      '::1]',
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '12345::',
      'g::',
      '::1.2.3',
      '1.2.3.4::',
      '::%',
      'fe80::1%',
      ':1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:',
      'unknown',
      '0x1.2.3.4',
      `${'1'.repeat(70)}`,
    ]) {
      expect(`${text}: ${canonicalIp(text)}`).toBe(`${text}: null`);
    }
  });

  it('agrees with Node on what an address is, and is settled after one pass', () => {
    const texts = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc
        .array(fc.constantFrom(':', '::', '.', '0', 'f', '1', 'ffff', '255', '256', '%'), { maxLength: 18 })
        .map((a) => a.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        fc.pre(!text.includes('%'));
        const canonical = canonicalIp(text);
        expect(canonical !== null).toBe(isIP(text) !== 0);
        if (canonical !== null) expect(canonicalIp(canonical)).toBe(canonical);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseCidr', () => {
  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::ffff:10.1.0.0/112', '10.1.0.0/16'],
    ['2001:DB8::1/33', '2001:db8::/33'],
    ['::1', '::1/128'],
    ['::/0', '::/0'],
  ])('reads %s as %s', (text, canonical) => {
    expect(parseCidr(text)?.text).toBe(canonical);
  });

  it('refuses what is none', () => {
    for (const text of [
      '',
      '/8',
      '10.0.0.0/',
      '10.0.0.0/33',
      '10.0.0.0/08',
      '10.0.0.0/-1',
      '::/129',
      '10.0.0.0/8/8',
      'a/8',
      '10/8',
    ]) {
      expect(`${text}: ${parseCidr(text)}`).toBe(`${text}: null`);
    }
  });
});

describe('compileCidrs', () => {
  it('knows an address in every spelling', () => {
    const set = compileCidrs(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);
    expect(set.size).toBe(3);
    expect(['10.255.0.1', '::ffff:10.0.0.1', '2001:DB8:ffff::1', '192.0.2.7'].every((ip) => set.has(ip))).toBe(true);
    expect(['11.0.0.0', '9.255.255.255', '192.0.2.8', '2001:db9::', '', 'x'].some((ip) => set.has(ip))).toBe(false);
    expect(compileCidrs([]).has('10.0.0.1')).toBe(false);
  });

  it('names the entry that is no CIDR', () => {
    expect(() => compileCidrs(['10.0.0.0/8', '10.0.0.0/99'])).toThrow('expected a CIDR, got "10.0.0.0/99"');
  });

  it('agrees with Node on any network and address of one family', () => {
    const pair = fc.oneof(
      fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), fc.constant('ipv4' as const)),
      fc.tuple(fc.ipV6(), fc.integer({ min: 96, max: 128 }), fc.ipV6(), fc.constant('ipv6' as const)),
    );
    fc.assert(
      fc.property(pair, fc.boolean(), ([net, bits, ip, family], same) => {
        const asked = same ? net : ip;
        const list = new BlockList();
        list.addSubnet(net, bits, family);
        expect(compileCidrs([`${net}/${bits}`]).has(asked)).toBe(list.check(asked, family));
      }),
    );
  });
});

describe('clientOf', () => {
  const trusted = compileCidrs(['10.0.0.0/8', 'fd00::/8']);

  it('does not believe a peer that is not trusted', () => {
    expect(clientOf('1.1.1.1', '9.9.9.9', trusted)).toBe('9.9.9.9');
    expect(clientOf('1.1.1.1', '10.0.0.1', compileCidrs([]))).toBe('10.0.0.1');
  });

  it('walks back over trusted hops to the first address that is not ours', () => {
    expect(clientOf('6.6.6.6, 1.1.1.1, 10.0.0.2', '10.0.0.1', trusted)).toBe('1.1.1.1');
    expect(clientOf('1.1.1.1,fd00::1', '10.0.0.1', trusted)).toBe('1.1.1.1');
    expect(clientOf('10.0.0.3, 10.0.0.2', '10.0.0.1', trusted)).toBe('10.0.0.3');
    expect(clientOf('', '10.0.0.1', trusted)).toBe('10.0.0.1');
  });

  it('stops at an entry that is no address', () => {
    expect(clientOf('1.1.1.1, unknown, 10.0.0.2', '10.0.0.1', trusted)).toBe('10.0.0.2');
    expect(clientOf('1.1.1.1, ,10.0.0.2', '10.0.0.1', trusted)).toBe('10.0.0.2');
    expect(clientOf(',', '10.0.0.1', trusted)).toBe('10.0.0.1');
  });

  it('takes addresses with ports and brackets, and gives the canonical spelling', () => {
    expect(clientOf('1.1.1.1:4711', '10.0.0.1', trusted)).toBe('1.1.1.1');
    expect(clientOf('[2001:DB8::1]:4711', '10.0.0.1', trusted)).toBe('2001:db8::1');
    expect(clientOf('[2001:db8::1]', '10.0.0.1', trusted)).toBe('2001:db8::1');
    expect(clientOf('::ffff:1.1.1.1', '10.0.0.1', trusted)).toBe('1.1.1.1');
    expect(clientOf('[::1', '10.0.0.1', trusted)).toBe('10.0.0.1');
  });
});

describe('hostBits', () => {
  it('is the same for all spellings of an address, and differs between IPv4 addresses', () => {
    expect(hostBits('::ffff:192.0.2.1')).toBe(hostBits('192.0.2.1'));
    expect(hostBits('2001:DB8:0:0:1::')).toBe(hostBits('2001:db8::1:0:0:0'));
    expect(new Set(['192.0.2.1', '192.0.2.2', '192.0.3.1', '193.0.2.1'].map(hostBits)).size).toBe(4);
  });

  it('is that of the /64 in IPv6', () => {
    expect(hostBits('2001:db8:1:2::1')).toBe(hostBits('2001:db8:1:2:ffff:ffff:ffff:ffff'));
    const prefixes = ['2001:db8:1:2::', '2001:db8:1:3::', '2001:db8:2:2::', '2001:db9:1:2::', '2002:db8:1:2::'];
    expect(new Set(prefixes.map(hostBits)).size).toBe(prefixes.length);
  });

  it('is 0 for what is no address, such as the peer of a UNIX socket', () => {
    expect([hostBits(''), hostBits('unix'), hostBits('1.2.3')]).toEqual([0, 0, 0]);
  });
});
