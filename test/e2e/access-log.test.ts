// The access log of the real process where it is hard: under a drain, over a hot restart, when its file is moved away, when its
// reader stands still or is gone. As many lines as requests, or it says how many are missing.

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { endAll, hotRestart, isAlive } from '../support/succession.ts';
import { until } from '../support/until.ts';

const TIMEOUT_MS = 60_000;
const CLIENTS = 8;
const scratch = mkdtempSync(join(tmpdir(), 'fermat-access-'));
let origin: Origin;
let fermat: Fermat;

beforeAll(async () => {
  origin = await startOrigin();
});
afterEach(async () => {
  await endAll(fermat);
  origin.reset();
});
afterAll(async () => {
  await origin.refuse();
  rmSync(scratch, { recursive: true, force: true });
});

const configOf = (logging: Config, more: Config = {}): Config => simpleConfig([origin.url], {}, { logging, ...more });

interface Line {
  readonly path: string;
  readonly query: string | null;
  readonly status: number;
}

/** Every line must be one. */
function linesOf(text: string): Line[] {
  const lines = text.split('\n').filter((line) => !/^(listening|admin) /.test(line));
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as Line);
}

/** Clients that ask for one path after the other, again and again until they are stopped; which ones were answered. */
class Load {
  readonly answered: string[] = [];
  readonly #clients: Promise<void>[];
  #isOver = false;
  #next = 0;

  constructor(port: number) {
    this.#clients = Array.from({ length: CLIENTS }, () => this.#run(port));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #run(port: number): Promise<void> {
    while (!this.#isOver) {
      const client = await rawClient(port).catch(() => null);
      if (client === null) return; // nobody listens any more
      using _ = client;
      try {
        for (let isLast = false; !isLast && !this.#isOver; ) {
          const path = `/${this.#next++}`;
          await client.send(get(path));
          const answer = await client.answer();
          this.answered.push(path);
          isLast = answer.field('connection') === 'close';
        }
      } catch {
        // Closed before an answer: whether that request has a line is not for us to say.
      }
    }
  }
}

function missing(answered: readonly string[], lines: readonly Line[]): string[] {
  const told = new Set(lines.map(({ path }) => path));
  expect(told.size).toBe(lines.length); // none twice
  return answered.filter((path) => !told.has(path));
}

describe('as many lines as requests', () => {
  it(
    'when it is drained under load, with two workers, and its standard output is a pipe',
    async () => {
      const shutdown = { drainDelay: '200ms', timeout: '5s' };
      fermat = await startFermat(configOf({ access: 'json' }, { workers: 2, shutdown }));
      const load = new Load(fermat.port);
      await until(() => load.answered.length > 500, 'some load');
      fermat.child.kill('SIGTERM');
      await fermat.ended();
      await load.stop();
      expect(missing(load.answered, linesOf(fermat.stdout))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'when another process takes over, both writing to one file, and when a worker dies of an error',
    async () => {
      const file = join(scratch, 'restart.log');
      const env = { FERMAT_TEST_CRASH_PATH: '/crash' };
      fermat = await startFermat(configOf({ access: 'json', accessLog: { file } }, { workers: 2 }), { env });
      const load = new Load(fermat.port);
      await until(() => load.answered.length > 200, 'some load');
      await exchange(fermat.port, get('/crash')).catch(() => null);
      await until(() => fermat.events.some(({ type }) => type === 'worker.exit'), 'the death');
      await until(() => load.answered.length > 400, 'more load');
      const pid = await hotRestart(fermat);
      const atRestart = load.answered.length;
      await until(() => load.answered.length > atRestart + 200, 'load on the new one');
      await load.stop();
      process.kill(pid, 'SIGTERM');
      await until(() => !isAlive(pid) && !isAlive(fermat.pid), 'the end of both');
      expect(missing(load.answered, linesOf(readFileSync(file, 'utf8')))).toEqual([]);
      expect(fermat.events.filter(({ type }) => type === 'access.dropped')).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it('when its file is moved away and opened anew by a reload, and when its form changes', async () => {
    const file = join(scratch, 'rotated.log');
    fermat = await startFermat(configOf({ access: 'json', accessLog: { file } }));
    const ask = (path: string) => exchange(fermat.port, get(path));
    const reload = async () => expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await ask('/1?token=secret&b=c');
    await until(() => readFileSync(file, 'utf8').includes('"path":"/1"'), 'the line');
    renameSync(file, `${file}.1`);
    await ask('/2');
    await until(() => readFileSync(`${file}.1`, 'utf8').includes('"path":"/2"'), 'the line in what was moved');
    await reload();
    await ask('/3');
    await until(() => linesOf(readFileSync(file, 'utf8')).length === 1, 'the line in a new file');
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(linesOf(readFileSync(`${file}.1`, 'utf8')).map(({ path, query }) => [path, query])).toEqual([
      ['/1', 'token=***&b=c'],
      ['/2', null],
    ]);
    fermat.writeConfig(configOf({ access: 'combined', accessLog: { file } }));
    await reload();
    await ask('/4');
    fermat.writeConfig(configOf({ access: 'off' }));
    await reload();
    await ask('/5');
    await fermat.stop();
    expect(readFileSync(file, 'utf8')).toMatch(/^\{.*\n127\.0\.0\.1 - - \[.*\] "GET \/4 HTTP\/1\.1" 200 2 "-" "-"\n$/);
  });
});

describe('a reader that stands still', () => {
  it(
    'holds up no request: what does not fit is dropped, and exactly that is counted',
    async () => {
      const fifo = join(mkdtempSync(join(scratch, 'stuck-')), 'fifo');
      execFileSync('mkfifo', [fifo]);
      const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
      const requests = 2500;
      const agent = `User-Agent: ${'x'.repeat(3000)}\r\n`;
      fermat = await startFermat(configOf({ access: 'json', accessLog: { file: fifo } }));
      await using _ = { [Symbol.asyncDispose]: async () => closeSync(reader) };
      const slowest = { before: 0, meanwhile: 0 };
      await Promise.all(
        Array.from({ length: 5 }, async (_, part) => {
          using client = await rawClient(fermat.port);
          for (let i = 0; i < requests / 5; i++) {
            const startMs = performance.now();
            await client.send(get(`/${part}/${i}`, agent));
            expect((await client.answer()).status).toBe(200);
            const when = i < requests / 20 ? 'before' : 'meanwhile'; // the pipe is full after a few
            slowest[when] = Math.max(slowest[when], performance.now() - startMs);
          }
        }),
      );
      expect(slowest.meanwhile).toBeLessThan(slowest.before + 1000);
      await until(() => fermat.events.some(({ type }) => type === 'access.dropped'), 'the event');
      let dropped = 0;
      await until(async () => {
        dropped = await fermat.metric('fermat_access_log_dropped_total');
        return dropped + (await fermat.metric('fermat_access_log_lines_total')) >= requests;
      }, 'the last lines handed over');
      expect(dropped).toBeGreaterThan(0);
      fermat.child.kill('SIGTERM');
      let text = '';
      const bytes = Buffer.alloc(65_536);
      const drain = (): void => {
        for (;;) {
          try {
            const n = readSync(reader, bytes);
            if (n === 0) return;
            text += bytes.toString('latin1', 0, n);
          } catch {
            return; // nothing there now
          }
        }
      };
      const ended = (): boolean => {
        drain();
        return fermat.exit !== null;
      };
      await until(ended, 'the end', TIMEOUT_MS, 1);
      drain();
      expect(linesOf(text).length + dropped).toBe(requests);
    },
    TIMEOUT_MS,
  );

  it('that has gone ends nothing: requests are answered, lines are counted as dropped', async () => {
    fermat = await startFermat(configOf({ access: 'json' }));
    fermat.child.stdout!.destroy();
    for (let i = 0; i < 5; i++) expect((await exchange(fermat.port, get())).status).toBe(200);
    await until(async () => (await fermat.metric('fermat_access_log_dropped_total')) === 5, 'the count');
    expect(await fermat.metric('fermat_access_log_lines_total')).toBe(5);
    expect(await fermat.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a file that cannot be opened', () => {
  it('is told before anything listens, and by a reload that changes nothing', async () => {
    const bad = configOf({ access: 'json', accessLog: { file: join(scratch, 'no', 'such', 'place') } });
    await expect(startFermat(bad)).rejects.toThrow(/logging\.accessLog\.file: .*ENOENT/);
    fermat = await startFermat(configOf({ access: 'off' }));
    fermat.writeConfig(bad);
    const { status, text } = await fermat.admin('/api/v1/reload', { method: 'POST' });
    expect(status).not.toBe(200);
    expect(text).toContain('logging.accessLog.file');
    expect((await exchange(fermat.port, get())).status).toBe(200);
  });
});
