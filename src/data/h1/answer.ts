// How an answer is put for an HTTP/1.1 client: heads, length or chunks, and whether the connection outlives it (RFC 9112, 6 and
// 9.3). When it is sent, and what becomes of the connection behind it, is server.ts's and ending.ts's.

import { FRAMING } from '../../wire/body.ts';
import { copyKept, type Fields } from '../../wire/fields.ts';
import type { RequestHead } from '../../wire/request.ts';
import type { ResponseHead } from '../../wire/response.ts';
import { httpDate, lengthLine, statusLine } from '../../wire/write.ts';
import { MessageWriter } from './writer.ts';

/** METHODS index. */
const HEAD = 2;

export class AnswerWriter extends MessageWriter {
  /** The connection goes on behind this answer. */
  persist = true;
  isHeadRequest = false;
  /** HTTP/1.0. */
  isOldClient = false;
  /** A final head has been written. */
  hasBegun = false;
  /** The body has a Content-Length. */
  #isCounted = false;

  /** A request has come: what its head says of the answer. */
  begin(head: RequestHead, mayPersist: boolean): void {
    this.isHeadRequest = head.methodId === HEAD;
    this.isOldClient = head.minor === 0;
    this.persist = head.keepAlive && mayPersist;
    this.hasBegun = false;
  }

  /** Its end is told from the connection's, so that cutting it shows. */
  get hasEnd(): boolean {
    return this.isChunked || this.#isCounted;
  }

  interim(head: ResponseHead | null, status: number): void {
    this.text(`${statusLine(status, '')}${head === null ? '' : copyKept(head)}\r\n`);
  }

  /** See Downstream.head. */
  head(status: number, reason: string, fields: Fields | null, extra: string, framing: number, length: number): void {
    if (framing === FRAMING.UNTIL_CLOSE && this.isOldClient) this.persist = false;
    this.hasBegun = true;
    let text = statusLine(status, reason);
    if (fields !== null) text += copyKept(fields);
    text += extra;
    this.isChunked = false;
    this.#isCounted = framing === FRAMING.LENGTH;
    if (this.#isCounted) text += lengthLine(length);
    else if (framing !== FRAMING.NONE && !this.isHeadRequest) {
      if (this.isOldClient) this.persist = false;
      else {
        this.isChunked = true;
        text += 'Transfer-Encoding: chunked\r\n';
      }
    }
    if (!this.persist && status !== 101) text += 'Connection: close\r\n';
    this.text(`${text}\r\n`);
  }

  /** A whole answer of our own. `fields`: whole lines; `body`: latin1. */
  whole(status: number, fields: string, body: string): void {
    const close = this.persist ? '' : 'Connection: close\r\n';
    const content = status === 204 || status === 304 ? '' : `Content-Length: ${body.length}\r\n`;
    const head = `${statusLine(status, '')}${fields}${content}Date: ${httpDate(Date.now())}\r\nVia: 1.1 fermat\r\n${close}\r\n`;
    this.text(this.isHeadRequest ? head : head + body);
  }
}
