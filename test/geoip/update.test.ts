// `fermat geoip update --to` as a user has it: what it says, its exit codes, `--every`, and a running node that takes over what it
// brings. How a database is fetched: download.test.ts; the bundled one, by npm: cli.test.ts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { downloadGeo } from '../../geoip/download.ts';
import { geoipUpdate } from '../../geoip/update.ts';
import { BIN, runFermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';
import { CITY, Publisher } from './publisher.ts';

let scratch: string;
let to: string;
let publisher: Publisher;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'fermat-update-to-'));
  to = join(scratch, 'city.mmdb');
  publisher = await new Publisher().listen();
});
afterEach(async () => {
  await publisher.close();
  rmSync(scratch, { recursive: true, force: true });
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
    publisher.serve(gzipSync(CITY));
    await downloadGeo({ to, from: publisher.url, nowMs: Date.now() });
    await until(async () => (await placeOf()).city === 'London', 'the city');
  }, 60_000);
});

describe('fermat geoip update --to', () => {
  test('says what it did, as a line and as JSON, and why not, with the exit code', async () => {
    publisher.serve(gzipSync(CITY));
    const first = await runFermat([
      'geoip',
      'update',
      '--to',
      to,
      '--from',
      `${publisher.url}/{edition}-{month}.mmdb.gz`,
    ]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^updated \S+city\.mmdb: GeoLite2-City, 0\.0 MiB, built \d{4}-\d\d-\d\d\n$/);
    const second = await runFermat(['geoip', 'update', '--to', to, '--from', `${publisher.url}/x`, '--json']);
    expect(JSON.parse(second.stdout)).toMatchObject({ path: to, updated: true, problem: null, type: 'GeoLite2-City' });
    publisher.fail(503);
    const third = await runFermat(['geoip', 'update', '--to', to, '--from', `${publisher.url}/x`]);
    expect(third).toMatchObject({ code: 1, stdout: '' });
    expect(third.stderr).toBe(`geoip update: ${publisher.url}/x: answered 503; ${to} is as it was\n`);
    expect((await runFermat(['geoip', 'update', '--every', '24h'])).code).toBe(2);
    expect((await runFermat(['geoip', 'update', '--to', to, '--every', '1s'])).stderr).toContain('expected 1m or more');
    // Once a day, for ever, in vain.
    const unknown = await runFermat(['geoip', 'update', '--to', to, '--edition', 'ip2location', '--every', '24h']);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('ip2location is unknown here') });
  });

  test('with --every goes on after a failure, and ends with 0 when it is told to', async () => {
    publisher.fail(500);
    const args = ['geoip', 'update', '--to', to, '--from', `${publisher.url}/x`, '--every', '24h'];
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
    publisher.answer = (_, response) => {
      if (failures-- > 0) response.writeHead(500).end();
      else response.end(gzipSync(CITY));
    };
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const going = geoipUpdate({ to, from: `${publisher.url}/x`, everyMs: 20, ended, print, complain: print });
    await until(() => lines.some((line) => line.startsWith('updated')), 'an update');
    end();
    expect(await going).toBe(0);
    expect(lines.slice(0, 2)).toEqual(Array(2).fill(expect.stringContaining('answered 500')));
  });
});
