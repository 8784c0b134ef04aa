// Traces, on the side of the control plane: what workers noted becomes spans and goes to the collector that the configuration names.
// Without one nothing is made and nothing runs. Requests never wait for any of it.

import { nowMs } from '../../clock.ts';
import type { TraceBatch, TraceRecord } from '../../core/trace-spans.ts';
import type { TracingConfig } from '../config/tracing.ts';
import type { EventLog } from '../types.ts';
import { Collector } from './collector.ts';
import { Exporter, type SpanResult } from './exporter.ts';
import { answererOf, frameOf, spansOf } from './otlp.ts';

/** The clocks are compared anew with each batch, and believed when they have parted by more than the wall clock's own grain. ms */
const CLOCK_GRAIN_MS = 2;
/** What a collector may take to be given the last spans, ms. */
const LAST_WORDS_MS = 2000;

/** A measurement that a histogram may show a trace for. Seconds; the date in ms since 1970. */
export type OnExemplar = (
  family: 'request' | 'firstByte',
  labels: Readonly<Record<string, string>>,
  valueS: number,
  traceId: string,
  spanId: string,
  wallMs: number,
) => void;

export interface TracingOptions {
  readonly random: () => number;
  readonly events: EventLog;
  readonly version: string;
  /** `limited`: requests that were not traced for `maxSpansPerSecond`. */
  readonly onResult: (result: SpanResult | 'limited', spans: number) => void;
  readonly onExemplar: OnExemplar;
}

export class Tracing {
  readonly #options: TracingOptions;
  #config: TracingConfig | null = null;
  #exporter: Exporter | null = null;
  /** Exporters of configurations before, which give away what they still have. */
  readonly #ending = new Set<Promise<void>>();
  /** From the process-wide clock to ms since 1970. */
  #wallMs = Date.now() - nowMs();

  constructor(options: TracingOptions) {
    this.#options = options;
  }

  /** From now on. What waits for the collector of before still goes there. */
  install(config: TracingConfig | null): void {
    if (JSON.stringify(placeOf(config)) === JSON.stringify(placeOf(this.#config))) return;
    this.#config = config;
    this.#end();
    if (config === null) return;
    const { random, events, onResult, version } = this.#options;
    const frame = frameOf(config.resource, version);
    this.#exporter = new Exporter({ random, events, onResult }, new Collector(config.collector), frame);
  }

  take({ traces, spans, dropped, limited }: TraceBatch): void {
    const { onResult } = this.#options;
    if (dropped > 0) onResult('dropped', dropped);
    if (limited > 0) onResult('limited', limited);
    if (this.#exporter === null) {
      if (spans > 0) onResult('dropped', spans); // of requests that had begun when it was turned off
      return;
    }
    const wallMs = Date.now() - nowMs();
    if (Math.abs(wallMs - this.#wallMs) > CLOCK_GRAIN_MS) this.#wallMs = wallMs;
    for (const trace of traces) {
      this.#exporter.add(spansOf(trace, this.#wallMs), 1 + trace.attempts.length);
      this.#show(trace);
    }
  }

  /** Gives away what is left, for two seconds at most. Never rejects. */
  async stop(): Promise<void> {
    this.#config = null;
    this.#end();
    await Promise.all(this.#ending);
  }

  #end(): void {
    const exporter = this.#exporter;
    this.#exporter = null;
    if (exporter === null) return;
    const ending = exporter.stop(LAST_WORDS_MS).then(() => void this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** The same times as in the histograms. */
  #show(trace: TraceRecord): void {
    const { onExemplar } = this.#options;
    const { traceId, route, pool } = trace;
    const atMs = trace.endMs + this.#wallMs;
    if (route !== '')
      onExemplar('request', { route }, (trace.endMs - trace.startMs) / 1000, traceId, trace.spanId, atMs);
    const answerer = answererOf(trace);
    if (answerer === undefined || answerer.firstByteMs < answerer.sentMs || answerer.sentMs < 0) return;
    const firstByteS = (answerer.firstByteMs - answerer.sentMs) / 1000;
    onExemplar('firstByte', { pool, endpoint: answerer.endpoint }, firstByteS, traceId, answerer.spanId, atMs);
  }
}

/** What an exporter is made of. */
function placeOf(config: TracingConfig | null): unknown {
  return config === null ? null : [config.collector, config.resource];
}
