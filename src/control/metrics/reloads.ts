// Whether configurations were taken.

import { Counter, Gauge, type Registry } from 'prom-client';

export class ReloadFamilies {
  readonly #reloads: Counter<'result'>;
  readonly #last: Gauge;

  constructor(registry: Registry) {
    this.#reloads = new Counter({
      name: 'fermat_config_reloads_total',
      help: 'Reloads of the configuration and whether it was taken.',
      labelNames: ['result'],
      registers: [registry],
    });
    // From the beginning, so that the first one shows as an increase.
    for (const result of ['success', 'failure']) this.#reloads.inc({ result }, 0);
    this.#last = new Gauge({
      name: 'fermat_config_last_reload_successful',
      help: 'Whether the last reload, or the start, took the configuration: 1 or 0.',
      registers: [registry],
    });
    this.#last.set(1);
  }

  reload(ok: boolean): void {
    this.#reloads.inc({ result: ok ? 'success' : 'failure' });
    this.#last.set(ok ? 1 : 0);
  }
}
