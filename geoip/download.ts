// A database from its publisher, by HTTP: DB-IP Lite (no account) or MaxMind (account and licence key), or from a mirror. Fetched
// only when it is newer than what is there, checked, and put in place by rename, so that a running proxy sees one whole file or
// the other and takes it over by itself. What the user sees of it is update.ts.

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { loadGeoFile } from './load.ts';
import type { GeoFileInfo } from './reader.ts';
import { unpack } from './unpack.ts';

const DBIP_URL = 'https://download.db-ip.com/free/{edition}-{month}.mmdb.gz';
const MAXMIND_URL = 'https://download.maxmind.com/geoip/databases/{edition}/download?suffix=tar.gz';
export const DEFAULT_EDITION = 'dbip-city-lite';

/** Of one request, its body included. */
const WHOLE_MS = 15 * 60_000;
/** Between two chunks of an answer. */
const SILENCE_MS = 60_000;
/** Nothing published comes near; guards against a server that never ends. */
const MOST_BYTES = 2 * 2 ** 30;
/** What a killed update has left behind is removed by a later one, when nobody can be writing to it any more. */
const STALE_MS = 3_600_000;

export interface DownloadOptions {
  /** Where the file goes. Its directory is made. */
  readonly to: string;
  /** `dbip-city-lite` (the default), `dbip-country-lite`, or one of MaxMind's, such as `GeoLite2-City`. */
  readonly edition?: string | undefined;
  /** A mirror: a URL in which {edition} and {month} (2026-11) are filled in. */
  readonly from?: string | undefined;
  readonly nowMs: number;
  /** MaxMind's: GEOIPUPDATE_ACCOUNT_ID and GEOIPUPDATE_LICENSE_KEY, as their own tool has them. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where MaxMind is; for tests. */
  readonly maxmindUrl?: string;
  /** Bytes that have come, of how many (null: not told). Called for every chunk. */
  readonly onProgress?: ((bytes: number, ofBytes: number | null) => void) | undefined;
}

export interface Downloaded {
  /** False: what is there is the newest. */
  readonly updated: boolean;
  /** ISO 8601: when the file that was there was built; null when there was none. */
  readonly from: string | null;
  /** The same of the file that is there now. */
  readonly to: string | null;
  readonly type: string | null;
  readonly sizeBytes: number | null;
  readonly url: string;
  /** Whether the publisher's own SHA-256 was compared; DB-IP has none. */
  readonly isHashChecked: boolean;
}

/** Rejects with an error whose message names the URL and the reason; the file that is there is then as it was. */
export async function downloadGeo(options: DownloadOptions): Promise<Downloaded> {
  const edition = options.edition ?? DEFAULT_EDITION;
  const known = await infoOf(options.to);
  const request = requestOf(edition, options);
  for (const [i, url] of request.urls.entries()) {
    const answer = await ask(url, request, known === null ? null : (await stat(options.to)).mtime);
    if (answer.status === 304) {
      await answer.body?.cancel();
      return result(false, known, known, url, false);
    }
    // This month's is out some days into the month.
    if (answer.status === 404 && i + 1 < request.urls.length) {
      await answer.body?.cancel();
      continue;
    }
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new Error(`${url}: ${reasonOf(answer.status, request.isMaxMind)}`);
    }
    return await take(answer, url, request, known, options);
  }
  throw new Error('there is no URL to ask');
}

interface Request {
  readonly urls: readonly string[];
  readonly authorization: string | null;
  readonly isMaxMind: boolean;
}

const MAXMIND_EDITION = /^Geo(Lite2|IP2)-/;

/** Why there is no such download at any time, in words; null = there may be. */
export function whyNever(edition: string, from: string | undefined): string | null {
  if (!/^[A-Za-z0-9-]+$/.test(edition)) return `${JSON.stringify(edition)} is no edition`;
  if (from === undefined) {
    return MAXMIND_EDITION.test(edition) || /^dbip-[a-z]+-lite$/.test(edition)
      ? null
      : `${edition} is unknown here: dbip-city-lite, dbip-country-lite, GeoLite2-…, GeoIP2-…, or --from URL`;
  }
  return /^https?:$/.test(URL.parse(from)?.protocol ?? '') ? null : `${from} is no http:// or https:// URL`;
}

function requestOf(edition: string, options: DownloadOptions): Request {
  const { from, nowMs, env = process.env, maxmindUrl = MAXMIND_URL } = options;
  const never = whyNever(edition, from);
  if (never !== null) throw new Error(never);
  const isMaxMind = from === undefined && MAXMIND_EDITION.test(edition);
  const template = from ?? (isMaxMind ? maxmindUrl : DBIP_URL);
  const months = template.includes('{month}') ? [monthOf(nowMs), monthOf(nowMs, 1)] : [''];
  const urls = months.map((month) => template.replaceAll('{edition}', edition).replaceAll('{month}', month));
  return { urls, authorization: isMaxMind ? credentialsOf(env) : null, isMaxMind };
}

/** `2026-11`, or so many months before. UTC. */
function monthOf(nowMs: number, before = 0): string {
  const now = new Date(nowMs);
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - before, 1)).toISOString().slice(0, 7);
}

function credentialsOf(env: NodeJS.ProcessEnv): string {
  const { GEOIPUPDATE_ACCOUNT_ID: account, GEOIPUPDATE_LICENSE_KEY: key } = env;
  if (!account || !key) {
    throw new Error('MaxMind wants an account: set GEOIPUPDATE_ACCOUNT_ID and GEOIPUPDATE_LICENSE_KEY');
  }
  return `Basic ${Buffer.from(`${account}:${key}`).toString('base64')}`;
}

/** The answer's head. A redirect to another host is followed without the credentials: fetch sees to that. */
async function ask(url: string, { authorization }: Request, since: Date | null): Promise<Response> {
  const headers = new Headers({ 'user-agent': 'fermat-geoip-update' });
  if (authorization !== null) headers.set('authorization', authorization);
  if (since !== null) headers.set('if-modified-since', since.toUTCString());
  try {
    return await fetch(url, { headers, signal: AbortSignal.timeout(WHOLE_MS) });
  } catch (error) {
    const cause = (error as { cause?: { code?: string; message?: string } }).cause;
    throw new Error(`${url}: ${cause?.code ?? cause?.message ?? String(error)}`);
  }
}

async function take(
  answer: Response,
  url: string,
  request: Request,
  known: GeoFileInfo | null,
  options: DownloadOptions,
): Promise<Downloaded> {
  const { to } = options;
  await mkdir(dirname(to), { recursive: true });
  await removeStale(to, options.nowMs);
  const scratch = join(dirname(to), `.${basename(to)}.${process.pid}-${options.nowMs}.update`);
  try {
    const sha256 = await save(answer, scratch, options.onProgress).catch((error: Error) => {
      throw new Error(`${url}: ${error.message}`);
    });
    if (request.isMaxMind) await compare(`${url}.sha256`, request, sha256);
    const fresh = await infoOf(scratch, url);
    // A mirror may lag behind what is here.
    if (known !== null && olderThan(fresh, known)) return result(false, known, known, url, request.isMaxMind);
    const published = Date.parse(answer.headers.get('last-modified') ?? '');
    const moment = new Date(Number.isNaN(published) ? options.nowMs : published);
    await utimes(scratch, moment, moment);
    await rename(scratch, to);
    return result(true, known, fresh, url, request.isMaxMind);
  } finally {
    await rm(scratch, { force: true });
  }
}

/** Unpacks it into the file and on to the disk. Gives the SHA-256 of what came, in hexadecimal. */
async function save(answer: Response, file: string, onProgress: DownloadOptions['onProgress']): Promise<string> {
  if (answer.body === null) throw new Error('an answer without a body');
  const told = Number(answer.headers.get('content-length') ?? Number.NaN);
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) throw new Error('larger than any database');
      hash.update(chunk);
      onProgress?.(bytes, Number.isFinite(told) ? told : null);
      yield chunk;
    }
  }
  await pipeline(unpack(counted(alive(answer.body))), limited, createWriteStream(file, { mode: 0o644 }));
  const handle = await open(file, 'r+');
  await handle.sync().finally(() => handle.close());
  return hash.digest('hex');
}

/** Unpacked, too, it must not be without end. */
async function* limited(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error('unpacks to more than any database');
    yield chunk;
  }
}

/** Ends with an error when nothing comes for a while. */
async function* alive(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing came for ${SILENCE_MS / 1000} s`)), SILENCE_MS);
      });
      const { value, done } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function compare(url: string, request: Request, sha256: string): Promise<void> {
  const answer = await ask(url, request, null);
  const text = await answer.text();
  const expected = /^[0-9a-f]{64}/i.exec(text)?.[0]?.toLowerCase();
  if (answer.status !== 200 || expected === undefined) throw new Error(`${url}: gave no SHA-256 (${answer.status})`);
  if (expected !== sha256) throw new Error(`${url}: the SHA-256 is ${expected}, of what came ${sha256}`);
}

/** null when there is no usable file; with a URL, that is an error that names it. */
async function infoOf(path: string, url?: string): Promise<GeoFileInfo | null> {
  try {
    return (await loadGeoFile(path)).info;
  } catch (error) {
    if (url === undefined) return null;
    throw new Error(`${url}: is no database: ${(error as Error).message.replace(`${path}: `, '')}`);
  }
}

const olderThan = (a: GeoFileInfo | null, b: GeoFileInfo): boolean =>
  a !== null && a.type === b.type && a.built !== null && b.built !== null && Date.parse(a.built) < Date.parse(b.built);

function result(
  updated: boolean,
  before: GeoFileInfo | null,
  now: GeoFileInfo | null,
  url: string,
  isHashChecked: boolean,
): Downloaded {
  const { built = null, type = null, sizeBytes = null } = now ?? {};
  return { updated, from: before?.built ?? null, to: built, type, sizeBytes, url, isHashChecked };
}

function reasonOf(status: number, isMaxMind: boolean): string {
  if (status === 401 || status === 403) {
    return isMaxMind
      ? `${status}: the account, its licence key, or what it may download is not right`
      : `${status}: refused`;
  }
  if (status === 404) return '404: there is no such edition';
  if (status === 429) return "429: asked too often; MaxMind counts an account's downloads by the day";
  return `answered ${status}`;
}

async function removeStale(to: string, nowMs: number): Promise<void> {
  const directory = dirname(to);
  for (const name of await readdir(directory)) {
    if (!name.startsWith(`.${basename(to)}.`) || !name.endsWith('.update')) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && nowMs - found.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}
