// What is told of directories of where data is: whether they are there, how much they hold, what was missed.

import { Gauge, type Registry } from 'prom-client';
import type { DirectoryView } from '../locality/localities.ts';

export function addLocalityFamilies(registry: Registry, views: () => readonly DirectoryView[]): void {
  const gauge = (name: string, help: string, read: (view: DirectoryView) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['directory'],
      registers: [registry],
      collect() {
        this.reset();
        for (const view of views()) this.set({ directory: view.name }, read(view));
      },
    });
  gauge('fermat_locality_loaded', 'Whether the directory has been read.', ({ loaded }) => (loaded ? 1 : 0));
  gauge('fermat_locality_keys', 'Keys of the directory that this node holds.', ({ keys }) => keys);
  gauge('fermat_locality_version', 'Changes of the directory that this node has heard of.', ({ version }) => version);
  gauge('fermat_locality_memory_bytes', 'Memory that the copy of the directory takes.', ({ bytes }) => bytes);
}
