// GeoIP databases of a running node: what explain shows of a client, starts without a usable file, and files that are
// replaced by good and bad ones while requests go on.

import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/geoip');
const CITY = join(FIXTURES, 'GeoLite2-City-Test.mmdb');
const COUNTRY = join(FIXTURES, 'GeoLite2-Country-Test.mmdb');
const BROKEN_DOUBLE = join(FIXTURES, 'GeoIP2-City-Test-Broken-Double-Format.mmdb');
const INVALID_NODES = join(FIXTURES, 'GeoIP2-City-Test-Invalid-Node-Count.mmdb');
/** In the City and the Country file. */
const LONDON = '81.2.69.160';

let origin: Origin;
let scratch: string;
let made = 0;
beforeAll(async () => {
  origin = await startOrigin();
  scratch = mkdtempSync(join(tmpdir(), 'fermat-geoip-live-'));
});
afterAll(async () => {
  await origin?.refuse();
  rmSync(scratch, { recursive: true, force: true });
});

/** A path for a database; with a copy of `from` there, if given. */
function place(from?: string): string {
  const path = join(scratch, `${made++}.mmdb`);
  if (from !== undefined) copyFileSync(from, path);
  return path;
}

const run = (...databases: string[]): Promise<Fermat> =>
  startFermat(simpleConfig([origin.url], {}, { geoip: { databases }, trustedProxies: ['127.0.0.1'] }));

interface Cohort {
  readonly key: string;
  readonly country: string | null;
  readonly city: string | null;
  readonly lat: number | null;
}

async function cohortOf(fermat: Fermat, client: string): Promise<Cohort> {
  return (await fermat.json<{ cohort: Cohort }>(`/api/v1/explain?client=${client}&path=/`)).cohort;
}

/** The event log's lines about databases, as `type`s. */
const told = (fermat: Fermat, type: string): string[] =>
  fermat.events.filter((event) => event.type === type).map(({ message }) => String(message));

async function answers(fermat: Fermat, client = LONDON): Promise<number> {
  return (await exchange(fermat.port, get('/', `X-Forwarded-For: ${client}\r\n`))).status;
}

describe('a good database', () => {
  it('shows in explain, in the metrics and in the node, and its absence of an address is no error', async () => {
    await using fermat = await run(place(CITY));
    expect(await cohortOf(fermat, LONDON)).toMatchObject({
      country: 'GB',
      city: 'London',
      lat: expect.closeTo(51.5, 0),
    });
    expect(await cohortOf(fermat, '2.125.160.216')).toMatchObject({ country: 'GB' });
    expect(await cohortOf(fermat, `::ffff:${LONDON}`)).toMatchObject({ country: 'GB', city: 'London' });
    expect(await cohortOf(fermat, '127.0.0.1')).toMatchObject({ country: null, city: null });
    expect(told(fermat, 'geoip.missing')).toEqual([]);
    expect(await fermat.metric('fermat_geoip_database_build_timestamp_seconds')).toBeGreaterThan(1.5e9);
    for (let i = 0; i < 3; i++) expect(await answers(fermat)).toBe(200);
    await until(async () => (await fermat.metric('fermat_geoip_lookups_total', 'result="hit"')) === 1, 'a hit');
    expect(await fermat.metric('fermat_geoip_lookups_total', 'result="cached"')).toBeGreaterThan(0);
  });
});

describe('a start', () => {
  const MAKE: Record<string, () => string> = {
    missing: () => place(),
    empty: () => {
      const path = place();
      writeFileSync(path, '');
      return path;
    },
    truncated: () => {
      const path = place(CITY);
      truncateSync(path, 9000);
      return path;
    },
    'of broken doubles': () => place(BROKEN_DOUBLE),
    'of a wrong node count': () => place(INVALID_NODES),
  };

  it('with files of which none can be used serves all the same, with one warning for each that names it', async () => {
    const paths = Object.values(MAKE).map((make) => make());
    await using fermat = await run(...paths);
    expect(await answers(fermat)).toBe(200);
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ key: 'edge', country: null, city: null });
    const warnings = fermat.events.filter(({ level }) => level === 'warn').map(({ message }) => String(message));
    expect(paths.map((path) => warnings.filter((warning) => warning.includes(path)).length)).toEqual([1, 1, 1, 1, 1]);
    expect(fermat.stderr).not.toMatch(/^\s+at /m);
  });

  it('with one good file among broken ones uses the good one', async () => {
    await using fermat = await run(place(), place(CITY), place(BROKEN_DOUBLE));
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ key: 'edge', country: 'GB', city: 'London' });
    expect(told(fermat, 'geoip.missing')).toHaveLength(2);
  });
});

// Side by side: most of their time is waiting for the next look at the file.
describe.concurrent('a file that is replaced', () => {
  it('by a good one gives new answers, in explain and on the request path', async () => {
    const path = place();
    await using fermat = await run(path);
    expect(await answers(fermat)).toBe(200);
    expect(await fermat.metric('fermat_geoip_lookups_total', 'result="hit"')).toBe(0);
    renameSync(place(COUNTRY), path);
    await until(() => told(fermat, 'geoip.replaced').length === 1, 'the database', 10_000);
    expect(told(fermat, 'geoip.replaced')[0]).toContain(path);
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ country: 'GB', city: null });
    await until(async () => {
      expect(await answers(fermat)).toBe(200);
      return (await fermat.metric('fermat_geoip_lookups_total', 'result="hit"')) > 0;
    }, 'a hit in a worker');
  });

  it('by a broken one changes nothing, and an event says so', async () => {
    const path = place(CITY);
    await using fermat = await run(path);
    expect(await answers(fermat)).toBe(200);
    renameSync(place(BROKEN_DOUBLE), path);
    await until(() => told(fermat, 'geoip.refused').length === 1, 'the refusal', 10_000);
    expect(told(fermat, 'geoip.refused')[0]).toContain(path);
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ country: 'GB', city: 'London' });
    expect(await answers(fermat, '2.125.160.216')).toBe(200);
    await until(async () => (await fermat.metric('fermat_geoip_lookups_total', 'result="hit"')) === 2, 'both hits');
  });

  it('while it is still being written is left alone until it is whole, and its build date is told then', async () => {
    const path = place(COUNTRY);
    await using fermat = await run(path);
    const built = (): Promise<number> => fermat.metric('fermat_geoip_database_build_timestamp_seconds');
    const before = await built();
    const bytes = readFileSync(CITY);
    // A field name, two bytes that say `unsigned, four bytes long`, and the date itself.
    bytes.writeUInt32BE(1_600_000_000, bytes.lastIndexOf('build_epoch') + 'build_epoch'.length + 2);
    writeFileSync(path, bytes.subarray(0, 9000)); // in place, as a careless copy does
    await until(() => told(fermat, 'geoip.refused').length === 1, 'the refusal', 10_000);
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ country: 'GB', city: null });
    expect(await built()).toBe(before);
    writeFileSync(path, bytes);
    await until(() => told(fermat, 'geoip.replaced').length === 1, 'the database', 10_000);
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ city: 'London' });
    expect(await built()).toBe(1_600_000_000);
  });

  it('by another list of files in the configuration is taken over by a reload', async () => {
    await using fermat = await run(place(COUNTRY));
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ city: null });
    fermat.writeConfig(simpleConfig([origin.url], {}, { geoip: { databases: [place(CITY)] } }));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    expect(await cohortOf(fermat, LONDON)).toMatchObject({ city: 'London' });
    expect(await answers(fermat)).toBe(200);
  });
});
