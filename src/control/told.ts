// What all workers are told beside Snapshots: databases, keys of session tickets, addresses of names, where data is. The last of
// each is kept, for those that are born later.

import type { SharedFile, TicketKeyring, ToWorker } from '../core/messages.ts';

export class Told {
  readonly #post: (message: ToWorker) => void;
  #geo: readonly SharedFile[] = [];
  #tickets: TicketKeyring = {};
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #localities = new Map<string, SharedArrayBuffer>();

  /** `post`: to every worker that there is. */
  constructor(post: (message: ToWorker) => void) {
    this.#post = post;
  }

  setGeo(files: readonly SharedFile[]): void {
    this.#geo = files;
    this.#post({ type: 'geo', files });
  }

  /** From now on; before a Snapshot is given to workers, for that one too. */
  setTickets(keys: TicketKeyring): void {
    this.#tickets = keys;
    this.#post({ type: 'tickets', keys });
  }

  /** What workers answer peers with. A worker that is born later is told the next time. */
  setMeasured(text: string): void {
    this.#post({ type: 'measured', text });
  }

  /** Addresses of a name; null = nobody needs it any more. */
  setAddresses(host: string, addresses: readonly string[] | null): void {
    if (addresses === null) this.#addresses.delete(host);
    else this.#addresses.set(host, addresses);
    this.#post({ type: 'addresses', addresses: { [host]: addresses } });
  }

  /** A newer copy of a directory of where data is. */
  setLocality(name: string, buffer: SharedArrayBuffer): void {
    this.#localities.set(name, buffer);
    this.#post({ type: 'locality', name, buffer });
  }

  /** For a worker that is born. */
  all() {
    return {
      geo: this.#geo,
      tickets: this.#tickets,
      addresses: Object.fromEntries(this.#addresses),
      localities: Object.fromEntries(this.#localities),
    };
  }
}
