// What the fleet counts of endpoints and pools: probes, changes of state, moves of home, regret. Their labels are ids from the
// configuration and from discovery, which come and go: all of them are capped (caps.ts).

import { Counter, Histogram, type Registry } from 'prom-client';
import type { Caps } from './caps.ts';
import { REGRET_BUCKETS_S, REGRET_HELP } from './regret.ts';

export class FleetFamilies {
  readonly #caps: Caps;
  readonly #stateChanges: Counter<'endpoint' | 'to' | 'reason'>;
  readonly #probes: Counter<'endpoint' | 'result'>;
  readonly #locationLies: Counter<'endpoint'>;
  readonly #switches: Counter<'pool' | 'reason'>;
  readonly #regret: Histogram<'pool' | 'kind'>;

  constructor(registry: Registry, caps: Caps) {
    this.#caps = caps;
    const registers = [registry];
    this.#stateChanges = new Counter({
      name: 'fermat_endpoint_state_changes_total',
      help: 'Changes of the state of an endpoint, by the new state and what brought it about.',
      labelNames: ['endpoint', 'to', 'reason'],
      registers,
    });
    this.#probes = new Counter({
      name: 'fermat_probes_total',
      help: 'Probes of an endpoint and how they ended.',
      labelNames: ['endpoint', 'result'],
      registers,
    });
    this.#locationLies = new Counter({
      name: 'fermat_endpoint_location_lies_total',
      help: 'Endpoints that answered faster than light could from where they are said to be.',
      labelNames: ['endpoint'],
      registers,
    });
    this.#switches = new Counter({
      name: 'fermat_route_switches_total',
      help: 'Changes of the region that most traffic of a pool goes to, and why.',
      labelNames: ['pool', 'reason'],
      registers,
    });
    this.#regret = new Histogram({
      name: 'fermat_regret_seconds',
      help: REGRET_HELP,
      labelNames: ['pool', 'kind'],
      buckets: [...REGRET_BUCKETS_S],
      registers,
    });
  }

  stateChanged(endpoint: string, to: string, reason: string): void {
    const labels = { endpoint, to, reason };
    this.#stateChanges.inc(this.#caps.roomFor('fermat_endpoint_state_changes_total', labels, 'endpoint'));
  }

  probed(endpoint: string, result: string): void {
    this.#probes.inc(this.#caps.roomFor('fermat_probes_total', { endpoint, result }, 'endpoint'));
  }

  locationLie(endpoint: string): void {
    this.#locationLies.inc(this.#caps.roomFor('fermat_endpoint_location_lies_total', { endpoint }, 'endpoint'));
  }

  switched(pool: string, reason: string): void {
    this.#switches.inc(this.#caps.roomFor('fermat_route_switches_total', { pool, reason }, 'pool'));
  }

  regret(pool: string, kind: string, seconds: number): void {
    this.#regret.observe(this.#caps.roomFor('fermat_regret_seconds', { pool, kind }, 'pool'), seconds);
  }
}
