// docs/metrics.md as its tests read it: the tables of metrics, and the queries.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

export interface Row {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

const text = (): string => readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');

/** Rows that begin with the name of a metric: | `fermat_…` | type | `label`, … | help | */
export function documented(): Row[] {
  return [...text().matchAll(/^\| `(fermat_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm)].map(
    ([, name, type, labels, help]) => ({
      name: name!,
      type: type!,
      labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!),
      help: help!,
    }),
  );
}

/** Everything between ```promql and ```; blank lines part queries, lines with # are comments. */
export function queries(): string[] {
  return [...text().matchAll(/^```promql\n([\s\S]*?)^```/gm)].flatMap(([, block]) =>
    block!
      .split(/\n\s*\n/)
      .map((query) => query.replace(/^\s*#.*$/gm, '').trim())
      .filter((query) => query !== ''),
  );
}
