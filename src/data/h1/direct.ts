// Writing a text to a socket at once. A response is one string and one system call; on its way there Node's stream
// machinery (queue, callbacks, a tick per write) costs more than our whole codec. So when nothing is queued on the socket, the
// text is handed to its handle directly, exactly as net.Socket does at the bottom of that machinery, and only what the kernel
// did not take at once is waited for. Where Node does not give the streams away, socket.write does the same, dearer.

import type { Socket } from 'node:net';
import { giveBulk } from '../buffers.ts';
import { handleOf, type StreamBinding, type StreamHandle, streams, type WriteRequest } from '../handle.ts';

/** Who writes past the socket's own queue, and is told when the kernel has taken what it did not take at once. */
export interface Pending {
  /** Writes under way. */
  pendingWrites: number;
  onWritten(failed: boolean): void;
}

/** A request that was completed at once can serve the next write. */
let spare: WriteRequest | null = null;

function onComplete(this: WriteRequest, status: number): void {
  const owner = this.owner as Pending | null;
  this.handle = null;
  this.owner = null;
  if (this.lent !== null) giveBulk(this.lent);
  this.lent = null;
  this.bytes = null;
  if (owner === null) return;
  owner.pendingWrites--;
  owner.onWritten(status < 0);
}

/** Whether texts may go past the socket's own queue: on plain sockets only, TLS takes one write at a time. */
export function canWriteDirectly(socket: Socket): boolean {
  return streams !== null && (socket as Socket & { encrypted?: boolean }).encrypted !== true;
}

/**
 * Sends latin1 `text` on a socket that `canWriteDirectly`. False = the kernel has not taken all of it yet; `owner.onWritten` follows (or, where the socket's own
 * queue was used, its `drain`). Never throws; an error destroys the socket.
 */
export function writeText(socket: Socket, text: string, owner: Pending): boolean {
  const handle = handleOf(socket);
  if (streams === null || handle === null || socket.writableLength > 0 || socket.writableEnded) {
    return socket.destroyed ? false : socket.write(text, 'latin1');
  }
  const request = requestOf(streams, handle, owner);
  const error = handle.writeLatin1String(request, text);
  if (error !== 0) {
    socket.destroy();
    return false;
  }
  return isWritten(streams, request, owner);
}

/**
 * The same with bytes, on plain and TLS sockets alike; `bytes` must stay as they are until they are gone. `lent`: the bulk buffer
 * that they are in, which goes back to the pool then; null = it is somebody else's. On a TLS socket one write at a time: after
 * false, the next one only when `owner.onWritten` has been called.
 */
export function writeBytes(socket: Socket, bytes: Buffer, owner: Pending, lent: Buffer | null = null): boolean {
  const handle = handleOf(socket);
  if (streams === null || handle === null || socket.writableLength > 0 || socket.writableEnded) {
    owner.pendingWrites++;
    socket.write(bytes, (error) => {
      if (lent !== null) giveBulk(lent);
      owner.pendingWrites--;
      owner.onWritten(error !== null && error !== undefined);
    });
    return false;
  }
  const request = requestOf(streams, handle, owner);
  const error = handle.writeBuffer(request, bytes);
  if (error !== 0) {
    socket.destroy();
    return false;
  }
  request.lent = lent;
  if (isWritten(streams, request, owner)) return true;
  request.bytes = bytes; // the handle itself does not keep the memory alive
  return false;
}

function requestOf(binding: StreamBinding, handle: StreamHandle, owner: Pending): WriteRequest {
  const request = spare ?? new binding.WriteWrap();
  spare = null;
  request.handle = handle;
  request.oncomplete = onComplete;
  request.async = false;
  request.owner = owner;
  request.lent = null;
  request.bytes = null;
  return request;
}

/** Whether the kernel has taken all of the last write; then what it needed is free again. */
function isWritten(binding: StreamBinding, request: WriteRequest, owner: Pending): boolean {
  if (binding.streamBaseState[binding.kLastWriteWasAsync] !== 0) {
    owner.pendingWrites++;
    return false;
  }
  request.handle = null;
  request.owner = null;
  if (request.lent !== null) giveBulk(request.lent);
  request.lent = null;
  spare = request;
  return true;
}
