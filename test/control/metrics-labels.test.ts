// What docs/metrics.md says that labels say is what the code counts under: the short closed lists, word for word.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  CONNECT_REASONS,
  GEOIP_RESULTS,
  HANDSHAKE_RESULTS,
  HEDGE_RESULTS,
  RETRY_RESULTS,
  SHED_REASONS,
} from '../../src/core/cells.ts';
import { OUTCOME } from '../../src/core/sample.ts';
import { ROLE_NAMES } from '../../src/core/selector.ts';
import { ROOT } from '../support/metrics-page.ts';

const text = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');

/** Words in backticks behind `LABEL` of `METRIC`. */
function saidOf(label: string, metric: string): string[] {
  const [, words = ''] = new RegExp(`^\\| \`${label}\` of \`${metric}\` \\| (.*) \\|$`, 'm').exec(text) ?? [];
  return [...words.matchAll(/`([\w-]+)`/g)].map(([, word]) => word!);
}

const FAILURES = Object.entries(OUTCOME).filter(([, code]) => code >= OUTCOME.CONNECT_FAILED);

describe('the labels of docs/metrics.md', () => {
  it.each([
    ['role', 'fermat_selections_total', ROLE_NAMES],
    ['result', 'fermat_retries_total', RETRY_RESULTS],
    ['result', 'fermat_hedges_total', HEDGE_RESULTS],
    ['reason', 'fermat_shed_total', SHED_REASONS],
    ['outcome', 'fermat_upstream_failures_total', FAILURES.map(([name]) => name.toLowerCase())],
    ['reason', 'fermat_upstream_failures_total', CONNECT_REASONS],
    ['result', 'fermat_geoip_lookups_total', GEOIP_RESULTS],
    ['result', 'fermat_tls_handshakes_total', HANDSHAKE_RESULTS],
  ])('are those of %s of %s', (label, metric, values) => {
    expect(saidOf(label, metric)).toEqual(values);
  });
});
