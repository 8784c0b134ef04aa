// `fermat locality`: where the data of keys is, looked up and moved through the admin API of a node. Many keys go in portions, each
// of which happens whole or not at all; what a portion that was not answered has done is found out by sending it again.

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ChangeView, KeyView, ListView } from '../control/locality/api.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { CliError, complain, EXIT, type ExitCode, print, printJson } from './exit.ts';

export interface LocalityFlags extends AdminFlags {
  readonly directory?: string;
}

export interface MoveFlags extends LocalityFlags {
  readonly to: string;
  readonly from?: string;
  /** Keys, one a line; `-` = stdin. */
  readonly file?: string;
}

interface Change {
  readonly key: string;
  /** null = it is taken out. */
  readonly to: string | null;
  /** Left out = wherever it is; `*` = but somewhere. */
  readonly from?: string;
}

const MOST_CHANGES = 200;
/** The admin API takes bodies of 16 KiB. */
const MOST_BYTES = 12 * 1024;
const TRIES = 5;
const PROGRESS_MS = 500;

export async function get(key: string, flags: LocalityFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const view = await client.get<KeyView>(`${pathOf(flags)}?key=${encodeURIComponent(key)}`);
  if (flags.json) printJson(view);
  else {
    const late = view.here === view.place ? '' : ` (this node still sends to ${view.here ?? 'nowhere'})`;
    print(`${key}: ${view.place ?? 'nowhere'}${late}`);
  }
  return view.place === null ? EXIT.FAILED : EXIT.OK;
}

export function set(key: string, flags: MoveFlags): Promise<ExitCode> {
  return all(
    changes([key], () => ({ key, to: flags.to, ...(flags.from && { from: flags.from }) })),
    flags,
  );
}

export function remove(key: string, flags: LocalityFlags): Promise<ExitCode> {
  return all(
    changes([key], () => ({ key, to: null, from: '*' })),
    flags,
  );
}

/** Only what is somewhere moves: a slip in a key makes no new one. */
export function move(keys: readonly string[], flags: MoveFlags): Promise<ExitCode> {
  const { to, from = '*', file } = flags;
  if (keys.length > 0 === (file !== undefined)) throw new CliError('expected keys, or --file', EXIT.USAGE);
  return all(
    changes(file === undefined ? keys : linesOf(file), (line) => ({ key: line, to, from })),
    flags,
  );
}

/**
 * Lines of `KEY PLACE`, with blanks, a tab or a comma between; `#` begins a comment. A file without any makes a directory that
 * is there, and empty.
 */
export function load(file: string, flags: LocalityFlags): Promise<ExitCode> {
  return all(
    changes(linesOf(file), (line, number) => {
      // As `list` prints it: a key may hold and end with anything but a tab.
      const match = /^([^\t]+)\t(\S+)$/.exec(line) ?? /^(.*[^\s,])[\s,]+(\S+)$/.exec(line);
      if (match === null) throw new CliError(`${file}:${number}: expected KEY PLACE, got ${JSON.stringify(line)}`);
      return { key: match[1]!, to: match[2]! };
    }),
    flags,
    true,
  );
}

/** In no order. With the keys of others being moved meanwhile, one may be told twice, and is then told once here. */
export async function list(flags: LocalityFlags & { readonly at?: string }): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const page = await client.get<ListView>(`${pathOf(flags)}?cursor=${cursor}`);
    for (const { key, place } of page.entries) {
      if (seen.has(key) || (flags.at !== undefined && flags.at !== place)) continue;
      seen.add(key);
      print(flags.json ? JSON.stringify({ key, place }) : `${key}\t${place}`);
    }
    cursor = page.cursor;
  } while (cursor !== '0');
  return EXIT.OK;
}

async function all(changes: AsyncIterable<Change>, flags: LocalityFlags, isEmptyToo = false): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const told = new Tally(flags.json === true);
  let isNothing = true;
  for await (const batch of portions(changes)) {
    isNothing = false;
    told.add(await send(client, flags, batch), batch);
  }
  if (isNothing && isEmptyToo) told.add(await send(client, flags, []), []);
  return told.end();
}

/** What came of a portion, once Redis has answered. A change that was made by a try before this one is done. */
async function send(client: AdminClient, flags: LocalityFlags, batch: readonly Change[]): Promise<ChangeView> {
  const body = JSON.stringify({ changes: batch });
  for (let attempt = 1; ; attempt++) {
    const answer = await client.ask('POST', pathOf(flags), undefined, body);
    if (answer.status === 200) return JSON.parse(answer.text) as ChangeView;
    if (answer.status !== 503 || attempt === TRIES) return client.refuse(answer);
    await new Promise((resolve) => setTimeout(resolve, 250 * attempt));
  }
}

class Tally {
  readonly #isJson: boolean;
  #done = 0;
  #failed = 0;
  #version = 0;
  #toldMs = performance.now();

  constructor(isJson: boolean) {
    this.#isJson = isJson;
  }

  add({ version, results }: ChangeView, batch: readonly Change[]): void {
    this.#version = version;
    for (const [i, { key, result, before }] of results.entries()) {
      const isThere = result === 'done' || before === (batch[i]!.to ?? null);
      if (isThere) this.#done++;
      else {
        this.#failed++;
        const why =
          result === 'full' ? 'the directory is full' : `it is ${before === null ? 'nowhere' : `at ${before}`}`;
        complain(`${key}: not changed, ${why}`);
      }
    }
    if (this.#isJson || performance.now() - this.#toldMs < PROGRESS_MS) return;
    this.#toldMs = performance.now();
    complain(`${this.#done} done …`);
  }

  end(): ExitCode {
    if (this.#isJson) printJson({ done: this.#done, failed: this.#failed, version: this.#version });
    else print(`${this.#done} done${this.#failed > 0 ? `, ${this.#failed} not` : ''} (version ${this.#version})`);
    return this.#failed === 0 ? EXIT.OK : EXIT.FAILED;
  }
}

async function* changes<T extends string>(
  lines: Iterable<T> | AsyncIterable<T>,
  changeOf: (line: T, number: number) => Change,
): AsyncIterable<Change> {
  let number = 0;
  for await (const line of lines) yield changeOf(line, ++number);
}

async function* portions(changes: AsyncIterable<Change>): AsyncIterable<Change[]> {
  let batch: Change[] = [];
  let bytes = 0;
  for await (const change of changes) {
    const size = Buffer.byteLength(JSON.stringify(change)) + 1;
    if (batch.length === MOST_CHANGES || bytes + size > MOST_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(change);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Without blank lines and comments. */
async function* linesOf(file: string): AsyncIterable<string> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const text = line.trim();
      if (text !== '' && !text.startsWith('#')) yield text;
    }
  } catch (error) {
    throw new CliError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function pathOf({ directory = '-' }: LocalityFlags): string {
  return `/api/v1/locality/${encodeURIComponent(directory)}`;
}
