// What is told of sharing: digests by what became of them, and how many other nodes are heard.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { DigestResult } from '../share/share.ts';

export class ShareFamilies {
  readonly #digests: Counter<'result'>;

  constructor(registry: Registry, nodes: () => number) {
    const registers = [registry];
    this.#digests = new Counter({
      name: 'fermat_share_digests_total',
      help: 'Digests of nodes: sent, heard (ok), or why not used.',
      labelNames: ['result'],
      registers,
    });
    new Gauge({
      name: 'fermat_share_nodes',
      help: 'Other nodes that are heard of now.',
      registers,
      collect() {
        this.set(nodes());
      },
    });
  }

  digest(result: DigestResult): void {
    this.#digests.inc({ result });
  }
}
