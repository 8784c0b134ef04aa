// What is below net.Socket: the handle that libuv's streams are driven through, and the few names that Node's own code uses
// with it. Node gives them away (process.binding), but promises nothing: whoever asks here must do without when it gets null.

import type { Socket } from 'node:net';

/** The request object of one write, as net.Socket makes them. */
export interface WriteRequest {
  handle: StreamHandle | null;
  oncomplete: (this: WriteRequest, status: number) => void;
  async: boolean;
  owner: unknown;
  /** A pooled buffer that is free once the write is over. */
  lent: Buffer | null;
  /** What is being written: nobody else may hold its memory. */
  bytes: Uint8Array | null;
}

export interface StreamHandle {
  /** -1 = closed. */
  readonly fd: number;
  /** Told of what was read; what it returns, if anything, is read into next. */
  onread: ((this: StreamHandle, arrayBuffer: ArrayBuffer | undefined) => unknown) | undefined;
  useUserBuffer(buffer: Uint8Array): void;
  /** All that was ever given to it to write; and the part that waits for the kernel. */
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
  /** Of a TLS handle: the one below, where its ciphertext goes. */
  readonly _parent?: StreamHandle;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

export interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  /** Results of the last call or callback. */
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

/** null = this Node keeps them to itself. */
export const streams: StreamBinding | null = bindingOf();

function bindingOf(): StreamBinding | null {
  try {
    const found = (process as unknown as { binding(name: string): StreamBinding }).binding('stream_wrap');
    const isWhole =
      typeof found.WriteWrap === 'function' &&
      found.streamBaseState !== undefined &&
      typeof found.kReadBytesOrError === 'number' &&
      typeof found.kLastWriteWasAsync === 'number';
    return isWhole ? found : null;
  } catch {
    return null;
  }
}

/** null = closed, or not open yet. */
export function handleOf(socket: Socket): StreamHandle | null {
  return (socket as unknown as { _handle: StreamHandle | null })._handle;
}

/** How much of what was written the kernel has taken so far, bytes, of TLS the ciphertext; it takes more when the peer does. */
export function takenBytes(socket: Socket): number {
  const handle = handleOf(socket);
  if (handle === null) return 0;
  const { bytesWritten, writeQueueSize } = handle._parent ?? handle;
  return bytesWritten - writeQueueSize;
}
