import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GeoFileError } from '../../geoip/check.ts';
import { bundledFiles, loadGeoFile } from '../../geoip/load.ts';

const FIXTURES = new URL('../fixtures/geoip/', import.meta.url).pathname;
const GOOD = join(FIXTURES, 'GeoLite2-City-Test.mmdb');

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fermat-geo-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function refusal(path: string): Promise<string> {
  const error = await loadGeoFile(path).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GeoFileError);
  expect((error as GeoFileError).path).toBe(path);
  expect((error as GeoFileError).message.startsWith(`${path}: `)).toBe(true);
  return (error as GeoFileError).message.slice(path.length + 2);
}

describe('a database is refused, with the reason, when it', () => {
  test('is not there, or no file', async () => {
    expect(await refusal(join(scratch, 'nowhere.mmdb'))).toBe('no such file');
    expect(await refusal(scratch)).toBe('not a file');
    execFileSync('mkfifo', [join(scratch, 'pipe.mmdb')]);
    expect(await refusal(join(scratch, 'pipe.mmdb'))).toBe('not a file');
  });

  test('is empty', async () => {
    await writeFile(join(scratch, 'empty.mmdb'), '');
    expect(await refusal(join(scratch, 'empty.mmdb'))).toBe('the file is empty');
  });

  test('is something else', async () => {
    await writeFile(join(scratch, 'page.mmdb'), '<html>404 Not Found</html>'.repeat(5000));
    expect(await refusal(join(scratch, 'page.mmdb'))).toMatch(/^not an \.mmdb file/);
  });

  test('claims more nodes than it has', async () => {
    expect(await refusal(join(FIXTURES, 'GeoIP2-City-Test-Invalid-Node-Count.mmdb'))).toMatch(
      /^too short for the 100000 nodes/,
    );
  });

  test('holds doubles of a wrong size, which mmdb-lib reads as places that do not exist', async () => {
    expect(await refusal(join(FIXTURES, 'GeoIP2-City-Test-Broken-Double-Format.mmdb'))).toMatch(
      /^damaged: a double of 5 bytes/,
    );
  });

  test('has a search tree that leads astray', async () => {
    expect(await refusal(join(FIXTURES, 'MaxMind-DB-test-broken-search-tree-24.mmdb'))).toMatch(
      /^damaged: its search tree/,
    );
  });

  test('is cut off, wherever', async () => {
    const { length } = await readFile(GOOD);
    for (let size = 1; size < length; size += 499) {
      const path = join(scratch, 'cut.mmdb');
      await copyFile(GOOD, path);
      await truncate(path, size);
      expect(await refusal(path), `${size} bytes`).not.toBe('');
    }
  });

  test('lacks a piece in the middle', async () => {
    const whole = await readFile(GOOD);
    for (const at of [100, 5000, 9000]) {
      await writeFile(join(scratch, 'gap.mmdb'), Buffer.concat([whole.subarray(0, at), whole.subarray(at + 50)]));
      expect(await refusal(join(scratch, 'gap.mmdb')), `at ${at}`).not.toBe('');
    }
  });
});

test('every good test database is taken, with what it says of itself', async () => {
  const good = (await readdir(FIXTURES)).filter((name) => name.endsWith('.mmdb') && !/[Bb]roken|Invalid/.test(name));
  expect(good.length).toBeGreaterThanOrEqual(8);
  for (const name of good) {
    const { file, info } = await loadGeoFile(join(FIXTURES, name));
    expect(file.bytes).toBeInstanceOf(SharedArrayBuffer);
    expect(info.sizeBytes).toBe(file.bytes.byteLength);
    expect(info.type).not.toBe('');
    expect(info.built).toMatch(/^20\d\d-\d\d-\d\dT/);
  }
});

test('130 MB are read and checked without keeping the event loop for 50 ms', async () => {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const loaded = await Promise.all(bundledFiles().map(loadGeoFile));
  delay.disable();
  expect(loaded.map(({ info }) => info.type)).toEqual(['city ipv4', 'city ipv6']);
  expect(delay.max / 1e6).toBeLessThan(50);
});
