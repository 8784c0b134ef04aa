// The dashboard as Grafana will read it: no Grafana is here, so its form is held to account strictly. That Prometheus answers its
// queries is e2e/prometheus.test.ts's.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { dashboardText } from '../../deploy/grafana/build.ts';
import { DATASOURCE } from '../../deploy/grafana/source/panel.ts';
import { documented } from '../support/metrics-page.ts';
import { filledIn } from '../support/prometheus.ts';

const FILE = new URL('../../deploy/grafana/fermat.json', import.meta.url);
const text = readFileSync(FILE, 'utf8');

/** Ids of Grafana 10 and 11 (packages/grafana-data/src/valueFormats/categories.ts). */
const UNITS = [
  'short',
  'none',
  's',
  'bytes',
  'Bps',
  'percentunit',
  'reqps',
  'ops',
  'cps',
  'dtdurations',
  'dateTimeFromNow',
];
const TYPES = ['stat', 'timeseries', 'state-timeline', 'table', 'bargauge'];
const COLORS = ['green', 'yellow', 'orange', 'red', 'blue', 'text'];

const datasource = z.strictObject({ type: z.literal('prometheus'), uid: z.literal(DATASOURCE.uid) });
const gridPos = z.strictObject({
  h: z.int().min(1),
  w: z.int().min(1).max(24),
  x: z.int().min(0).max(23),
  y: z.int().min(0),
});
const target = z.strictObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource,
  editorMode: z.literal('code'),
  expr: z.string().min(1),
  legendFormat: z.string().min(1),
  exemplar: z.boolean(),
  instant: z.boolean(),
  range: z.boolean(),
  format: z.literal('table').optional(),
});
const step = z.strictObject({ color: z.enum(COLORS), value: z.number().nullable() });
const fieldConfig = z.strictObject({
  defaults: z.strictObject({
    color: z.strictObject({ mode: z.enum(['palette-classic', 'thresholds']) }),
    custom: z.record(z.string(), z.unknown()),
    mappings: z.array(z.unknown()),
    min: z.number(),
    max: z.number().optional(),
    thresholds: z.strictObject({ mode: z.literal('absolute'), steps: z.array(step).min(1) }),
    unit: z.enum(UNITS),
  }),
  overrides: z.array(
    z.strictObject({
      matcher: z.strictObject({ id: z.literal('byName'), options: z.string() }),
      properties: z.array(z.strictObject({ id: z.literal('unit'), value: z.enum(UNITS) })),
    }),
  ),
});
const row = z.strictObject({
  id: z.int().positive(),
  type: z.literal('row'),
  title: z.string().min(1),
  collapsed: z.literal(false),
  gridPos: gridPos.refine(({ h, w, x }) => h === 1 && w === 24 && x === 0, 'a row is one line of 24'),
  panels: z.array(z.never()),
});
const panel = z.strictObject({
  id: z.int().positive(),
  type: z.enum(TYPES),
  title: z.string().min(1),
  description: z.string().min(10),
  datasource,
  fieldConfig,
  gridPos,
  options: z.record(z.string(), z.unknown()),
  targets: z.array(target).min(1),
  transformations: z
    .array(z.strictObject({ id: z.enum(['merge', 'organize']), options: z.record(z.string(), z.unknown()) }))
    .optional(),
});
const variable = z.strictObject({
  name: z.string(),
  label: z.string().min(1),
  type: z.enum(['datasource', 'query']),
  query: z.union([z.literal('prometheus'), z.strictObject({ query: z.string(), refId: z.string() })]),
  definition: z.string().optional(),
  datasource: datasource.optional(),
  refresh: z.int(),
  regex: z.literal(''),
  sort: z.int().optional(),
  multi: z.boolean(),
  includeAll: z.boolean(),
  allValue: z.literal('.*').optional(),
  current: z.record(z.string(), z.unknown()),
  hide: z.literal(0),
  options: z.array(z.never()),
  skipUrlSync: z.literal(false),
});
const board = z.looseObject({
  uid: z.string().regex(/^[a-z0-9-]{1,40}$/),
  title: z.string(),
  schemaVersion: z.int().min(39),
  annotations: z.strictObject({ list: z.array(z.looseObject({ name: z.string(), expr: z.string().optional() })) }),
  templating: z.strictObject({ list: z.array(variable) }),
  panels: z.array(z.union([row, panel])),
});

const parsed = board.parse(JSON.parse(text));
const panels = parsed.panels.flatMap((it) => (it.type === 'row' ? [] : [it as z.infer<typeof panel>]));
const exprs = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

describe('deploy/grafana/fermat.json', () => {
  it('is what deploy/grafana/build.ts makes', () => {
    expect(text, 'run node deploy/grafana/build.ts').toBe(dashboardText());
  });

  it('has ids and titles that are there once, and begins with a row', () => {
    const ids = parsed.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const titles = panels.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
    expect(parsed.panels[0]!.type).toBe('row');
    for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    // Grafana makes up an id where there is one already: none is given.
    expect(parsed.id).toBeUndefined();
  });

  it('has no two panels in one place, and none beyond the edge', () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos: at } of parsed.panels) {
      expect(at.x + at.w, title).toBeLessThanOrEqual(24);
      for (let x = at.x; x < at.x + at.w; x++) {
        for (let y = at.y; y < at.y + at.h; y++) {
          expect(taken.get(`${x} ${y}`), `${title} at ${x} ${y}`).toBeUndefined();
          taken.set(`${x} ${y}`, title);
        }
      }
    }
  });

  it('has thresholds that rise from the beginning on', () => {
    for (const { title, fieldConfig: field } of panels) {
      const [first, ...rest] = field.defaults.thresholds.steps.map(({ value }) => value);
      expect(first, title).toBeNull();
      expect(rest, title).toEqual([...rest].sort((a, b) => a! - b!));
    }
  });

  it('uses every variable that it has, and no other', () => {
    const names = parsed.templating.list.map(({ name }) => name);
    expect(names).toEqual(['datasource', 'job', 'instance', 'pool', 'route']);
    for (const name of names)
      expect(text.split(`$${name}`).length + text.split(`\${${name}}`).length, name).toBeGreaterThan(3);
    const own = { __rate_interval: '1m', __range: '1h', __interval: '15s' };
    const known = { ...Object.fromEntries(names.map((name) => [name, 'x'])), ...own };
    const asked = [...exprs, ...parsed.annotations.list.flatMap(({ expr }) => expr ?? [])];
    for (const expr of asked) expect(filledIn(expr, known)).not.toContain('$');
    for (const { definition } of parsed.templating.list) filledIn(definition ?? '', known);
  });

  it('asks only for metrics that there are, and for all that people chart, on the nodes that are chosen', () => {
    const names = new Set(documented().map(({ name }) => name));
    const asked = new Set<string>();
    for (const expr of exprs) {
      for (const [, name] of expr.matchAll(/\b(fermat_\w+?)(?:_bucket|_sum|_count)?\b(?=[{[])/g)) asked.add(name!);
      expect(expr).toMatch(/job=~"\$job",instance=~"\$instance"/);
    }
    expect([...asked].filter((name) => !names.has(name))).toEqual([]);
    const uncharted = [...names].filter((name) => !asked.has(name));
    expect(uncharted.sort()).toEqual([
      'fermat_access_log_lines_total',
      'fermat_locality_memory_bytes',
      'fermat_locality_version',
    ]);
  });

  it('asks for exemplars where there are any', () => {
    const dotted = panels.filter(({ targets }) => targets.some(({ exemplar }) => exemplar));
    expect(dotted.map(({ title }) => title)).toEqual([
      'Time of requests',
      'p50, p95, p99 by route',
      'Time to first byte (p99)',
    ]);
    for (const { targets } of dotted) {
      for (const { expr } of targets)
        expect(expr).toMatch(/fermat_(request_duration|upstream_first_byte)_seconds_bucket/);
    }
  });
});
