// What a dashboard of Grafana is made of, as much as ours needs: panels with queries, laid out in rows of 24 columns. Schema of
// Grafana 10 and 11 (schemaVersion 39). Which panels there are is rows-*.ts's.

/** Ids of Grafana's units that are used. */
export type Unit =
  | 'short'
  | 'none'
  | 's'
  | 'bytes'
  | 'Bps'
  | 'percentunit'
  | 'reqps'
  | 'ops'
  | 'cps'
  | 'dtdurations'
  | 'dateTimeFromNow';

export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface Step {
  readonly color: 'green' | 'yellow' | 'orange' | 'red' | 'blue' | 'text';
  /** null = from the beginning. */
  readonly value: number | null;
}

export interface PanelOptions {
  readonly title: string;
  /** What it shows, and what to think of it. Shown at the panel's corner. */
  readonly about: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  readonly width?: number;
  readonly height?: number;
  readonly steps?: readonly Step[];
  readonly max?: number;
  /** Time series: how values lie on each other. */
  readonly stack?: 'normal' | 'percent';
  /** Of what is shown as bars: events that are counted. */
  readonly isBars?: boolean;
  /** Asks for exemplars, too: dots that lead to traces. */
  readonly hasExemplars?: boolean;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A panel without its place. */
export interface Panel {
  readonly width: number;
  readonly height: number;
  readonly json: Readonly<Record<string, unknown>>;
}

export const DATASOURCE = { type: 'prometheus', uid: '$datasource' } as const;
const COLUMNS = 24;
const PLAIN: readonly Step[] = [{ color: 'green', value: null }];

export function stat(options: PanelOptions): Panel {
  return panel(
    'stat',
    { width: 4, height: 4, ...options },
    {
      colorMode: 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      orientation: 'auto',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      textMode: 'auto',
    },
  );
}

export function series(options: PanelOptions): Panel {
  const custom = {
    drawStyle: options.isBars === true ? 'bars' : 'line',
    fillOpacity: options.stack !== undefined || options.isBars === true ? 40 : 8,
    lineWidth: 1,
    pointSize: 4,
    showPoints: 'never',
    spanNulls: false,
    stacking: { group: 'A', mode: options.stack ?? 'none' },
    thresholdsStyle: { mode: options.steps === undefined ? 'off' : 'dashed' },
  };
  return panel(
    'timeseries',
    options,
    {
      legend: { calcs: ['mean', 'lastNotNull'], displayMode: 'table', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    custom,
  );
}

/** Bands of states over time: 1 is good, 0 is not. */
export function timeline(options: PanelOptions): Panel {
  return panel(
    'state-timeline',
    options,
    {
      alignValue: 'left',
      legend: { displayMode: 'list', placement: 'bottom', showLegend: false },
      mergeValues: true,
      rowHeight: 0.8,
      showValue: 'never',
      tooltip: { mode: 'single', sort: 'none' },
    },
    { fillOpacity: 80, lineWidth: 0 },
    [
      {
        type: 'value',
        options: { '0': { color: 'red', index: 0, text: 'out' }, '1': { color: 'green', index: 1, text: 'healthy' } },
      },
    ],
  );
}

export function bars(options: PanelOptions): Panel {
  return panel('bargauge', options, {
    displayMode: 'basic',
    minVizHeight: 16,
    minVizWidth: 8,
    orientation: 'horizontal',
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    showUnfilled: true,
    valueMode: 'color',
  });
}

/** One line for each combination of labels, a column a query. `units`: of each query. */
export function table(options: PanelOptions, labels: readonly string[], units: readonly Unit[]): Panel {
  const { width = 24, height = 8, queries } = options;
  const targets = queries.map(({ expr, legend }, i) => ({
    ...target({ expr, legend }, i, false),
    format: 'table',
    instant: true,
    range: false,
  }));
  const named = queries.map(({ legend }, i) => [`Value #${refId(i)}`, legend] as const);
  const organize = {
    excludeByName: { Time: true },
    indexByName: Object.fromEntries([...labels, ...named.map(([value]) => value)].map((name, i) => [name, i])),
    renameByName: Object.fromEntries(named),
  };
  const json = base('table', options, targets, { cellHeight: 'sm', footer: { show: false, reducer: ['sum'] } });
  const overrides = queries.map(({ legend }, i) => ({
    matcher: { id: 'byName', options: legend },
    properties: [{ id: 'unit', value: units[i] ?? 'short' }],
  }));
  const fieldConfig = { ...(json.fieldConfig as object), overrides };
  const transformations = [
    { id: 'merge', options: {} },
    { id: 'organize', options: organize },
  ];
  return { width, height, json: { ...json, fieldConfig, transformations } };
}

function panel(
  type: string,
  options: PanelOptions,
  shown: Record<string, unknown>,
  custom?: Record<string, unknown>,
  mappings: readonly unknown[] = [],
): Panel {
  const { width = 8, height = 8, queries, hasExemplars = false } = options;
  const targets = queries.map((query, i) => target(query, i, hasExemplars));
  return { width, height, json: base(type, options, targets, shown, custom, mappings) };
}

function base(
  type: string,
  { title, about, unit, steps, max }: PanelOptions,
  targets: readonly unknown[],
  options: Record<string, unknown>,
  custom: Record<string, unknown> = {},
  mappings: readonly unknown[] = [],
): Record<string, unknown> {
  return {
    type,
    title,
    description: about,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        color: { mode: type === 'timeseries' ? 'palette-classic' : 'thresholds' },
        custom,
        mappings,
        min: 0,
        ...(max === undefined ? {} : { max }),
        thresholds: { mode: 'absolute', steps: steps ?? PLAIN },
        unit,
      },
      overrides: [],
    },
    options,
    targets,
  };
}

function target({ expr, legend }: Query, i: number, exemplar: boolean): Record<string, unknown> {
  return {
    refId: refId(i),
    datasource: DATASOURCE,
    editorMode: 'code',
    expr,
    legendFormat: legend,
    exemplar,
    instant: false,
    range: true,
  };
}

function refId(i: number): string {
  return String.fromCharCode(65 + i);
}

/** Rows below each other; within one, panels from left to right as far as there is room. Ids count up from 1. */
export function laidOut(rows: readonly Row[]): Record<string, unknown>[] {
  const panels: Record<string, unknown>[] = [];
  let y = 0;
  let id = 1;
  for (const row of rows) {
    panels.push({
      id: id++,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { h: 1, w: COLUMNS, x: 0, y },
      panels: [],
    });
    y += 1;
    let x = 0;
    let height = 0;
    for (const { width, height: h, json } of row.panels) {
      if (x + width > COLUMNS) {
        y += height;
        x = 0;
        height = 0;
      }
      panels.push({ id: id++, ...json, gridPos: { h, w: width, x, y } });
      x += width;
      height = Math.max(height, h);
    }
    y += height;
  }
  return panels;
}
