// What is told of the access log: lines handed over by workers, and lines that were dropped. Read when they are asked for.

import { Counter, type Registry } from 'prom-client';

export interface AccessLogCounts {
  readonly lines: number;
  readonly dropped: number;
}

export function addAccessLogFamilies(registry: Registry, counts: () => AccessLogCounts): void {
  const add = (name: string, help: string, read: (counts: AccessLogCounts) => number): void => {
    let last = 0;
    new Counter({
      name,
      help,
      registers: [registry],
      // Added to, not set: what the process before has counted is in it as well (inheritance.ts).
      collect() {
        const now = read(counts());
        this.inc(now - last);
        last = now;
      },
    });
  };
  add(
    'fermat_access_log_lines_total',
    'Lines of the access log that workers have handed to its writer.',
    (c) => c.lines,
  );
  add('fermat_access_log_dropped_total', 'Lines of the access log that nobody took in time.', (c) => c.dropped);
}
