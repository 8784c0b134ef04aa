// The codings, all of them zlib's (node:zlib): how each is set up, and what that costs. Measured on 4 MiB of scripts, one core,
// ms of CPU per MB and what is left of the content (2026-11-21, Node 26):
//
//   gzip 4: 10 ms .246   5: 14 ms .237   6: 20 ms .234      br 3: 7.7 ms .228   4: 10 ms .221   5: 18 ms .204
//   zstd 2: 3.4 ms .248  3: 4.2 ms .235  5: 8.3 ms .214

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
import { Compressors } from './compressors.ts';

/** The window that is searched for repetitions: 256 KiB. Larger ones hold memory (1 MiB: twice the whole) for few per cent. */
const WINDOW_BITS = 18;

const GZIP = { level: 5 };
const BROTLI = {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 4,
    [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
  },
};
/** For small bodies, where level 4 gains nothing over 3 (2 KiB of JSON: 380 bytes, 384) but clears twice the table for each. */
const SMALL_BROTLI = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 3, [constants.BROTLI_PARAM_LGWIN]: 14 },
};
const ZSTD = {
  params: {
    [constants.ZSTD_c_compressionLevel]: 3,
    [constants.ZSTD_c_windowLog]: WINDOW_BITS,
  },
};

export interface Codec {
  readonly name: CompressCoding;
  /** Its place in COMPRESS_CODINGS: what the counters call it. */
  readonly index: number;
  /** This worker's. */
  readonly compressors: Compressors;
}

const { Z_SYNC_FLUSH, Z_FINISH, BROTLI_OPERATION_FLUSH, BROTLI_OPERATION_FINISH, ZSTD_e_flush, ZSTD_e_end } = constants;

const COMPRESSORS = {
  gzip: new Compressors(
    () => createGzip(GZIP),
    (bytes) => gzipSync(bytes, GZIP),
    Z_SYNC_FLUSH,
    Z_FINISH,
    true,
  ),
  // After a reset brotli has forgotten its settings, and goes on at quality 11: 200 times as slow.
  br: new Compressors(
    () => createBrotliCompress(BROTLI),
    (bytes) => brotliCompressSync(bytes, SMALL_BROTLI),
    BROTLI_OPERATION_FLUSH,
    BROTLI_OPERATION_FINISH,
    false,
  ),
  zstd: new Compressors(
    () => createZstdCompress(ZSTD),
    (bytes) => zstdCompressSync(bytes, ZSTD),
    ZSTD_e_flush,
    ZSTD_e_end,
    true,
  ),
} satisfies Record<CompressCoding, Compressors>;

export function codecOf(name: CompressCoding): Codec {
  return { name, index: COMPRESS_CODINGS.indexOf(name), compressors: COMPRESSORS[name] };
}
