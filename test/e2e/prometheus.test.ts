// A real Prometheus scrapes a real node with everything on: what the dashboard, the rules and the documentation ask of it is
// answered, and every metric there is has the name, type and labels that docs/metrics.md gives it.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dashboard } from '../../deploy/grafana/build.ts';
import { type EveryFeature, startEveryFeature } from '../support/every-feature.ts';
import { familiesOf } from '../support/exposition.ts';
import { documented, queries, ROOT } from '../support/metrics-page.ts';
import { complaintsOf, filledIn, type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { delay, until } from '../support/until.ts';

const RULES = join(ROOT, 'deploy/prometheus/rules.yml');
const SCRAPES = 6;
/** A rate needs two scrapes after something has happened, and a busy machine its time. */
const PATIENCE_MS = 15_000;
/** What Grafana makes of its variables where everything is chosen. */
const ALL = { job: '.*', instance: '.*', pool: '.*', route: '.*', __rate_interval: '15s', __range: '5m' };
/** Queries that have no answer here, and why. */
const SILENT: readonly (readonly [part: string, why: string])[] = [
  ['fermat_compression_misses_total', 'no compressor was too busy, or broke'],
  ['fermat_metrics_overflow_total', 'there is room for all series'],
  ['fermat_locality_loaded{job=~".*",instance=~".*"} == 0', 'the directory is loaded'],
];

let rig: EveryFeature;
let prometheus: Prometheus;
let isOver = false;
let traffic: Promise<void>;

beforeAll(async () => {
  rig = await startEveryFeature();
  prometheus = await startPrometheus({ targets: [`127.0.0.1:${rig.fermat.adminPort}`], rules: [RULES] });
  traffic = (async () => {
    while (!isOver) await rig.traffic();
  })();
  traffic.catch(() => {});
  await until(async () => {
    const [scrapes] = await prometheus.query('count_over_time(up{job="fermat"}[1m])');
    return (scrapes?.value ?? 0) >= SCRAPES;
  }, `${SCRAPES} scrapes`);
  const asked = 'sum(increase(fermat_requests_total{route="web"}[15s])) > 5';
  await until(async () => (await prometheus.query(asked)).length > 0, 'requests in the series');
}, 120_000);
afterAll(async () => {
  isOver = true;
  await traffic?.catch(() => {});
  await prometheus?.[Symbol.asyncDispose]();
  await rig?.[Symbol.asyncDispose]();
});

/** Queries that have no answer in the end, of those that should have one; what Prometheus does not understand throws. */
async function unanswered(exprs: readonly string[]): Promise<string[]> {
  const untilMs = performance.now() + PATIENCE_MS;
  let left = [...new Set(exprs)].filter((expr) => !SILENT.some(([part]) => expr.includes(part)));
  for (;;) {
    const silent: string[] = [];
    for (const expr of left) if ((await prometheus.query(expr)).length === 0) silent.push(expr);
    left = silent;
    if (left.length === 0 || performance.now() > untilMs) return left;
    await delay(250);
  }
}

interface Target {
  readonly expr: string;
}
const board = dashboard() as {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly Target[] }[];
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
};
const panelExprs = board.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

describe('a Prometheus that scrapes a node', () => {
  it('finds it up, takes OpenMetrics without a complaint, and keeps labels as they are', async () => {
    const target = await until(
      async () => (await prometheus.targets()).find(({ health }) => health === 'up'),
      'the target',
    );
    expect(target).toMatchObject({ lastError: '', labels: { job: 'fermat' } });
    expect(prometheus.complaints).toEqual([]);
    const [info] = await prometheus.query('fermat_endpoint_healthy{endpoint="web-0"}');
    expect(Object.keys(info!.metric).sort()).toEqual(['__name__', 'endpoint', 'instance', 'job', 'pool']);
    const [added] = await prometheus.query('scrape_samples_post_metric_relabeling{job="fermat"}');
    expect(added!.value).toBeGreaterThan(500);
    expect((await prometheus.query('avg_over_time(up{job="fermat"}[1m])'))[0]!.value).toBeGreaterThan(0.5);
  });

  it('answers every query of the dashboard', async () => {
    expect(panelExprs.length).toBeGreaterThan(60);
    const asked = panelExprs.map((expr) => filledIn(expr, ALL));
    for (const expr of asked) await prometheus.query(expr);
    expect(await unanswered(asked)).toEqual([]);
  });

  it('answers them when nodes, pools and routes are chosen by name, as Grafana writes that', async () => {
    const instance = `(127\\\\.0\\\\.0\\\\.1:${rig.fermat.adminPort}|other\\\\.test:9901)`;
    const chosen = { ...ALL, job: 'fermat', instance, pool: '(web|flaky)', route: '(web|flaky/)' };
    for (const expr of panelExprs) await prometheus.query(filledIn(expr, chosen));
    const shown = panelExprs.find((expr) => expr.includes('sum by (region)'))!;
    const regions = (await prometheus.query(filledIn(shown, chosen))).map(({ metric }) => metric.region);
    expect(regions).toEqual(expect.arrayContaining(['aws:eu-central-1', 'unknown']));
    const none = { ...chosen, pool: 'nowhere', route: 'nowhere' };
    expect(await prometheus.query(filledIn(shown, none))).toEqual([]);
  });

  it('answers what the annotations and the variables of the dashboard ask', async () => {
    const annotations = board.annotations.list.flatMap(({ expr }) => (expr === undefined ? [] : [expr]));
    for (const expr of annotations) await prometheus.query(filledIn(expr, ALL));
    for (const { definition } of board.templating.list) {
      if (definition === undefined) continue;
      const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(definition)!;
      const samples = await prometheus.query(`count by (${label}) (${filledIn(selector!, ALL)})`);
      expect(samples.length, definition).toBeGreaterThan(0);
    }
  });

  it('evaluates every rule without an error, and the recorded series are there', async () => {
    const rules = await until(async () => {
      const all = await prometheus.rules();
      return all.every(({ health }) => health !== 'unknown') && all;
    }, 'every rule to be evaluated');
    expect(rules.length).toBeGreaterThan(25);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    const recorded = rules.filter(({ type }) => type === 'recording').map(({ name }) => name);
    expect(await unanswered(recorded)).toEqual([]);
    const down = rules.find(({ name }) => name === 'FermatPoolDown')!;
    expect(down.state).not.toBe('inactive'); // pool `down` is
    const calm = [
      'FermatScrapeMissing',
      'FermatNoNodes',
      'FermatRedisAway',
      'FermatSamplesLost',
      'FermatWorkerRestarted',
    ];
    for (const name of calm) expect(rules.find((rule) => rule.name === name)!.state, name).toBe('inactive');
  });

  it('answers every query of docs/metrics.md', async () => {
    const asked = queries();
    expect(asked.length).toBeGreaterThan(10);
    expect(await unanswered(asked)).toEqual([]);
  });

  it.each([
    ['fermat_request_duration_seconds_bucket', ['route']],
    ['fermat_upstream_first_byte_seconds_bucket', ['pool', 'endpoint']],
  ])('has exemplars of %s, which are traces', async (name, labels) => {
    const found = await until(async () => {
      const all = await prometheus.exemplars(name);
      return all.length > 0 && all;
    }, 'exemplars');
    for (const { seriesLabels, exemplars } of found) {
      for (const label of labels) expect(seriesLabels[label]).toBeTruthy();
      for (const exemplar of exemplars) {
        expect(exemplar.labels.trace_id).toMatch(/^[0-9a-f]{32}$/);
        expect(exemplar.labels.span_id).toMatch(/^[0-9a-f]{16}$/);
        expect(Number(exemplar.value)).toBeGreaterThan(0);
      }
    }
  });
});

describe('the exposition of a node with everything on', () => {
  it('has the metrics of docs/metrics.md, with their types, labels and help texts, and no others', async () => {
    const exposed = familiesOf((await rig.fermat.admin('/metrics')).text).filter(({ name }) =>
      name.startsWith('fermat_'),
    );
    const rows = documented();
    expect(exposed.map(({ name }) => name).sort()).toEqual(rows.map(({ name }) => name).sort());
    for (const { name, type, help, labels } of exposed) {
      const row = rows.find((it) => it.name === name)!;
      expect({ name, type, help }).toEqual({ name, type: row.type, help: row.help });
      for (const names of labels) expect(names, name).toEqual(row.labels);
    }
    const without = exposed.filter(({ labels }) => labels.length === 0).map(({ name }) => name);
    expect(without.filter((name) => !SILENT.some(([part]) => part === name))).toEqual([]);
  });

  it('gives promtool nothing to complain of, and names no path, client or address', async () => {
    const { text } = await rig.fermat.admin('/metrics');
    expect(complaintsOf(text)).toBe('');
    const values = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].filter(([, label]) => label !== 'source');
    expect(values.filter(([, , value]) => /\d+\.\d+\.\d+\.\d+|\/late|acme|site\.test:/.test(value!))).toEqual([]);
  });

  it('still has every name that was promised, with its labels', () => {
    const rows = documented();
    for (const [name, labels] of Object.entries(PROMISED)) {
      const row = rows.find((it) => it.name === name);
      expect(row?.labels, name).toEqual(labels);
    }
  });
});

const PER_ENDPOINT = ['pool', 'endpoint'];
/** What users were promised first. More may come, none may go. */
const PROMISED: Readonly<Record<string, readonly string[]>> = {
  fermat_requests_total: ['route', 'endpoint', 'method', 'code'],
  fermat_request_duration_seconds: ['route'],
  fermat_overhead_seconds: [],
  fermat_upstream_first_byte_seconds: PER_ENDPOINT,
  fermat_upstream_connect_seconds: ['endpoint'],
  fermat_endpoint_healthy: PER_ENDPOINT,
  fermat_endpoint_network_rtt_seconds: PER_ENDPOINT,
  fermat_endpoint_score_seconds: PER_ENDPOINT,
  fermat_endpoint_inflight: PER_ENDPOINT,
  fermat_endpoint_state_changes_total: ['endpoint', 'to', 'reason'],
  fermat_probes_total: ['endpoint', 'result'],
  fermat_selections_total: ['pool', 'endpoint', 'role'],
  fermat_route_switches_total: ['pool', 'reason'],
  fermat_retries_total: ['pool', 'result'],
  fermat_hedges_total: ['pool', 'result'],
  fermat_connections: ['listener'],
  fermat_geoip_lookups_total: ['result'],
  fermat_geoip_database_build_timestamp_seconds: [],
  fermat_config_reloads_total: ['result'],
  fermat_config_last_reload_successful: [],
  fermat_worker_restarts_total: [],
  fermat_build_info: ['version', 'node'],
};
