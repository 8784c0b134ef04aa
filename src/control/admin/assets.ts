// The console's files, read once at start: a few KiB that then come from memory, and no path of a request ever reaches
// the file system.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Strong validator, quoted. */
  readonly etag: string;
}

const FILES = {
  '/ui/': ['index.html', 'text/html; charset=utf-8'],
  '/ui/app.css': ['app.css', 'text/css; charset=utf-8'],
  '/ui/app.js': ['app.js', 'text/javascript; charset=utf-8'],
} as const;

/** By path of the request. Rejects when a file cannot be read: the installation is broken. */
export async function loadAssets(directory: URL): Promise<ReadonlyMap<string, Asset>> {
  const entries = Object.entries(FILES).map(async ([path, [file, type]]): Promise<[string, Asset]> => {
    const body = new Uint8Array(await readFile(new URL(file, directory)));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    return [path, { body, type, etag }];
  });
  return new Map(await Promise.all(entries));
}
