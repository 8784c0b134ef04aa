// What the admin API may ask of a node, where the answer is one part's: this file says whose. What concerns the life of the node
// itself (ready or not, reloads, its listeners) is node.ts's.

import { redact } from './config/redact.ts';
import type { DecisionRecord, DecisionsQuery } from './decisions.ts';
import type { Registered, Registration } from './discovery/registrar.ts';
import type { Evacuation, EvacuationQuery } from './evacuation/types.ts';
import type { LiveApi } from './live/types.ts';
import type { LocalityApi } from './locality/api.ts';
import type { Format } from './metrics/page.ts';
import type { Parts } from './parts.ts';
import type {
  ControlApi,
  ExplainQuery,
  Explanation,
  FleetView,
  Refusal,
  ReloadResult,
  ReplaceResult,
} from './types.ts';
import { routeViews } from './views.ts';

export class Asked implements Omit<ControlApi, 'startedAt' | 'events' | 'notReadyBecause' | 'node'> {
  readonly #partsOf: () => Parts;

  /** `partsOf` is asked with every question, and not before. */
  constructor(partsOf: () => Parts) {
    this.#partsOf = partsOf;
  }

  get locality(): LocalityApi {
    return this.#partsOf().localityApi;
  }

  get live(): LiveApi {
    return this.#partsOf().live;
  }

  reload(why: string): Promise<ReloadResult> {
    return this.#partsOf().reloads.reload(why);
  }

  replace(why: string): Promise<ReplaceResult> {
    return this.#partsOf().succession.replace(why);
  }

  endpoints(): ReturnType<ControlApi['endpoints']> {
    const { discovery, fleet } = this.#partsOf();
    return fleet.endpoints().map((view) => ({ ...view, source: discovery.sourceOf(view.pool, view.id) }));
  }

  pools(): ReturnType<ControlApi['pools']> {
    return this.#partsOf().live.pools();
  }

  discovery(): ReturnType<ControlApi['discovery']> {
    return this.#partsOf().discovery.views();
  }

  register(request: Registration): Registered | Refusal {
    return this.#partsOf().registrations.take(request);
  }

  routes(): ReturnType<ControlApi['routes']> {
    return routeViews(this.#partsOf().running.snapshot);
  }

  config(): unknown {
    return redact(this.#partsOf().running.config);
  }

  explain(query: ExplainQuery): Explanation | Refusal {
    return this.#partsOf().explain(query);
  }

  decisions(query: DecisionsQuery): Promise<readonly DecisionRecord[]> {
    return this.#partsOf().decisions.recent(query);
  }

  decision(id: string): DecisionRecord | null {
    return this.#partsOf().decisions.one(id);
  }

  evacuation(query: EvacuationQuery): Promise<Evacuation | Refusal> {
    return this.#partsOf().evacuations.preview(query);
  }

  drain(id: string): Refusal | null {
    return this.#partsOf().fleet.drain(id);
  }

  enable(id: string): Refusal | null {
    return this.#partsOf().fleet.enable(id);
  }

  metrics(format?: Format): Promise<Uint8Array<ArrayBuffer>> {
    return this.#partsOf().metrics.page(format);
  }

  fleet(): FleetView {
    return this.#partsOf().share.view();
  }
}
