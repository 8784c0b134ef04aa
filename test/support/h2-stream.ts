// A stream as the client of h2.ts sees it: what has come of its answer, and how it ended.

import type { Field } from './hpack.ts';

export class Stream {
  readonly id: number;
  status = 0;
  fields: Field[] = [];
  trailers: Field[] | null = null;
  readonly interims: Field[][] = [];
  bodyBytes = 0;
  /** Kept only of small bodies. */
  readonly parts: Buffer[] = [];
  hasEnded = false;
  /** The code of RST_STREAM; -1 = none came. */
  resetCode = -1;
  /** When its last frame came. */
  endedAtMs = 0;
  /** The client has reset it. */
  isGivenUp = false;
  /** What the server may still send. */
  window: number;

  constructor(id: number, window: number) {
    this.id = id;
    this.window = window;
  }

  get body(): string {
    return Buffer.concat(this.parts).toString('latin1');
  }

  get isOver(): boolean {
    return this.hasEnded || this.resetCode >= 0;
  }

  field(name: string): string | null {
    const values = this.all(name);
    if (values.length > 1) throw new Error(`${name} came ${values.length} times: ${values.join(' | ')}`);
    return values[0] ?? null;
  }

  all(name: string): string[] {
    return this.fields.filter(([n]) => n === name).map(([, value]) => value);
  }
}
