import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundledFiles, loadGeoFile } from '../../geoip/load.ts';
import { type GeoFile, type GeoReader, openGeo } from '../../geoip/reader.ts';

const FIXTURES = new URL('../fixtures/geoip/', import.meta.url).pathname;

function fixture(name: string): GeoFile {
  const content = readFileSync(`${FIXTURES}${name}.mmdb`);
  const bytes = new SharedArrayBuffer(content.length);
  new Uint8Array(bytes).set(content);
  return { path: name, bytes };
}

describe("MaxMind's layout", () => {
  test('a city database gives country, city, region, coordinates and the network they hold for', () => {
    const geo = openGeo([fixture('GeoLite2-City-Test')]);
    expect(geo.lookup('81.2.69.160')).toEqual({
      country: 'GB',
      city: 'London',
      region: 'England',
      latDeg: 51.5142,
      lonDeg: -0.0931,
      asn: null,
      isp: null,
      network: '81.2.69.160/27',
    });
    expect(geo.files).toEqual([
      {
        path: 'GeoLite2-City-Test',
        type: 'GeoLite2-City',
        built: '2026-02-04T22:49:29.000Z',
        ipVersion: 6,
        sizeBytes: 21088,
      },
    ]);
  });

  test('agrees with the source of the test database on every network in it', () => {
    const geo = openGeo([fixture('GeoLite2-City-Test')]);
    const source = JSON.parse(readFileSync(`${FIXTURES}GeoLite2-City-Test.json`, 'utf8')) as Record<
      string,
      CityRecord
    >[];
    let compared = 0;
    for (const [network, record] of source.flatMap((entry) => Object.entries(entry))) {
      const place = geo.lookup(network.split('/')[0]!);
      // Networks that others lie in are not all found at their first address.
      if (place === null || record.location === undefined) continue;
      compared++;
      expect(place.country, network).toBe(record.country?.iso_code ?? null);
      expect(place.latDeg, network).toBeCloseTo(record.location.latitude!, 3);
      expect(place.city, network).toBe(record.city?.names?.en ?? null);
    }
    expect(compared).toBeGreaterThan(100);
  });

  test('several files make one answer: later ones fill in what earlier ones lack, the network is the narrowest', () => {
    const city = fixture('GeoIP2-City-Test');
    const isp = fixture('GeoIP2-ISP-Test');
    const place = openGeo([city, isp]).lookup('149.101.100.0');
    expect(place).toMatchObject({ country: 'US', latDeg: 37.751, asn: 6167, isp: 'Verizon Wireless' });
    expect(openGeo([isp, city]).lookup('149.101.100.0')).toEqual(place);
    const asn = openGeo([fixture('GeoLite2-ASN-Test'), isp]).lookup('1.128.0.0');
    expect(asn).toMatchObject({
      country: null,
      latDeg: null,
      asn: 1221,
      isp: 'Telstra Pty Ltd',
      network: '1.128.0.0/11',
    });
  });

  test('a country database gives the country and no place', () => {
    const place = openGeo([fixture('GeoLite2-Country-Test')]).lookup('2001:220::1');
    expect(place).toMatchObject({ country: 'KR', city: null, latDeg: null, lonDeg: null });
  });
});

describe('addresses', () => {
  test('IPv4-mapped IPv6 is IPv4 in every spelling, and its network too', () => {
    const geo = openGeo([fixture('GeoLite2-City-Test')]);
    const place = geo.lookup('81.2.69.160');
    for (const ip of ['::ffff:81.2.69.160', '::FFFF:5102:45a0', '0:0:0:0:0:ffff:5102:45a0']) {
      expect(geo.lookup(ip)).toEqual(place);
    }
  });

  test('an IPv6 address is not looked up as IPv4 in a database of IPv4 alone', () => {
    const geo = openGeo([fixture('MaxMind-DB-test-ipv4-24')]);
    expect(geo.lookup('1.1.1.1')).not.toBeNull();
    // mmdb-lib by itself answers this with the record of 1.1.1.1.
    expect(geo.lookup('101:101::')).toBeNull();
  });

  test('what is no address, or in no database, is null', () => {
    const geo = openGeo([fixture('GeoLite2-City-Test')]);
    for (const ip of [
      '',
      'x',
      '1.2.3',
      '1.2.3.4.5',
      '256.1.1.1',
      '01.2.3.4',
      '1.2.3.4:80',
      '[::1]',
      '127.0.0.1',
      '::1',
      ':::',
      '%',
    ]) {
      expect(geo.lookup(ip), ip).toBeNull();
    }
    expect(openGeo([]).lookup('8.8.8.8')).toBeNull();
  });

  test('records that are no maps, and trees without IPv4, give null', () => {
    const geo = openGeo([fixture('MaxMind-DB-no-ipv4-search-tree')]);
    expect(geo.lookup('1.1.1.1')).toBeNull();
    expect(geo.lookup('::1')).toBeNull();
  });
});

test('a damaged database answers null or a place, and never throws', () => {
  const geo = openGeo([
    fixture('GeoIP2-City-Test-Invalid-Node-Count'),
    fixture('GeoIP2-City-Test-Broken-Double-Format'),
    fixture('MaxMind-DB-test-broken-search-tree-24'),
  ]);
  for (let i = 0; i < 20_000; i++) {
    const x = Math.imul(i, 0x9e3779b1) >>> 0;
    expect(() => geo.lookup(`${x >>> 24}.${(x >>> 16) & 255}.${(x >>> 8) & 255}.${x & 255}`)).not.toThrow();
    expect(() => geo.lookup(`2001:${(x >>> 16).toString(16)}:${(x & 0xffff).toString(16)}::`)).not.toThrow();
  }
});

describe('the bundled DB-IP database', () => {
  let files: readonly GeoFile[];
  let geo: GeoReader;
  beforeAll(async () => {
    files = (await Promise.all(bundledFiles().map(loadGeoFile))).map((loaded) => loaded.file);
    geo = openGeo(files);
  });

  test('is read in its flat layout, IPv4 and IPv6 from files of their own', () => {
    expect(geo.lookup('193.99.144.80')).toMatchObject({
      country: 'DE',
      region: 'Lower Saxony',
      network: '193.99.144.0/24',
    });
    expect(geo.lookup('2a02:2e0:3fe:1001:302::')).toMatchObject({ country: 'DE', latDeg: 52.3861, lonDeg: 9.8095 });
    expect(geo.lookup('::ffff:8.8.8.8')).toMatchObject({ country: 'US', city: 'Mountain View' });
    expect(geo.lookup('10.0.0.1')).toBeNull();
  });

  test('knows nine of ten random public addresses, each with country and coordinates', () => {
    let known = 0;
    let x = 1;
    for (let i = 0; i < 10_000; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      const place = geo.lookup(`${1 + ((x >>> 24) % 222)}.${(x >>> 16) & 255}.${(x >>> 8) & 255}.7`);
      if (place === null) continue;
      known++;
      expect(place.country).toMatch(/^[A-Z]{2}$/);
      expect(Math.abs(place.latDeg!)).toBeLessThanOrEqual(90);
    }
    expect(known).toBeGreaterThan(9000);
  });

  test('another reader over the same bytes copies none of them', () => {
    const before = process.memoryUsage();
    const readers = Array.from({ length: 8 }, () => openGeo(files));
    for (const reader of readers) expect(reader.lookup('8.8.8.8')?.country).toBe('US');
    const after = process.memoryUsage();
    const grownBytes = after.external + after.heapUsed - before.external - before.heapUsed;
    expect(grownBytes).toBeLessThan(16 << 20);
  });
});

interface CityRecord {
  readonly country?: { readonly iso_code?: string };
  readonly city?: { readonly names?: { readonly en?: string } };
  readonly location?: { readonly latitude?: number };
}
