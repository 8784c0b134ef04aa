// The console's files, read once at start: they then come from memory, and no path of a request ever reaches the file system.
// Compressed when somebody first asks, once, and not on this thread's time (zlib has threads of its own).

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

export type Coding = 'br' | 'gzip' | 'identity';
type Bytes = Uint8Array<ArrayBuffer>;

export interface Asset {
  readonly type: string;
  /** Strong validators, quoted: one a coding, since each is another sequence of bytes. */
  etagOf(coding: Coding): string;
  /** Whether it is worth being compressed. */
  readonly isText: boolean;
  body(coding: Coding): Promise<Bytes>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.json': 'application/json',
};

/** Of packages in node_modules, wherever those are. */
const VENDORED = {
  '/ui/vendor/uplot.js': 'uplot/dist/uPlot.iife.min.js',
  '/ui/vendor/uplot.css': 'uplot/dist/uPlot.min.css',
} as const;

/** Lies beside the scripts for the sake of whoever writes them. */
const FOR_THE_EDITOR = 'tsconfig.json';
/** Below this a coding saves nothing that matters. */
const LEAST_BYTES = 256;

/** By path of the request: all that is in `directory`, and the libraries. Rejects when a file cannot be read: the installation is broken. */
export async function loadAssets(directory: URL): Promise<ReadonlyMap<string, Asset>> {
  const root = fileURLToPath(directory);
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  const own = found
    .filter((entry) => entry.isFile() && extname(entry.name) in TYPES && entry.name !== FOR_THE_EDITOR)
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file): [string, string] => [pathOf(relative(root, file)), file]);
  const vendored = Object.entries(VENDORED).map(([path, name]): [string, string] => [
    path,
    fileURLToPath(import.meta.resolve(name)),
  ]);
  const files = [...own, ...vendored];
  return new Map(await Promise.all(files.map(async ([path, file]) => [path, await load(file)] as const)));
}

/** Where a file of the directory is asked for: `index.html` as the directory itself. */
function pathOf(file: string): string {
  const path = `/ui/${file.split(sep).join('/')}`;
  return path === '/ui/index.html' ? '/ui/' : path;
}

async function load(file: string): Promise<Asset> {
  const body = new Uint8Array(await readFile(file));
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  const made = new Map<Coding, Promise<Bytes>>([['identity', Promise.resolve(body)]]);
  return {
    type: TYPES[extname(file)]!,
    isText: body.length >= LEAST_BYTES,
    etagOf: (coding) => (coding === 'identity' ? `"${digest}"` : `"${digest}-${coding}"`),
    body(coding) {
      const bytes = made.get(coding) ?? compressed(body, coding);
      made.set(coding, bytes);
      return bytes;
    },
  };
}

const brotli = promisify(brotliCompress);
const gzipped = promisify(gzip);

async function compressed(body: Bytes, coding: Coding): Promise<Bytes> {
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: body.length, [constants.BROTLI_PARAM_QUALITY]: 11 };
  const bytes = await (coding === 'br' ? brotli(body, { params }) : gzipped(body, { level: 9 }));
  return new Uint8Array(bytes);
}

/** The best coding that an Accept-Encoding field allows. */
export function codingOf(acceptEncoding: string | undefined): Coding {
  const accepted = new Set<string>();
  for (const part of (acceptEncoding ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    if (!parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) accepted.add(name);
  }
  if (accepted.has('br')) return 'br';
  return accepted.has('gzip') ? 'gzip' : 'identity';
}
