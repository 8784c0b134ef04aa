// Small questions to the system that the control plane asks: how many connections it may hold, and what its files say.

import { readFileSync } from 'node:fs';

/** Half of the descriptors: a proxied connection takes two. 0 = unknown, no cap. */
export function connectionCap(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return match === null ? 0 : Math.max(16, Math.floor((Number(match[1]) - 64) / 2));
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
