// Databases from their publishers, played by a real HTTP server on this machine: the months of DB-IP, MaxMind's account, redirect and
// hash, mirrors; and everything that can go wrong on the way, after which the old file is as it was.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DownloadOptions, downloadGeo } from '../../geoip/download.ts';
import { unpack } from '../../geoip/unpack.ts';
import { freePort } from '../support/redis-server.ts';
import { CITY, COUNTRY, FIXTURES, PUBLISHED, Publisher } from './publisher.ts';

const BROKEN = readFileSync(join(FIXTURES, 'GeoIP2-City-Test-Invalid-Node-Count.mmdb'));
const NOVEMBER_MS = Date.UTC(2026, 10, 2, 9);

let scratch: string;
let to: string;
let publisher: Publisher;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'fermat-download-'));
  to = join(scratch, 'city.mmdb');
  publisher = await new Publisher().listen();
});
afterEach(async () => {
  await publisher.close();
  rmSync(scratch, { recursive: true, force: true });
});

const from = () => `${publisher.url}/{edition}-{month}.mmdb.gz`;
const download = (more: Partial<DownloadOptions> = {}) =>
  downloadGeo({ to, from: from(), nowMs: NOVEMBER_MS, ...more });
const left = () => readdirSync(scratch).sort();

/** As MaxMind packs it: a folder with the day, texts before and after the database. */
function tarball(database: Uint8Array, name = 'GeoLite2-City.mmdb'): Buffer {
  const folder = join(scratch, 'made/GeoLite2-City_20261030');
  mkdirSync(folder, { recursive: true });
  for (const text of ['COPYRIGHT.txt', 'README.txt']) writeFileSync(join(folder, text), text.repeat(100));
  writeFileSync(join(folder, name), database);
  const files = ['COPYRIGHT.txt', name, 'README.txt'].map((file) => `GeoLite2-City_20261030/${file}`);
  const packed = execFileSync('tar', ['-czf', '-', '-C', join(scratch, 'made'), ...files], { maxBuffer: 1 << 26 });
  rmSync(join(scratch, 'made'), { recursive: true });
  return packed;
}

describe('a database of DB-IP', () => {
  test('is this month’s, unpacked, with the publisher’s date, and nothing else is left', async () => {
    publisher.serve(gzipSync(CITY));
    expect(await download()).toMatchObject({
      updated: true,
      from: null,
      type: 'GeoLite2-City',
      sizeBytes: CITY.length,
    });
    expect(publisher.asked).toEqual(['/dbip-city-lite-2026-11.mmdb.gz']);
    expect(readFileSync(to)).toEqual(CITY);
    expect(statSync(to).mtime.toUTCString()).toBe(PUBLISHED);
    expect(left()).toEqual(['city.mmdb']);
  });

  test('is last month’s as long as this month’s is not out, over a turn of the year', async () => {
    publisher.answer = (request, response) => {
      if (request.url!.includes('2027-01')) response.writeHead(404).end('not yet');
      else response.end(gzipSync(CITY));
    };
    expect(await download({ nowMs: Date.UTC(2027, 0, 1), edition: 'dbip-country-lite' })).toMatchObject({
      updated: true,
    });
    expect(publisher.asked).toEqual(['/dbip-country-lite-2027-01.mmdb.gz', '/dbip-country-lite-2026-12.mmdb.gz']);
  });

  test('is not fetched again when it has not changed', async () => {
    publisher.serve(gzipSync(CITY));
    await download();
    publisher.answer = (request, response) => {
      const isKnown = request.headers['if-modified-since'] === PUBLISHED;
      response.writeHead(isKnown ? 304 : 200).end(isKnown ? undefined : gzipSync(CITY));
    };
    expect(await download()).toMatchObject({ updated: false, type: 'GeoLite2-City' });
  });

  test('is fetched although the file is newer, when that is broken', async () => {
    writeFileSync(to, 'no database');
    publisher.serve(gzipSync(CITY));
    expect(await download()).toMatchObject({ updated: true, from: null });
    expect(readFileSync(to)).toEqual(CITY);
  });
});

describe('a database of MaxMind', () => {
  const env = { GEOIPUPDATE_ACCOUNT_ID: '42', GEOIPUPDATE_LICENSE_KEY: 'key' };
  const authorization = `Basic ${Buffer.from('42:key').toString('base64')}`;

  test('wants an account', async () => {
    const asking = downloadGeo({ to, edition: 'GeoLite2-City', nowMs: NOVEMBER_MS, env: {} });
    await expect(asking).rejects.toThrow('GEOIPUPDATE_ACCOUNT_ID and GEOIPUPDATE_LICENSE_KEY');
  });

  test('is asked for with the account, followed elsewhere without it, unpacked and compared with its hash', async () => {
    const packed = tarball(CITY);
    const sha256 = createHash('sha256').update(packed).digest('hex');
    const seen: (string | undefined)[] = [];
    // Another host, as far as credentials go: another port.
    const storage = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response
        .setHeader('last-modified', PUBLISHED)
        .end(request.url === '/sum' ? `${sha256}  GeoLite2-City.tar.gz\n` : packed);
    });
    storage.listen(0, '127.0.0.1');
    await once(storage, 'listening');
    const stored = `http://127.0.0.1:${(storage.address() as AddressInfo).port}`;
    publisher.answer = (request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: `${stored}/${request.url!.endsWith('.sha256') ? 'sum' : 'file'}` }).end();
    };
    const done = await downloadGeo({
      to,
      edition: 'GeoLite2-City',
      nowMs: NOVEMBER_MS,
      env,
      maxmindUrl: `${publisher.url}/{edition}?suffix=tar.gz`,
    });
    expect(done).toMatchObject({ updated: true, isHashChecked: true });
    expect(publisher.asked).toEqual(['/GeoLite2-City?suffix=tar.gz', '/GeoLite2-City?suffix=tar.gz.sha256']);
    expect(seen).toEqual([authorization, undefined, authorization, undefined]);
    expect(readFileSync(to)).toEqual(CITY);
    storage.closeAllConnections();
    storage.close();
  });

  test('is not taken when its hash is another, or when the account is not right', async () => {
    copyFileSync(join(FIXTURES, 'GeoLite2-Country-Test.mmdb'), to);
    const ask = () =>
      downloadGeo({ to, edition: 'GeoLite2-City', nowMs: NOVEMBER_MS, env, maxmindUrl: `${publisher.url}/{edition}` });
    const packed = tarball(CITY);
    publisher.answer = (request, response) =>
      response.end(request.url!.endsWith('.sha256') ? `${'0'.repeat(64)}  x` : packed);
    await expect(ask()).rejects.toThrow('the SHA-256 is 0000');
    publisher.fail(401);
    await expect(ask()).rejects.toThrow('401: the account, its licence key');
    publisher.fail(429);
    await expect(ask()).rejects.toThrow('counts an account');
    expect(readFileSync(to)).toEqual(COUNTRY);
    expect(left()).toEqual(['city.mmdb']);
  });
});

describe('what goes wrong leaves the old file and nothing else', () => {
  beforeEach(() => copyFileSync(join(FIXTURES, 'GeoLite2-City-Test.mmdb'), to));
  afterEach(() => {
    expect(readFileSync(to)).toEqual(CITY);
    expect(left()).toEqual(['city.mmdb']);
  });

  test.each([
    ['what is no database', gzipSync('<html>a captive portal</html>'), 'is no database'],
    ['a database with a broken tree', gzipSync(BROKEN), 'too short for the 100000 nodes'],
    ['a gzip that ends early', gzipSync(CITY).subarray(0, 5000), 'unexpected end of file'],
    ['a gzip with a wrong sum', gzipSync(CITY).fill(0, gzipSync(CITY).length - 8), 'incorrect data check'],
    ['nothing', Buffer.alloc(0), 'is no database'],
  ])('%s', async (_, body, message) => {
    publisher.serve(body);
    await expect(download()).rejects.toThrow(message);
  });

  test('a tar without a database', async () => {
    publisher.serve(tarball(CITY, 'GeoLite2-City.csv'));
    await expect(download()).rejects.toThrow('there is no .mmdb file in it');
  });

  test('a connection that breaks in the middle', async () => {
    publisher.answer = (_, response) => {
      response.writeHead(200, { 'content-length': 100_000 });
      response.write(gzipSync(CITY).subarray(0, 5000), () => response.destroy());
    };
    await expect(download()).rejects.toThrow(publisher.url);
  });

  test('an edition that is not there, a server that is not there, a URL that is none', async () => {
    publisher.fail(404);
    await expect(download()).rejects.toThrow('404: there is no such edition');
    publisher.fail(500);
    await expect(download()).rejects.toThrow('answered 500');
    const nobody = `http://127.0.0.1:${await freePort()}/x`;
    await expect(download({ from: nobody })).rejects.toThrow(`${nobody}: ECONNREFUSED`);
    await expect(download({ from: 'file:///etc/passwd' })).rejects.toThrow('no http:// or https:// URL');
    await expect(download({ edition: '../../etc' })).rejects.toThrow('is no edition');
    await expect(downloadGeo({ to, edition: 'ip2location', nowMs: NOVEMBER_MS })).rejects.toThrow('is unknown here');
  });

  test('a mirror that has an older one', async () => {
    const older = Buffer.from(CITY);
    // build_epoch is a uint64 of the metadata: its highest byte that is used, less one, is 194 days before.
    const at = older.lastIndexOf('build_epoch') + 'build_epoch'.length + 2;
    older[at] = older[at]! - 1;
    publisher.serve(gzipSync(older));
    expect(await download()).toMatchObject({ updated: false });
  });
});

describe('what a killed update left', () => {
  test('is removed by a later one, but not what another may be writing to', async () => {
    const stale = join(scratch, '.city.mmdb.1-1.update');
    const young = join(scratch, '.city.mmdb.2-2.update');
    for (const path of [stale, young]) writeFileSync(path, 'half');
    utimesSync(stale, NOVEMBER_MS / 1000 - 7200, NOVEMBER_MS / 1000 - 7200);
    utimesSync(young, NOVEMBER_MS / 1000 - 60, NOVEMBER_MS / 1000 - 60);
    publisher.serve(gzipSync(CITY));
    await download();
    expect(left()).toEqual(['.city.mmdb.2-2.update', 'city.mmdb']);
  });
});

describe('unpacking', () => {
  test('gives the same however the bytes come in', async () => {
    const small = Buffer.from('database'.repeat(300));
    const packings = [small, gzipSync(small), tarball(small)];
    const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...packings), cuts, async (packed, sizes) => {
        async function* chunks() {
          for (let at = 0, i = 0; at < packed.length; i++) {
            const end = at + sizes[i % sizes.length]!;
            yield packed.subarray(at, end);
            at = end;
          }
        }
        const parts: Uint8Array[] = [];
        for await (const part of unpack(chunks())) parts.push(part);
        expect(Buffer.concat(parts).equals(small)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
