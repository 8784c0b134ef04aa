// Small questions to the system that the control plane asks: how many connections it may hold, and what its files say.

import { readFileSync } from 'node:fs';

/** What the main thread has open, with room for probes and files; what a worker has, less its connections. Measured: 22 and 10. */
const OWN = 32;
const PER_WORKER = 12;

/** Less than half of the descriptors: a proxied connection takes two, and some are kept (data/descriptors.ts). 0 = unknown, no cap. */
export function connectionCap(workers: number): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    if (match === null) return 0;
    const limit = Number(match[1]);
    const kept = OWN + PER_WORKER * workers + Math.min(256, limit / 8);
    return Math.max(16, Math.floor((limit - kept) / 2));
  } catch {
    return 0;
  }
}

/** What the files say, so that a touch alone reloads nothing. */
export function digestOf(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        return readFileSync(file, 'latin1');
      } catch {
        return '';
      }
    })
    .join('\0');
}
