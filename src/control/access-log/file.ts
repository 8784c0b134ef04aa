// Opening what the access log is written to, and what kind of thing that is.

import { constants, fstatSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

export const STDOUT = 1;
/** Not for others: addresses of clients are personal. */
const MODE = 0o640;
/** What a pipe takes as one piece whoever else writes to it (PIPE_BUF). */
const PIPE_BYTES = 4096;
/** One write to a file, at most. */
const FILE_BYTES = 1024 * 1024;

export interface Sink {
  readonly fd: number;
  /** null = stdout. */
  readonly file: string | null;
  /** Bytes of one write. */
  readonly mostBytes: number;
}

/** Appending, never waiting. null = a FIFO that nobody reads yet. Throws the system's error. */
export function openLog(file: string): number | null {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  try {
    return openSync(file, O_WRONLY | O_APPEND | O_CREAT | (O_NONBLOCK ?? 0), MODE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return null;
    throw error;
  }
}

/** A terminal that stands still (Ctrl-S) would hold the writer for ever: it is opened once more, so as not to wait for it. */
function stdoutOf(): number {
  if (!isatty(STDOUT)) return STDOUT;
  try {
    const { O_WRONLY, O_NOCTTY, O_NONBLOCK } = constants;
    return openSync(`/proc/self/fd/${STDOUT}`, O_WRONLY | O_NOCTTY | O_NONBLOCK);
  } catch {
    return STDOUT; // of somebody else, or there is no /proc
  }
}

/** The same with what it is; of stdout, null = it is closed. */
export function openSink(file: string | null): Sink | null {
  const fd = file === null ? stdoutOf() : openLog(file);
  if (fd === null) return null;
  try {
    const stat = fstatSync(fd);
    // Another process may write to the same pipe (a hot restart): there, what is one piece stays one.
    return { fd, file, mostBytes: stat.isFIFO() || stat.isSocket() ? PIPE_BYTES : FILE_BYTES };
  } catch (error) {
    if (file === null) return null;
    throw error;
  }
}

/** Whether both lead to the same thing. */
export function isSame(a: Sink, b: Sink): boolean {
  const one = fstatSync(a.fd);
  const other = fstatSync(b.fd);
  return one.dev === other.dev && one.ino === other.ino;
}
