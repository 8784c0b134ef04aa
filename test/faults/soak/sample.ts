// What a process holds, looked at from outside: resident memory, descriptors, sockets; and by its own metrics: the heap of each
// worker, connections, requests in flight.

import { readdirSync, readlinkSync } from 'node:fs';
import type { Fermat } from '../../support/fermat.ts';
import type { EndpointView } from '../rig.ts';

export interface Sample {
  /** Since the soak began. */
  readonly atMs: number;
  readonly rssBytes: number;
  /** All workers. */
  readonly heapBytes: number;
  readonly files: number;
  readonly sockets: number;
  readonly threads: number;
  readonly connections: number;
  /** As the lanes have it, over all endpoints. */
  readonly inflight: number;
}

export async function sampleOf(fermat: Fermat, startMs: number): Promise<Sample> {
  const { files, sockets } = descriptorsOf(fermat.pid);
  const endpoints = await fermat.json<EndpointView[]>('/api/v1/endpoints');
  const text = (await fermat.admin('/metrics')).text;
  return {
    atMs: performance.now() - startMs,
    rssBytes: fermat.rssBytes,
    heapBytes: sumOf(text, 'fermat_worker_heap_bytes'),
    files,
    sockets,
    threads: readdirSync(`/proc/${fermat.pid}/task`).length,
    connections: sumOf(text, 'fermat_connections'),
    inflight: endpoints.reduce((sum, { inflight }) => sum + inflight, 0),
  };
}

/** Kernel side: sockets that no descriptor holds any more are not the process's. */
function descriptorsOf(pid: number): { files: number; sockets: number } {
  const folder = `/proc/${pid}/fd`;
  const names = readdirSync(folder);
  let sockets = 0;
  for (const name of names) {
    try {
      if (readlinkSync(`${folder}/${name}`).startsWith('socket:')) sockets++;
    } catch {
      // It was closed meanwhile.
    }
  }
  return { files: names.length, sockets };
}

/** Of all series of a metric; NaN without any. */
function sumOf(text: string, name: string): number {
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0);
}
