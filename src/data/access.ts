// The access log: lines built by hand, gathered, and written to stdout a few times a second, so that a request pays for a
// string and not for a system call. What is left is written before the worker ends.

import { writeSync } from 'node:fs';
import type { AccessFormat } from '../core/snapshot.ts';
import type { Exchange } from './exchange.ts';
import { attemptsOf } from './hedge.ts';

const FLUSH_MS = 100;
const FLUSH_CHARS = 64 * 1024;
const STDOUT = 1;
/** ms in all that one flush may wait for a reader; then its lines are lost. */
const MAX_WAITS = 50;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export class AccessLog {
  #text = '';
  #timer: NodeJS.Timeout | null = null;

  write(format: AccessFormat, ex: Exchange, totalMs: number): void {
    this.#text += format === 'json' ? jsonLine(ex, totalMs) : combinedLine(ex);
    if (this.#text.length > FLUSH_CHARS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  close(): void {
    this.#flush();
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    let bytes = Buffer.from(this.#text, 'latin1');
    this.#text = '';
    for (let waits = 0; bytes.length > 0; ) {
      try {
        bytes = bytes.subarray(writeSync(STDOUT, bytes));
      } catch (error) {
        // A full pipe is waited for, but not for long: requests wait, too. A closed one means that nobody reads.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || ++waits > MAX_WAITS) return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
  }
}

function jsonLine(ex: Exchange, totalMs: number): string {
  const { books, head, down } = ex;
  const endpoint = books.endpoint === null ? 'null' : JSON.stringify(books.endpoint.id);
  const route = ex.route === null ? 'null' : JSON.stringify(ex.route.spec.name);
  return `{"time":"${new Date().toISOString()}","client":"${down.peer.address}","method":${JSON.stringify(head.method)},"host":${JSON.stringify(head.authority)},"path":${JSON.stringify(head.path)},"status":${books.status},"bytes":${books.responseBytes},"durationMs":${totalMs.toFixed(3)},"route":${route},"endpoint":${endpoint},"attempts":${attemptsOf(ex)}}\n`;
}

function combinedLine(ex: Exchange): string {
  const { books, head, down } = ex;
  const referer = head.findName('referer');
  const agent = head.findName('user-agent');
  const quoted = (at: number): string =>
    at < 0 ? '-' : head.value(at).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `${down.peer.address || '-'} - - [${clfDate(new Date())}] "${head.method} ${head.target.replaceAll('"', '%22')} ${head.isH2 ? 'HTTP/2.0' : `HTTP/1.${head.minor}`}" ${books.status} ${books.responseBytes} "${quoted(referer)}" "${quoted(agent)}"\n`;
}

function clfDate(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
}
