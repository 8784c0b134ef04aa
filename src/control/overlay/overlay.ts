// The control plane's part in the overlay, in one place: peers are asked, what they say goes to the fleet, and what the fleet
// knows goes to the workers, who answer the peers' questions.

import type { OverlaySpec, Snapshot } from '../../core/snapshot.ts';
import type { Config } from '../config/config.ts';
import type { PoolState } from '../fleet/ranking.ts';
import type { EventLog, ProbeResult } from '../types.ts';
import { digestOf, type Self } from './digest.ts';
import { Peers, type PeerView } from './peers.ts';

export interface OverlayParts {
  /** Monotonic, ms. */
  readonly clock: () => number;
  readonly random: () => number;
  readonly events: EventLog;
  readonly fleet: {
    readonly pools: readonly PoolState[];
    probed(slot: number, generation: number, result: ProbeResult): void;
  };
  /** What workers answer peers with from now on. */
  readonly publish: (text: string) => void;
}

export class Overlay {
  readonly #parts: OverlayParts;
  readonly #peers: Peers;
  #self: Self = { node: '', region: null };
  /** Hop key by slot. */
  #keys = new Map<number, string>();

  constructor(parts: OverlayParts) {
    this.#parts = parts;
    this.#peers = new Peers({
      ...parts,
      onMeasured: (slot, generation, result) => parts.fleet.probed(slot, generation, result),
      onTurn: (nowMs) => this.#tell(nowMs),
    });
  }

  /** From now on, with a Snapshot that the fleet has. */
  install(config: Config, snapshot: Snapshot): void {
    this.#self = { node: config.node.id, region: config.node.region };
    this.#keys = keysOf(snapshot, snapshot.overlay ?? null);
    this.#peers.install(config, snapshot);
  }

  stop(): void {
    this.#peers.stop();
  }

  peers(): PeerView[] {
    return this.#peers.views();
  }

  #tell(nowMs: number): void {
    const { fleet, publish } = this.#parts;
    publish(digestOf(this.#self, fleet.pools, ({ spec }) => this.#keys.get(spec.slot), nowMs));
  }
}

function keysOf({ endpoints }: Snapshot, overlay: OverlaySpec | null): Map<number, string> {
  return new Map(Object.entries(overlay?.served ?? {}).map(([key, index]) => [endpoints[index]!.slot, key]));
}
