// What is told of ways over other edges: requests that took one, by how that went, and how far away each peer is.

import { Counter, Gauge, type Registry } from 'prom-client';
import { OUTCOME, type Outcome } from '../../core/sample.ts';
import type { PeerView } from '../overlay/peers.ts';

/** What became of a request, as this edge saw it. */
export function resultOf(outcome: Outcome): string {
  if (outcome === OUTCOME.OK || outcome === OUTCOME.TOO_MANY) return 'ok';
  return outcome < OUTCOME.CONNECT_FAILED ? 'abandoned' : 'failed';
}

export class OverlayFamilies {
  readonly #requests: Counter<'pool' | 'peer' | 'result'>;

  constructor(registry: Registry, peers: () => readonly PeerView[]) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'fermat_overlay_requests_total',
      help: 'Attempts over another edge: ok, failed, or abandoned by the client or for a quicker one.',
      labelNames: ['pool', 'peer', 'result'],
      registers,
    });
    const gauge = (name: string, help: string, read: (peer: PeerView) => number | null) =>
      new Gauge({
        name,
        help,
        labelNames: ['peer'],
        registers,
        collect() {
          this.reset();
          for (const peer of peers()) {
            const value = read(peer);
            if (value !== null) this.set({ peer: peer.id }, value);
          }
        },
      });
    gauge('fermat_overlay_peer_rtt_seconds', 'Round trip to another edge.', ({ rttMs }) =>
      rttMs === null ? null : rttMs / 1000,
    );
    gauge('fermat_overlay_peer_reachable', 'Whether another edge answers.', ({ reachable }) => (reachable ? 1 : 0));
  }

  relayed(labels: Record<'pool' | 'peer' | 'result', string>): void {
    this.#requests.inc(labels);
  }
}
