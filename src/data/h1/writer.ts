// How both sides write a message: head and small body gathered in one text for one system call, large chunks handed over as
// they are, chunked framing where the message has no length. The socket's owner decides what is written; this knows how.

import type { Socket } from 'node:net';
import type { Fields } from '../../wire/fields.ts';
import { chunkSize, LAST_CHUNK, trailersBlock } from '../../wire/write.ts';
import { BULK_BYTES, giveBulk, isShared, MAX_QUEUED_BYTES, owned, putText, takeBulk, textOf } from '../buffers.ts';
import { canWriteDirectly, type Pending, writeBytes, writeText } from './direct.ts';

/** Up to here bytes travel in the same text as the head. Above, copying them costs more than a second piece to write. */
const SMALL_BYTES = 1024;

/** What Node's Writable keeps count of: all that is not written, and the part that its handle has been given. */
interface Queue {
  readonly length: number;
  readonly writelen?: number;
}

export class MessageWriter implements Pending {
  /** Frames the body in chunks. Set with each head. */
  isChunked = false;
  /** Something was written since this was last set to false. */
  hasWritten = false;
  pendingWrites = 0;
  readonly #socket: Socket;
  readonly #isDirect: boolean;
  readonly #isTls: boolean;
  readonly #onDrain: () => void;
  readonly #onEncrypted: ((error?: Error | null) => void) | undefined;
  /** What waits to travel in one write; latin1. */
  #text = '';

  /** `onDrain`: whatever was not taken at once has left. */
  constructor(socket: Socket, onDrain: () => void) {
    this.#socket = socket;
    this.#isDirect = canWriteDirectly(socket);
    this.#isTls = (socket as Socket & { encrypted?: boolean }).encrypted === true;
    this.#onDrain = onDrain;
    if (this.#isTls) this.#onEncrypted = (error) => this.#left(error);
    socket.on('drain', () => {
      if (this.hasRoom) onDrain();
    });
  }

  /** More may be handed over. Whenever this was false, `onDrain` follows once it is true again. */
  get hasRoom(): boolean {
    const socket = this.#socket;
    return this.pendingWrites === 0 && (!socket.writableNeedDrain || socket.writableLength === 0);
  }

  /** Everything handed over has left for the kernel. */
  get isFlushed(): boolean {
    return this.pendingWrites === 0 && this.#socket.writableLength === 0;
  }

  /**
   * Nothing that was handed over is read any more, so its memory may be written to. That is sooner than `isFlushed` over TLS,
   * which encrypts what a write brings into memory of its own before that write returns.
   */
  get hasLetGo(): boolean {
    if (!this.#isTls) return this.isFlushed;
    const { length, writelen } = (this.#socket as unknown as { _writableState: Queue })._writableState;
    return length === writelen;
  }

  /** Adds a text: a head, or a whole small message. latin1. */
  text(text: string): void {
    this.#text = this.#text === '' ? text : this.#text + text;
  }

  /** Body bytes. False = hold back until `onDrain`. */
  chunk(chunk: Buffer, from: number, to: number): boolean {
    const bytes = to - from;
    if (bytes <= SMALL_BYTES && this.#text.length <= SMALL_BYTES) {
      const data = textOf(chunk, from, to);
      this.#text += this.isChunked ? `${chunkSize(bytes)}${data}\r\n` : data;
      return this.hasRoom;
    }
    const before = this.isChunked ? this.#text + chunkSize(bytes) : this.#text;
    this.#text = '';
    this.hasWritten = true;
    if (
      this.#isDirect ? this.#sendAtOnce(before, chunk, from, to) : this.#isTls && this.#encrypt(before, chunk, from, to)
    )
      return this.hasRoom;
    const socket = this.#socket;
    socket.cork();
    if (before !== '') socket.write(before, 'latin1');
    socket.write(owned(chunk, from, to));
    if (this.isChunked) socket.write('\r\n', 'latin1');
    socket.uncork();
    return this.hasRoom;
  }

  /**
   * One system call, past the socket's queue. What was read into memory that the next read writes to has to be copied anyway,
   * and so travels with what stands before and behind it. False = the pieces are better written as they are.
   */
  #sendAtOnce(before: string, chunk: Buffer, from: number, to: number): boolean {
    const isCopied = isShared(chunk);
    const behindBytes = this.isChunked ? 2 : 0;
    if (!isCopied) {
      if (before !== '' || behindBytes > 0) return false;
      writeBytes(this.#socket, chunk.subarray(from, to), this);
      return true;
    }
    const bytes = before.length + (to - from) + behindBytes;
    if (bytes > BULK_BYTES) return false;
    const out = takeBulk(bytes);
    let at = before === '' ? 0 : putText(out, before, 0);
    at += chunk.copy(out, at, from, to);
    if (this.isChunked) at += putText(out, '\r\n', at);
    writeBytes(this.#socket, out.subarray(0, at), this, out);
    return true;
  }

  /**
   * The same over TLS, through the socket's queue while nothing waits there. What was encrypted is read no more, however long the
   * client takes for it: a slow one holds the ciphertext alone. False = the pieces are better written as they are.
   */
  #encrypt(before: string, chunk: Buffer, from: number, to: number): boolean {
    const behindBytes = this.isChunked ? 2 : 0;
    const bytes = before.length + (to - from) + behindBytes;
    if (bytes > BULK_BYTES || !isShared(chunk) || this.#socket.writableLength > 0) return false;
    const out = takeBulk(bytes);
    let at = before === '' ? 0 : putText(out, before, 0);
    at += chunk.copy(out, at, from, to);
    if (this.isChunked) at += putText(out, '\r\n', at);
    const whole = out.subarray(0, at);
    if (bytes < MAX_QUEUED_BYTES) this.#socket.write(whole);
    else {
      this.pendingWrites++; // no more is to be encrypted, let alone queued, until this has left
      this.#socket.write(whole, this.#onEncrypted);
    }
    if (this.hasLetGo) giveBulk(out);
    return true;
  }

  /** The body is whole. */
  end(trailers: Fields | null): void {
    if (this.isChunked) this.#text += trailers === null ? LAST_CHUNK : trailersBlock(trailers);
    this.isChunked = false;
  }

  /** Sends what was gathered. False = the kernel has not taken it all. */
  flush(): boolean {
    if (this.#text === '') return true;
    const text = this.#text;
    this.#text = '';
    this.hasWritten = true;
    if (this.#isDirect) return writeText(this.#socket, text, this);
    return this.#socket.write(text, 'latin1');
  }

  /** Forgets what was gathered. */
  drop(): void {
    this.#text = '';
  }

  #left(error: Error | null | undefined): void {
    this.pendingWrites--;
    this.onWritten(error !== null && error !== undefined);
  }

  onWritten(failed: boolean): void {
    if (failed) this.#socket.destroy();
    else if (this.hasRoom) this.#onDrain();
  }
}
