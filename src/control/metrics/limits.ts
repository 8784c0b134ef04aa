// What is told of limits on rates, beside how many requests they turned away (a cell of the lanes).

import { Counter, Gauge, type Registry } from 'prom-client';

export interface LimitsSource {
  readonly keys: number;
  readonly evicted: number;
  readonly nodes: number;
  readonly settled: number;
}

export function addLimitFamilies(registry: Registry, source: () => LimitsSource): void {
  const registers = [registry];
  new Gauge({
    name: 'fermat_rate_limit_keys',
    help: 'Keys of rate limits that are not at rest, as of the last few seconds.',
    registers,
    collect() {
      this.set(source().keys);
    },
  });
  new Gauge({
    name: 'fermat_rate_limit_nodes',
    help: 'Nodes that keep rate limits together, as far as this one knows.',
    registers,
    collect() {
      this.set(source().nodes);
    },
  });
  const counter = (name: string, help: string, read: (source: LimitsSource) => number) => {
    let before = 0;
    new Counter({
      name,
      help,
      registers,
      collect() {
        const now = read(source());
        this.inc(now - before);
        before = now;
      },
    });
  };
  const evicted = 'Keys of rate limits that were forgotten before their time, since the table was full.';
  counter('fermat_rate_limit_evictions_total', evicted, (limits) => limits.evicted);
  counter(
    'fermat_rate_limit_settlements_total',
    'Keys that were settled with other nodes.',
    (limits) => limits.settled,
  );
}
