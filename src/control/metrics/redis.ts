// What is told of Redis: whether it is there, what it is asked and how that ends, how long it takes, what crosses the wire.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CallResult, RedisMeter } from '../redis/link.ts';

export interface RedisSource {
  readonly isConfigured: boolean;
  readonly isUp: boolean;
  /** Since the start. */
  readonly bytes: { readonly received: number; readonly sent: number };
}

const BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

export class RedisFamilies implements RedisMeter {
  readonly #calls: Counter<'command' | 'result'>;
  readonly #durations: Histogram<'command'>;

  constructor(registry: Registry, source: () => RedisSource) {
    const registers = [registry];
    new Gauge({
      name: 'fermat_redis_up',
      help: 'Whether Redis answers; absent when none is configured.',
      registers,
      collect() {
        const { isConfigured, isUp } = source();
        this.reset();
        if (isConfigured) this.set(isUp ? 1 : 0);
        else this.remove();
      },
    });
    this.#calls = new Counter({
      name: 'fermat_redis_commands_total',
      help: 'What Redis was asked and how it ended; away and busy: it was not asked at all.',
      labelNames: ['command', 'result'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'fermat_redis_command_duration_seconds',
      help: 'How long Redis took to answer.',
      labelNames: ['command'],
      buckets: BUCKETS_S,
      registers,
    });
    let before = { received: 0, sent: 0 };
    new Counter({
      name: 'fermat_redis_bytes_total',
      help: 'Bytes on the connections to Redis.',
      labelNames: ['direction'],
      registers,
      collect() {
        const { bytes } = source();
        this.inc({ direction: 'received' }, bytes.received - before.received);
        this.inc({ direction: 'sent' }, bytes.sent - before.sent);
        before = bytes;
      },
    });
  }

  called(what: string, result: CallResult, ms: number): void {
    this.#calls.inc({ command: what, result });
    if (result === 'ok' || result === 'error') this.#durations.observe({ command: what }, ms / 1000);
  }
}
