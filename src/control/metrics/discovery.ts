// What is told of the sources that endpoints are found by, read from them at the moment of a scrape.

import type { Registry } from 'prom-client';
import type { SourceView } from '../discovery/watched.ts';
import { expose } from './expose.ts';

type Read = (source: SourceView) => number | null;

/** Registers the families; there are no series while nothing is discovered. */
export function addDiscoveryFamilies(registry: Registry, sources: () => readonly SourceView[]): void {
  const add = (name: string, help: string, type: 'gauge' | 'counter', read: Read): void => {
    expose(registry, { name, help, type }, () =>
      sources().flatMap((view) => {
        const value = read(view);
        return value === null ? [] : [{ value, labels: { pool: view.pool, source: view.source } }];
      }),
    );
  };
  add(
    'fermat_discovery_endpoints',
    'Endpoints that a source is believed to have.',
    'gauge',
    ({ endpoints }) => endpoints,
  );
  add('fermat_discovery_errors_total', 'Times that a source could not tell.', 'counter', ({ errors }) => errors);
  add(
    'fermat_discovery_last_success_timestamp_seconds',
    'When a source answered last; absent while it never has.',
    'gauge',
    ({ lastSuccess }) => (lastSuccess === null ? null : Date.parse(lastSuccess) / 1000),
  );
}
