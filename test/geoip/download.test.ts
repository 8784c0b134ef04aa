// Databases from their publishers, played by a real HTTP server on this machine: the months of DB-IP, MaxMind's account, redirect and
// hash, mirrors; and everything that can go wrong on the way, after which the old file is as it was.

import { execFileSync, spawn } from 'node:child_process';
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
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DownloadOptions, downloadGeo } from '../../geoip/download.ts';
import { unpack } from '../../geoip/unpack.ts';
import { geoipUpdate } from '../../geoip/update.ts';
import { BIN, runFermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { freePort } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/geoip');
const CITY = readFileSync(join(FIXTURES, 'GeoLite2-City-Test.mmdb'));
const COUNTRY = readFileSync(join(FIXTURES, 'GeoLite2-Country-Test.mmdb'));
const BROKEN = readFileSync(join(FIXTURES, 'GeoIP2-City-Test-Invalid-Node-Count.mmdb'));
const NOVEMBER_MS = Date.UTC(2026, 10, 2, 9);
const PUBLISHED = 'Sun, 01 Nov 2026 03:04:05 GMT';

let scratch: string;
let to: string;
let server: Server;
let base: string;
let asked: string[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'fermat-download-'));
  to = join(scratch, 'city.mmdb');
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url!);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  rmSync(scratch, { recursive: true, force: true });
});

const serve = (body: Uint8Array) => {
  answer = (_, response) => response.setHeader('last-modified', PUBLISHED).end(body);
};
const from = () => `${base}/{edition}-{month}.mmdb.gz`;
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
    serve(gzipSync(CITY));
    expect(await download()).toMatchObject({
      updated: true,
      from: null,
      type: 'GeoLite2-City',
      sizeBytes: CITY.length,
    });
    expect(asked).toEqual(['/dbip-city-lite-2026-11.mmdb.gz']);
    expect(readFileSync(to)).toEqual(CITY);
    expect(statSync(to).mtime.toUTCString()).toBe(PUBLISHED);
    expect(left()).toEqual(['city.mmdb']);
  });

  test('is last month’s as long as this month’s is not out, over a turn of the year', async () => {
    answer = (request, response) => {
      if (request.url!.includes('2027-01')) response.writeHead(404).end('not yet');
      else response.end(gzipSync(CITY));
    };
    expect(await download({ nowMs: Date.UTC(2027, 0, 1), edition: 'dbip-country-lite' })).toMatchObject({
      updated: true,
    });
    expect(asked).toEqual(['/dbip-country-lite-2027-01.mmdb.gz', '/dbip-country-lite-2026-12.mmdb.gz']);
  });

  test('is not fetched again when it has not changed', async () => {
    serve(gzipSync(CITY));
    await download();
    answer = (request, response) => {
      const isKnown = request.headers['if-modified-since'] === PUBLISHED;
      response.writeHead(isKnown ? 304 : 200).end(isKnown ? undefined : gzipSync(CITY));
    };
    expect(await download()).toMatchObject({ updated: false, type: 'GeoLite2-City' });
  });

  test('is fetched although the file is newer, when that is broken', async () => {
    writeFileSync(to, 'no database');
    serve(gzipSync(CITY));
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
    answer = (request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: `${stored}/${request.url!.endsWith('.sha256') ? 'sum' : 'file'}` }).end();
    };
    const done = await downloadGeo({
      to,
      edition: 'GeoLite2-City',
      nowMs: NOVEMBER_MS,
      env,
      maxmindUrl: `${base}/{edition}?suffix=tar.gz`,
    });
    expect(done).toMatchObject({ updated: true, isHashChecked: true });
    expect(asked).toEqual(['/GeoLite2-City?suffix=tar.gz', '/GeoLite2-City?suffix=tar.gz.sha256']);
    expect(seen).toEqual([authorization, undefined, authorization, undefined]);
    expect(readFileSync(to)).toEqual(CITY);
    storage.closeAllConnections();
    storage.close();
  });

  test('is not taken when its hash is another, or when the account is not right', async () => {
    copyFileSync(join(FIXTURES, 'GeoLite2-Country-Test.mmdb'), to);
    const ask = () =>
      downloadGeo({ to, edition: 'GeoLite2-City', nowMs: NOVEMBER_MS, env, maxmindUrl: `${base}/{edition}` });
    const packed = tarball(CITY);
    answer = (request, response) => response.end(request.url!.endsWith('.sha256') ? `${'0'.repeat(64)}  x` : packed);
    await expect(ask()).rejects.toThrow('the SHA-256 is 0000');
    answer = (_, response) => response.writeHead(401).end();
    await expect(ask()).rejects.toThrow('401: the account, its licence key');
    answer = (_, response) => response.writeHead(429).end();
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
    serve(body);
    await expect(download()).rejects.toThrow(message);
  });

  test('a tar without a database', async () => {
    serve(tarball(CITY, 'GeoLite2-City.csv'));
    await expect(download()).rejects.toThrow('there is no .mmdb file in it');
  });

  test('a connection that breaks in the middle', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': 100_000 });
      response.write(gzipSync(CITY).subarray(0, 5000), () => response.destroy());
    };
    await expect(download()).rejects.toThrow(base);
  });

  test('an edition that is not there, a server that is not there, a URL that is none', async () => {
    answer = (_, response) => response.writeHead(404).end();
    await expect(download()).rejects.toThrow('404: there is no such edition');
    answer = (_, response) => response.writeHead(500).end();
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
    serve(gzipSync(older));
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
    serve(gzipSync(CITY));
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

describe('a running node', () => {
  test('that began without the file takes it over when it has come, without being told', async () => {
    await using origin = await startOrigin();
    await using fermat = await startFermat(
      simpleConfig([origin.url], {}, { geoip: { databases: [to] }, trustedProxies: ['127.0.0.1'] }),
    );
    const placeOf = async () =>
      (
        await fermat.json<{ cohort: { country: string | null; city: string | null } }>(
          '/api/v1/explain?client=81.2.69.160',
        )
      ).cohort;
    expect(await placeOf()).toMatchObject({ country: null, city: null });
    serve(gzipSync(CITY));
    await download();
    await until(async () => (await placeOf()).city === 'London', 'the city');
  }, 60_000);
});

describe('fermat geoip update --to', () => {
  test('says what it did, as a line and as JSON, and why not, with the exit code', async () => {
    serve(gzipSync(CITY));
    const first = await runFermat(['geoip', 'update', '--to', to, '--from', from()]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^updated \S+city\.mmdb: GeoLite2-City, 0\.0 MiB, built \d{4}-\d\d-\d\d\n$/);
    const second = await runFermat(['geoip', 'update', '--to', to, '--from', `${base}/x`, '--json']);
    expect(JSON.parse(second.stdout)).toMatchObject({ path: to, updated: true, problem: null, type: 'GeoLite2-City' });
    answer = (_, response) => response.writeHead(503).end();
    const third = await runFermat(['geoip', 'update', '--to', to, '--from', `${base}/x`]);
    expect(third).toMatchObject({ code: 1, stdout: '' });
    expect(third.stderr).toBe(`geoip update: ${base}/x: answered 503; ${to} is as it was\n`);
    expect((await runFermat(['geoip', 'update', '--every', '24h'])).code).toBe(2);
    expect((await runFermat(['geoip', 'update', '--to', to, '--every', '1s'])).stderr).toContain('expected 1m or more');
  });

  test('with --every goes on after a failure, and ends with 0 when it is told to', async () => {
    answer = (_, response) => response.writeHead(500).end();
    const args = ['geoip', 'update', '--to', to, '--from', `${base}/x`, '--every', '24h'];
    const child = spawn(BIN, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until(() => said.includes('answered 500'), 'the failure');
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  });

  test('looks again and again, sooner after a failure', async () => {
    let failures = 2;
    answer = (_, response) => {
      if (failures-- > 0) response.writeHead(500).end();
      else response.end(gzipSync(CITY));
    };
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const going = geoipUpdate({ to, from: `${base}/x`, everyMs: 20, ended, print, complain: print });
    await until(() => lines.some((line) => line.startsWith('updated')), 'an update');
    end();
    expect(await going).toBe(0);
    expect(lines.slice(0, 2)).toEqual(Array(2).fill(expect.stringContaining('answered 500')));
  });
});
