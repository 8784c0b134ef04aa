// Loaded before the real process (NODE_OPTIONS=--import): a zlib that runs out of memory. Streams of gzip fail when they have taken
// FAIL_AFTER bytes of one content, whole bodies that begin with `fail` at once. The process itself is the shipped one.

import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';

const FAIL_AFTER = 100_000;
const { createGzip, gzipSync } = zlib;

function createFailing(options: Parameters<typeof createGzip>[0]): ReturnType<typeof createGzip> {
  const stream = createGzip(options);
  const transform = stream._transform;
  let taken = 0;
  stream._transform = function (chunk: Buffer, encoding, done) {
    taken += chunk.length;
    if (taken > FAIL_AFTER) done(new Error('Z_MEM_ERROR'));
    else transform.call(this, chunk, encoding, done);
  };
  const resettable = stream as typeof stream & { reset(): void };
  const { reset } = resettable;
  resettable.reset = function () {
    taken = 0;
    reset.call(this);
  };
  // Down to gzipSync for whole bodies.
  Object.defineProperty((stream as unknown as { _handle: object })._handle, 'writeSync', { value: undefined });
  return stream;
}

function failingSync(bytes: Buffer, options: Parameters<typeof gzipSync>[1]): Buffer {
  if (bytes.toString('latin1', 0, 4) === 'fail') throw new Error('Z_MEM_ERROR');
  return gzipSync(bytes, options);
}

Object.defineProperty(zlib, 'createGzip', { value: createFailing });
Object.defineProperty(zlib, 'gzipSync', { value: failingSync });
syncBuiltinESMExports();
