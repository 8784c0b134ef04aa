// The names of the system's hosts file. Whoever stands there wins over DNS, as everywhere on the system, but c-ares does not
// look: names found here are asked of getaddrinfo, which does.

import { readFile } from 'node:fs/promises';

const PATH = process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts';
/** How long what was read counts as true, ms. */
const FRESH_MS = 5000;

export class HostsFile {
  readonly #clock: () => number;
  readonly #path: string;
  #names: Promise<ReadonlySet<string>> | null = null;
  #readAtMs = Number.NEGATIVE_INFINITY;

  /** `clock`: monotonic, ms. */
  constructor(clock: () => number, path = PATH) {
    this.#clock = clock;
    this.#path = path;
  }

  /** Whether the file has the name, as of the last five seconds. Never rejects: a file that cannot be read has none. */
  async has(name: string): Promise<boolean> {
    const nowMs = this.#clock();
    if (this.#names === null || nowMs - this.#readAtMs >= FRESH_MS) {
      this.#readAtMs = nowMs;
      this.#names = readFile(this.#path, 'utf8').then(namesIn, () => new Set<string>());
    }
    return (await this.#names).has(name.toLowerCase().replace(/\.$/, ''));
  }
}

/** `ADDRESS NAME [NAME …] [# comment]` a line. */
function namesIn(text: string): ReadonlySet<string> {
  const names = text.split('\n').flatMap((line) => line.replace(/#.*/, '').trim().split(/\s+/).slice(1));
  return new Set(names.map((name) => name.toLowerCase()));
}
