// Decisions of the real process under load: captured whole, told over the admin API, replayed by the command, bit by bit.

import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DecisionRecord } from '../../src/control/decisions.ts';
import { type Fermat, poolOf, runFermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const DELAYS_MS = [1, 2, 4, 12];
const servers: Server[] = [];
const urls: string[] = [];
const files: string[] = [];

beforeAll(async () => {
  for (const delayMs of DELAYS_MS) {
    const server = createServer((_, response) => setTimeout(() => response.end('x'.repeat(100)), delayMs));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
});
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  for (const file of files) rmSync(file, { force: true });
});

/** `clients` ask one request after another until `isEnough`, each for the routes in turn. */
async function load(fermat: Fermat, clients: number, paths: readonly string[], isEnough: () => boolean): Promise<void> {
  const one = async (client: number) => {
    for (let n = client; !isEnough(); n++) {
      const path = `${paths[n % paths.length]}${client}`;
      await exchange(fermat.port, get(path, `X-Key: ${client}\r\nConnection: close\r\n`));
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => one(client)));
}

/** So many decisions of each pool, under load, as the admin API tells them: one a line, one text a pool. */
async function captured(fermat: Fermat, atLeast: number, pools = ['main'], paths = ['/']): Promise<string[]> {
  const countOf = (pool: string) => fermat.metric('fermat_regret_seconds_count', `pool="${pool}"`, 'kind="predicted"');
  let isEnough = false;
  const loading = load(fermat, 12, paths, () => isEnough);
  await until(
    async () => (await Promise.all(pools.map(countOf))).every((count) => count >= atLeast),
    `${atLeast} decisions`,
    60_000,
    200,
  ).finally(() => {
    isEnough = true;
  });
  await loading;
  const path = '/api/v1/decisions?format=jsonl&limit=1024&pool=';
  return Promise.all(pools.map(async (pool) => (await fermat.admin(`${path}${pool}`)).text));
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

function file(text: string): string {
  const path = join(tmpdir(), `fermat-decisions-${process.pid}-${files.length}.jsonl`);
  writeFileSync(path, text);
  files.push(path);
  return path;
}

describe('decisions of two workers under load', () => {
  it('are a thousand complete records, and replay reproduces every one', async () => {
    const pool = { balance: { explorePercent: 20, bandMs: 3 } }; // explorations are written down on top of the rest
    await using fermat = await startFermat(simpleConfig(urls, pool, { workers: 2 }));
    const [lines] = (await captured(fermat, 1000)) as [string];
    const records = linesOf(lines).map((line) => JSON.parse(line) as DecisionRecord);
    expect(records.length).toBeGreaterThanOrEqual(1000);
    expect(new Set(records.map(({ replay }) => replay.lane)).size).toBe(2);
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    const dates = records.map(({ at }) => at);
    expect(dates, 'oldest first, of both workers').toEqual(dates.toSorted());
    for (const { candidates, drawn, endpoint, propensity, regretMs } of records) {
      expect(candidates.map(({ id }) => id).sort()).toEqual(['e0', 'e1', 'e2', 'e3']);
      expect(drawn).toContain(endpoint);
      expect(propensity).toBeGreaterThan(0);
      expect(regretMs).toBeGreaterThanOrEqual(0);
    }
    const answered = records.filter(({ outcome }) => outcome === 'ok');
    expect(answered.length / records.length).toBeGreaterThan(0.95);
    for (const { bytes } of answered) expect(bytes).toBe(100);
    // A worker that stood still meanwhile would have measured itself: then, and only then, no time is told.
    for (const { firstByteMs, stalledMs } of answered) {
      expect(stalledMs! > 0 ? firstByteMs === null : firstByteMs! > 0).toBe(true);
    }
    expect(answered.some(({ stalledMs }) => stalledMs === 0)).toBe(true);

    const path = file(lines);
    const again = await runFermat(['replay', path]);
    expect(again.stdout).toContain(`${records.length} of ${records.length} reproduced`);
    expect(again.code).toBe(0);

    const other = await runFermat(['replay', path, '--config', fermat.file, '--drain', 'e0', '--json']);
    const result = JSON.parse(other.stdout);
    expect(other.code).toBe(0);
    expect(result.shares.find(({ endpoint }: { endpoint: string }) => endpoint === 'e0').after).toBe(0);
    expect(result.meanMs.after).toBeGreaterThan(0);

    const tampered = file(`${lines}{"half": \n`);
    const bad = await runFermat(['replay', tampered]);
    expect([bad.code, bad.stderr]).toEqual([1, `${tampered}:${records.length + 1}: not JSON\n`]);

    const verb = await runFermat(['decisions', '--admin', `127.0.0.1:${fermat.adminPort}`, '--limit', '5']);
    expect(verb.stdout.trim().split('\n')).toHaveLength(5);
    expect(await fermat.metric('fermat_regret_seconds_count', 'kind="predicted"')).toBeGreaterThan(500);
  }, 90_000);

  describe('by every policy', () => {
    const POLICIES = [
      ['random-two', {}],
      ['round-robin', {}],
      ['weighted', {}],
      ['least-request', {}],
      ['nearest', {}],
      ['peak-ewma', {}],
      ['hash', { hashOn: 'header:X-Key' }],
      ['fastest', { hashOn: 'header:X-Key', bandMs: 20 }],
    ] as const;
    const names = POLICIES.map(([policy]) => policy);
    let texts: string[];

    beforeAll(async () => {
      const pools = POLICIES.map(([policy, more]) => {
        return [policy, poolOf(urls, { balance: { policy, ...more } }, `${policy}-`)];
      });
      const routes = names.map((pool) => ({ pool, path: `/${pool}/` }));
      await using fermat = await startFermat({ pools: Object.fromEntries(pools), routes, workers: 2 });
      texts = await captured(
        fermat,
        40,
        names,
        names.map((name) => `/${name}/`),
      );
    }, 90_000);

    it.each(POLICIES)('(%s %j) are reproduced too', async (policy) => {
      const text = texts[names.indexOf(policy)]!;
      const again = await runFermat(['replay', file(text)]);
      const count = linesOf(text).length;
      expect(count).toBeGreaterThanOrEqual(40);
      expect(new Set(linesOf(text).map((line) => (JSON.parse(line) as DecisionRecord).policy))).toEqual(
        new Set([policy]),
      );
      expect(again.stdout).toContain(`${count} of ${count} reproduced`);
    });
  });

  it('of a route with residency name nobody outside', async () => {
    const pools = {
      main: {
        endpoints: urls.map((url, i) => ({ url, id: `e${i}`, region: i < 2 ? 'aws:us-east-1' : 'aws:eu-central-1' })),
        probe: { type: 'tcp', interval: '1h' },
      },
    };
    await using fermat = await startFermat({ pools, routes: [{ pool: 'main', residency: ['DE'] }] });
    const [lines] = (await captured(fermat, 20)) as [string];
    for (const line of linesOf(lines)) {
      const { residency, candidates, endpoint } = JSON.parse(line) as DecisionRecord;
      expect(residency).toEqual(['DE']);
      expect(candidates.map(({ id }) => id).sort()).toEqual(['e2', 'e3']);
      expect(['e2', 'e3']).toContain(endpoint);
    }
    for (const limit of ['0', '1025', '', '1e2', '0x10', '%201', '1.5', '-1']) {
      expect((await fermat.admin(`/api/v1/decisions?limit=${limit}`)).status, limit).toBe(400);
    }
    expect((await fermat.admin('/api/v1/decisions?format=xml')).status).toBe(400);
  }, 60_000);
});
