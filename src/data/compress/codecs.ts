// The compressors, all of them zlib's (node:zlib): how each is set up, and what each setting costs. Measured on 4 MiB of scripts,
// one core, ms of CPU per MB and what is left of the content (2026-11-21, Node 26):
//
//   gzip 4: 10 ms .246   5: 14 ms .237   6: 20 ms .234      br 3: 7.7 ms .228   4: 10 ms .221   5: 18 ms .204
//   zstd 2: 3.4 ms .248  3: 4.2 ms .235  5: 8.3 ms .214
//
// They are not used twice. Making one costs some 30 µs, which only small answers notice, and those need none (`whole`). Only
// gzip's reset is worth anything: brotli's loses its settings (and goes on at quality 11).

import {
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import { COMPRESS_CODINGS, type CompressCoding } from '../../core/snapshot.ts';

/** The window that is searched for repetitions: 256 KiB. Larger ones hold memory (1 MiB: twice the whole) for few per cent. */
const WINDOW_BITS = 18;

const GZIP = { level: 5 };
const BROTLI = {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 4,
    [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
  },
};
const ZSTD = {
  params: {
    [constants.ZSTD_c_compressionLevel]: 3,
    [constants.ZSTD_c_windowLog]: WINDOW_BITS,
  },
};

/** What a coder needs of a stream of node:zlib. Its work is done on libuv's threads. */
export type Compressor = ReturnType<typeof createGzip>;

export interface Codec {
  readonly name: CompressCoding;
  /** Its place in COMPRESS_CODINGS: what the counters call it. */
  readonly index: number;
  make(): Compressor;
  /** Operation that brings out everything that went in, and goes on. */
  readonly flush: number;
  /** A whole small body at once, on this thread. May throw what zlib throws. */
  whole(bytes: Buffer): Buffer;
}

const CODECS: Readonly<Record<CompressCoding, Omit<Codec, 'name' | 'index'>>> = {
  gzip: { make: () => createGzip(GZIP), flush: constants.Z_SYNC_FLUSH, whole: (bytes) => gzipSync(bytes, GZIP) },
  br: {
    make: () => createBrotliCompress(BROTLI),
    flush: constants.BROTLI_OPERATION_FLUSH,
    whole: (bytes) => brotliCompressSync(bytes, BROTLI),
  },
  zstd: {
    make: () => createZstdCompress(ZSTD),
    flush: constants.ZSTD_e_flush,
    whole: (bytes) => zstdCompressSync(bytes, ZSTD),
  },
};

export function codecOf(name: CompressCoding): Codec {
  return { name, index: COMPRESS_CODINGS.indexOf(name), ...CODECS[name] };
}
