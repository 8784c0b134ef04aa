// What the node and the thread that writes the access log say to each other, beside what is in shared memory.

export interface WriterBirth {
  readonly rings: readonly SharedArrayBuffer[];
  readonly bell: SharedArrayBuffer;
  /** null = stdout. */
  readonly file: string | null;
}

/** Goes there from now on; what is there already is opened anew. */
export interface ToWriter {
  readonly type: 'use';
  readonly file: string | null;
}

/** What went wrong, for people; once a minute. */
export interface FromWriter {
  readonly type: 'trouble';
  readonly message: string;
}
