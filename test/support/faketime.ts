// A wall clock that a test can set while the process runs, by libfaketime: `Date.now()` of the process jumps, CLOCK_MONOTONIC goes
// on as it is, as when an operator or NTP sets the time of a machine.

import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LIBRARY = '/usr/lib/*/faketime/libfaketimeMT.so.1';

export class WallClock {
  readonly #directory = mkdtempSync(join(tmpdir(), 'fermat-clock-'));
  readonly #file = join(this.#directory, 'offset');

  constructor() {
    this.set(0);
  }

  /** Of the process whose clock it is to be. */
  get env(): Record<string, string> {
    const [library] = globSync(LIBRARY);
    if (library === undefined) throw new Error(`no ${LIBRARY}: install the package faketime`);
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** So many seconds ahead of the real time from now on; negative: behind. */
  set(offsetS: number): void {
    writeFileSync(this.#file, `${offsetS < 0 ? '-' : '+'}${Math.abs(offsetS)}\n`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
