// What the process knows and measures by: databases of places that are missing or broken, a wall clock that jumps, an event loop
// that stands still.

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { nowMs, startLoad } from '../load.ts';
import { type FaultRig, pause, startRig } from '../rig.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/geoip');
const CITY = join(FIXTURES, 'GeoLite2-City-Test.mmdb');
const COUNTRY = join(FIXTURES, 'GeoLite2-Country-Test.mmdb');
const CLOCK = pathToFileURL(join(import.meta.dirname, '../wall-clock.ts')).href;
const HOUR_MS = 3_600_000;
const RATE = 200;
const STALL_MS = 300;

const has = (rig: FaultRig, type: string) => rig.fermat.events.some((event) => event.type === type);

async function noDatabase({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ config: { geoip: { databases: ['/nowhere/city.mmdb'] } } });
  await using load = await startLoad(rig.port, RATE);
  await pause(isQuick ? 500 : 3000);
  const all = await load.end();
  return [
    firm('told as a warning', Number(has(rig, 'geoip.missing')), { atLeast: 1 }),
    firm('requests', all.requests),
    firm('lost', all.lost(), { atMost: 0 }),
  ];
}

async function badDatabase({ isQuick, say }: How): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'fermat-geoip-'));
  const path = join(directory, 'city.mmdb');
  try {
    copyFileSync(CITY, path);
    await using rig = await startRig({ config: { geoip: { databases: [path] } } });
    await using load = await startLoad(rig.port, RATE);
    await pause(1000);
    const built = () => rig.fermat.metric('fermat_geoip_database_build_timestamp_seconds');
    const before = await built();
    const whole = readFileSync(CITY);
    const broken: [string, Buffer][] = [
      ['truncated', whole.subarray(0, whole.length >> 1)],
      ['corrupt', Buffer.alloc(20_000, 'x')],
      ['empty', Buffer.alloc(0)],
    ];
    let refused = 0;
    for (const [name, bytes] of broken) {
      say(name);
      const seen = rig.fermat.events.filter(({ type }) => type === 'geoip.refused').length;
      writeFileSync(path, bytes);
      const wasTold = () => rig.fermat.events.filter(({ type }) => type === 'geoip.refused').length > seen;
      await until(wasTold, `the refusal of a ${name} one`, 30_000).then(
        () => refused++,
        () => {},
      );
    }
    const kept = (await built()) === before;
    copyFileSync(COUNTRY, path);
    await until(() => has(rig, 'geoip.replaced'), 'the new database', 30_000);
    await pause(isQuick ? 200 : 1000);
    const all = await load.end();
    return [
      firm('broken files', broken.length),
      firm('refused', refused, { atLeast: broken.length }),
      firm('the old one kept', Number(kept), { atLeast: 1 }),
      firm('a good one taken', Number(has(rig, 'geoip.replaced')), { atLeast: 1 }),
      firm('lost', all.lost(), { atMost: 0 }),
      timed('longest request meanwhile', all.maxMs, 'ms'),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Timed {
  readonly healthy: boolean;
  readonly networkMs: number | null;
  readonly serverMs: number | null;
  readonly lastProbe: { readonly at: string } | null;
}

async function clockJumps({ isQuick }: How): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'fermat-clock-'));
  const file = join(directory, 'offset');
  writeFileSync(file, '0');
  try {
    await using rig = await startRig({
      start: { env: { NODE_OPTIONS: `--import=${CLOCK}`, FAULTS_CLOCK_FILE: file } },
      pool: { probe: { interval: '500ms' } },
    });
    await using load = await startLoad(rig.port, RATE);
    await pause(isQuick ? 1000 : 3000);
    const startMs = nowMs();
    let negative = 0;
    let unhealthy = 0;
    let followed = 0;
    for (const offsetMs of [HOUR_MS, -HOUR_MS, 0]) {
      writeFileSync(file, String(offsetMs));
      await pause(isQuick ? 1500 : 4000);
      const views = await rig.fermat.json<Timed[]>('/api/v1/endpoints');
      negative += views.filter(({ networkMs, serverMs }) => (networkMs ?? 0) < 0 || (serverMs ?? 0) < 0).length;
      unhealthy += views.filter(({ healthy }) => !healthy).length;
      const at = Date.parse(views[0]!.lastProbe!.at);
      if (Math.abs(at - Date.now() - offsetMs) < 60_000) followed++;
    }
    const all = await load.end();
    const before = all.between(0, startMs);
    const changes = await rig.fermat.metric('fermat_endpoint_state_changes_total');
    return [
      firm('jumps that dates followed', followed),
      firm('lost', all.lost(), { atMost: 0 }),
      firm('endpoints taken out', unhealthy, { atMost: 0 }),
      firm('changes of state beyond the first', changes - rig.origins.length, { atMost: 0 }),
      firm('negative times', negative, { atMost: 0 }),
      timed('p99 before', before.quantileMs(0.99), 'ms'),
      timed('p99 meanwhile', all.between(startMs).quantileMs(0.99), 'ms', {
        atMost: 1.5 * before.quantileMs(0.99) + 5,
      }),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function stalls({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ pool: { probe: { interval: '500ms' } } });
  await using load = await startLoad(rig.port, RATE);
  await pause(isQuick ? 1500 : 4000);
  const measure = async () => {
    const views = await rig.fermat.json<Timed[]>('/api/v1/endpoints');
    return Math.max(...views.map(({ networkMs, serverMs }) => (networkMs ?? 0) + (serverMs ?? 0)));
  };
  const beforeMs = await measure();
  const n = isQuick ? 3 : 10;
  for (let i = 0; i < n; i++) {
    rig.fermat.child.kill('SIGSTOP');
    await pause(STALL_MS);
    rig.fermat.child.kill('SIGCONT');
    await pause(500);
  }
  const afterMs = await measure();
  const views = await rig.views();
  const changes = await rig.fermat.metric('fermat_endpoint_state_changes_total');
  const all = await load.end();
  return [
    firm('stalls', n),
    firm('endpoints taken out', views.filter(({ healthy }) => !healthy).length, { atMost: 0 }),
    firm('changes of state beyond the first', changes - rig.origins.length, { atMost: 0 }),
    firm('lost', all.lost(), { atMost: 0 }),
    timed('network + server time before', beforeMs, 'ms'),
    timed('… after', afterMs, 'ms', { atMost: 2 * beforeMs + 10 }),
  ];
}

export const STATE: readonly FaultCase[] = [
  {
    table: 'dependency',
    fault: 'GeoIP DB missing',
    injected: 'geoip.databases names a file that is not there',
    expected: 'starts with a warning, scores by RTT alone: 0 lost',
    isShort: true,
    run: noDatabase,
  },
  {
    table: 'dependency',
    fault: 'GeoIP DB corrupt / truncated / replaced live',
    injected: 'the file becomes half of itself, text, empty, then another database, under 200 requests/s',
    expected: 'tried off the hot path; the old one is kept and it is told; a good one is taken; 0 lost',
    isShort: false,
    run: badDatabase,
  },
  {
    table: 'dependency',
    fault: 'clock jump ±1 h',
    injected: 'the wall clock of every thread jumps 1 h ahead, 2 h back, and to the truth, under 200 requests/s',
    expected: 'no timer fires, nobody is ejected, no negative time, 0 lost',
    isShort: false,
    run: clockJumps,
  },
  {
    table: 'dependency',
    fault: 'event loop stall (200 ms)',
    injected: 'every thread stands still for 300 ms (SIGSTOP), ten times, under 200 requests/s',
    expected: 'nobody is ejected, measured times stay what they were, 0 lost',
    isShort: false,
    run: stalls,
  },
];
