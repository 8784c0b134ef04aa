import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEventLog } from '../../src/control/events.ts';
import { GeoDb } from '../../src/control/geodb.ts';
import type { EventLog } from '../../src/control/types.ts';

const FIXTURES = new URL('../fixtures/geoip/', import.meta.url).pathname;
const CITY = join(FIXTURES, 'GeoLite2-City-Test.mmdb');
const COUNTRY = join(FIXTURES, 'GeoLite2-Country-Test.mmdb');
const ISP = join(FIXTURES, 'GeoIP2-ISP-Test.mmdb');
const BROKEN = join(FIXTURES, 'GeoIP2-City-Test-Broken-Double-Format.mmdb');
const POLL_MS = 20;

let scratch: string;
let path: string;
let events: EventLog;
let db: GeoDb | null = null;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fermat-geodb-'));
  path = join(scratch, 'city.mmdb');
  events = createEventLog({ level: 'silent' });
});
afterEach(async () => {
  db?.close();
  db = null;
  await rm(scratch, { recursive: true, force: true });
});

const openDb = async (files: readonly string[]): Promise<GeoDb> => {
  db = await GeoDb.open(files, events, { pollMs: POLL_MS });
  return db;
};

/** Resolves with the next event of a type. */
function next(type: string): Promise<string> {
  return new Promise((resolve) => {
    const leave = events.subscribe((event) => {
      if (event.type !== type) return;
      leave();
      resolve(event.message);
    });
  });
}

describe('at start', () => {
  test('reads the given files into shared memory, for look-ups here and in the workers', async () => {
    const geo = await openDb([CITY, ISP]);
    expect(geo.lookup('81.2.69.160')).toMatchObject({ city: 'London', isp: 'Andrews & Arnold Ltd' });
    expect(geo.files.map((file) => file.path)).toEqual([CITY, ISP]);
    for (const file of geo.files) expect(file.bytes).toBeInstanceOf(SharedArrayBuffer);
    expect(geo.info()).toMatchObject({ source: 'GeoLite2-City, GeoIP2-ISP', built: '2026-02-04T22:49:29.000Z' });
    expect(events.recent()).toEqual([]);
  });

  test('takes the bundled database when no file is given', async () => {
    const geo = await openDb([]);
    expect(geo.lookup('193.99.144.80')?.country).toBe('DE');
    expect(geo.info()).toMatchObject({ source: 'DB-IP Lite (bundled)', built: expect.stringMatching(/^2026-06-05T/) });
    expect(geo.files).toHaveLength(2);
  });

  test('goes on without a missing or broken file, warns, and uses the others', async () => {
    const geo = await openDb([join(scratch, 'nowhere.mmdb'), BROKEN, CITY]);
    expect(geo.lookup('81.2.69.160')?.city).toBe('London');
    const warnings = events.recent().filter((event) => event.type === 'geoip.missing');
    expect(warnings.map((event) => event.level)).toEqual(['warn', 'warn']);
    expect(warnings.map((event) => event.message).join()).toMatch(
      /no such file.*double of 5 bytes|double.*no such file/,
    );
    const { files } = geo.info();
    expect(files.map((file) => file.problem === null)).toEqual([false, false, true]);
  });

  test('answers null for every address without any database', async () => {
    const geo = await openDb([join(scratch, 'nowhere.mmdb')]);
    expect(geo.lookup('81.2.69.160')).toBeNull();
    expect(geo.files).toEqual([]);
    expect(geo.info()).toMatchObject({ source: 'none', built: null });
  });
});

describe('while running', () => {
  test('a file that appears later is taken over', async () => {
    const geo = await openDb([path]);
    const found = next('geoip.replaced');
    await copyFile(CITY, path);
    expect(await found).toContain('database taken over');
    expect(geo.lookup('81.2.69.160')?.city).toBe('London');
    expect(geo.info().files[0]?.problem).toBeNull();
  });

  test('a file replaced by a rename takes over whole, and the listeners are handed the new bytes', async () => {
    await copyFile(COUNTRY, path);
    const geo = await openDb([path, ISP]);
    const [oldCity, oldIsp] = geo.files;
    expect(geo.lookup('81.2.69.160')).toMatchObject({ city: null, isp: 'Andrews & Arnold Ltd' });
    const replaced = new Promise<readonly { path: string; bytes: SharedArrayBuffer }[]>((resolve) => {
      geo.onReplaced(resolve);
    });
    await copyFile(CITY, `${path}.new`);
    await rename(`${path}.new`, path);
    const files = await replaced;
    expect(files).toBe(geo.files);
    expect(files[0]?.bytes).not.toBe(oldCity?.bytes);
    // What did not change is not read again: workers keep the same memory.
    expect(files[1]?.bytes).toBe(oldIsp?.bytes);
    expect(geo.lookup('81.2.69.160')).toMatchObject({ city: 'London', isp: 'Andrews & Arnold Ltd' });
  });

  test.each([
    ['broken', () => copyFile(BROKEN, path)],
    ['empty', () => writeFile(path, '')],
    ['something else', () => writeFile(path, 'not a database')],
    ['gone', () => rm(path)],
  ])('a new file that is %s is refused, the old one stays, and a good one after it takes over', async (_what, spoil) => {
    await copyFile(CITY, path);
    const geo = await openDb([path]);
    const { files } = geo;
    const refused = next('geoip.refused');
    await spoil();
    expect(await refused).toMatch(/new database refused: .*; the one in use stays/);
    expect(geo.files).toBe(files);
    expect(geo.lookup('81.2.69.160')?.city).toBe('London');
    expect(geo.info().files[0]).toMatchObject({ type: 'GeoLite2-City', problem: expect.stringContaining(path) });

    const replaced = next('geoip.replaced');
    await copyFile(COUNTRY, `${path}.new`);
    await rename(`${path}.new`, path);
    await replaced;
    expect(geo.lookup('81.2.69.160')).toMatchObject({ city: null, country: 'GB' });
    // Refused once, not at every look.
    expect(events.recent().filter((event) => event.type === 'geoip.refused')).toHaveLength(1);
  });

  test('a listener that left, or throws, does not keep others from the news', async () => {
    await copyFile(COUNTRY, path);
    const geo = await openDb([path]);
    const heard: string[] = [];
    geo.onReplaced(() => heard.push('left'))();
    geo.onReplaced(() => {
      throw new Error('no');
    });
    const last = new Promise<void>((resolve) => {
      geo.onReplaced(() => resolve());
    });
    await copyFile(CITY, `${path}.new`);
    await rename(`${path}.new`, path);
    await last;
    expect(heard).toEqual([]);
  });
});
