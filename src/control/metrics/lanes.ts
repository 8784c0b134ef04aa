// The families that workers count, written from the sums of their lanes.

import type { Registry } from 'prom-client';
import { bucketsOf, CELL } from '../../core/cells.ts';
import { EXEMPLAR_FAMILIES, type ExemplarFamily, type Exemplars } from './exemplars.ts';
import { exposeLines } from './expose.ts';
import { FAMILIES, type Family } from './families.ts';
import { keptLabelText, type Page } from './page.ts';
import type { Series, Totals } from './totals.ts';

export function addLaneFamilies(registry: Registry, totals: Totals, exemplars: Exemplars): void {
  for (const family of FAMILIES) {
    exposeLines(registry, family, async (page) => {
      for (const series of totals.seriesOf(family.kind, family.event)) {
        writeSeries(page, family, series, exemplars);
        const due = page.breathe();
        if (due !== undefined) await due;
      }
    });
  }
}

function writeSeries(page: Page, { name, kind }: Family, series: Series, exemplars: Exemplars): void {
  const bounds = bucketsOf(kind);
  const labels = keptLabelText(series.labels);
  if (bounds === null) return page.line(name, labels, series.values[0]!);
  const { values } = series;
  const n = bounds.length;
  const les = lesOf(kind, bounds);
  const bucketName = `${name}_bucket`;
  const rest = labels === '' ? '' : `,${labels}`;
  const family = exemplarFamilyOf(page, kind);
  const wallMs = family === null ? 0 : Date.now();
  let count = 0;
  // Raw bucket counts become cumulative ones, as Prometheus has them.
  for (let i = 0; i <= n; i++) {
    count += values[i]!;
    page.line(bucketName, les[i]! + rest, count, family === null ? '' : exemplars.of(family, series.key, i, wallMs));
  }
  page.line(`${name}_sum`, labels, values[n + 1]!);
  page.line(`${name}_count`, labels, count);
}

function exemplarFamilyOf(page: Page, kind: number): ExemplarFamily | null {
  if (page.format !== 'openmetrics') return null;
  if (kind === EXEMPLAR_FAMILIES.request.kind) return 'request';
  return kind === EXEMPLAR_FAMILIES.firstByte.kind ? 'firstByte' : null;
}

const LES = new Map<number, readonly string[]>();

/**
 * `le` of each bucket. The same in both formats, though OpenMetrics would rather have 30 as 30.0: a series that changes its name
 * with the version of Prometheus would be worse, and newer versions make it 30.0 themselves.
 */
function lesOf(kind: number, bounds: readonly number[]): readonly string[] {
  const known = LES.get(kind);
  if (known !== undefined) return known;
  const les = [...bounds.map((bound) => `le="${bound}"`), 'le="+Inf"'];
  LES.set(kind, les);
  return les;
}

/** Kinds whose cells are something else than a count. */
export const GAUGES: readonly number[] = [CELL.CONNECTIONS];
