// What is told of traces: what became of spans.

import { Counter, type Registry } from 'prom-client';

const RESULTS = ['exported', 'rejected', 'dropped', 'limited'] as const;
type Result = (typeof RESULTS)[number];

export class TracingFamilies {
  readonly #spans: Counter<'result'>;

  constructor(registry: Registry) {
    this.#spans = new Counter({
      name: 'fermat_trace_spans_total',
      help: 'Spans and what became of them; limited: requests not traced, since too many were.',
      labelNames: ['result'],
      registers: [registry],
    });
    for (const result of RESULTS) this.#spans.inc({ result }, 0);
  }

  spans(result: Result, count: number): void {
    this.#spans.inc({ result }, count);
  }
}
