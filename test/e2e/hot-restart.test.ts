// A hot restart of the real process: its successor has all of its sockets and knows what it knew, nobody notices, and when
// something goes wrong the old one goes on. Under full load: test/faults/restarts.ts.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, runFermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { Pki, tlsConnect, tlsListener } from '../support/pki.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { askAnew, askToReplace, endAll, hotRestart, isAlive, listeningSockets, pidOf } from '../support/succession.ts';
import { delay, until } from '../support/until.ts';

const TIMEOUT_MS = 60_000;
/** Of each worker for each port, where nothing is inherited. */
const SOCKETS = 8;
const scratch = mkdtempSync(join(tmpdir(), 'fermat-hot-'));
let origin: Origin;
let fermat: Fermat;

beforeAll(async () => {
  origin = await startOrigin();
});
afterEach(async () => {
  origin.reset();
  await endAll(fermat);
});
afterAll(async () => {
  await origin.refuse();
  rmSync(scratch, { recursive: true, force: true });
});

const start = async (config: Config, env: Record<string, string> = {}): Promise<Fermat> => {
  fermat = await startFermat(config, { env });
  return fermat;
};
const types = (type: string) => fermat.events.filter((event) => event.type === type);

/** One request each over so many connections of their own. */
async function statuses(port: number, count: number): Promise<Set<number>> {
  const answers = await Promise.all(
    Array.from({ length: count }, () => exchange(port, get('/', 'Connection: close\r\n'))),
  );
  return new Set(answers.map(({ status }) => status));
}

describe('the successor', () => {
  it(
    'has every listener and the admin API, by request and by signal, and leaves no socket behind',
    async () => {
      const listeners = [
        { name: 'http', address: '127.0.0.1:0' },
        { name: 'more', address: '127.0.0.1:0' },
        { name: 'path', address: `unix:${join(scratch, 's.sock')}` },
      ];
      await start(simpleConfig([origin.url], {}, { workers: 2, listeners }));
      const first = fermat.pid;
      const overPath = (): Promise<string> =>
        new Promise((resolve, reject) => {
          const socket = connect({ path: join(scratch, 's.sock') }).on('error', reject);
          socket.end(get('/', 'Connection: close\r\n'));
          socket.on('data', (bytes) => resolve(bytes.toString('latin1', 9, 12)));
        });
      let before = first;
      for (const how of ['api', 'signal'] as const) {
        const pid = await hotRestart(fermat, how);
        await until(() => !isAlive(before), 'the end of the one before');
        expect(await statuses(fermat.port, 20)).toEqual(new Set([200]));
        expect(await statuses(fermat.ports.more!, 20)).toEqual(new Set([200]));
        expect(await overPath()).toBe('200');
        expect((await fermat.admin('/readyz')).status).toBe(200);
        expect((await askAnew(fermat, '/readyz')).status).toBe(200);
        for (const port of [fermat.port, fermat.ports.more!]) expect(listeningSockets(pid, port)).toBe(2 * SOCKETS);
        expect(listeningSockets(pid, fermat.adminPort)).toBe(1);
        before = pid;
      }
      expect(await fermat.ended()).toEqual({ code: 0, signal: null });
      expect(types('node.replaced')).toHaveLength(2);
    },
    TIMEOUT_MS,
  );

  it(
    'serves from all sockets there were, whether it has fewer workers or more',
    async () => {
      const config = (workers: number): Config => simpleConfig([origin.url], {}, { workers });
      await start(config(3));
      for (const workers of [1, 2, 4]) {
        fermat.writeConfig(config(workers));
        const pid = await hotRestart(fermat);
        expect(JSON.parse((await askAnew(fermat, '/api/v1/node')).text).workers).toBe(workers);
        await until(() => listeningSockets(pid, fermat.port) === 3 * SOCKETS, 'every socket');
        expect(await statuses(fermat.port, 60)).toEqual(new Set([200]));
      }
    },
    TIMEOUT_MS,
  );

  it(
    'knows what the one before had learned: scores, health, what an operator drained',
    async () => {
      await using other = await startOrigin();
      const urls = [origin.url, other.url, 'http://127.0.0.1:1'];
      await start(simpleConfig(urls, { probe: { type: 'tcp', interval: '200ms', timeout: '1s' } }, { workers: 2 }));
      type View = { id: string; state: string; serverMs: number | null; since: string; requests: number };
      const views = async (): Promise<View[]> => JSON.parse((await askAnew(fermat, '/api/v1/endpoints')).text);
      await statuses(fermat.port, 50);
      await fermat.admin('/api/v1/endpoints/e1/drain', { method: 'POST' });
      await until(async () => (await views()).find(({ id }) => id === 'e0')?.serverMs, 'what requests take');
      const before = await views();
      expect(before.map(({ state }) => state)).toEqual(['healthy', 'draining', 'unhealthy']);
      await hotRestart(fermat);
      const after = await views();
      expect(after.map(({ id, state, since }) => [id, state, since.slice(0, 19)])).toEqual(
        before.map(({ id, state, since }) => [id, state, since.slice(0, 19)]),
      );
      expect(after[0]!.requests).toBeGreaterThanOrEqual(before[0]!.requests);
      expect(after[0]!.serverMs).not.toBeNull();
      expect(types('node.successor')[0]).toMatchObject({ recalled: 3 });
      // No cold start: nobody is new.
      expect(
        fermat.events.filter(({ type, pid }) => type === 'endpoint.state' && pid !== fermat.pid).length,
      ).toBeLessThan(7);
      expect(await statuses(fermat.port, 20)).toEqual(new Set([200]));
      expect(other.requests.length).toBeLessThan(50);
    },
    TIMEOUT_MS,
  );

  it(
    'resumes the TLS sessions of the one before',
    async () => {
      using pki = new Pki();
      const listeners = [
        tlsListener([pki.issue('one', { san: 'DNS:one.test' })]),
        { name: 'http', address: '127.0.0.1:0' },
      ];
      await start(simpleConfig([origin.url], {}, { listeners, workers: 2 }));
      const visit = async (session?: Buffer): Promise<{ isResumed: boolean; session: Buffer }> => {
        const options = { servername: 'one.test', maxVersion: 'TLSv1.2', ...(session && { session }) } as const;
        const socket: TLSSocket = await tlsConnect(fermat.ports.https!, options);
        const seen = { isResumed: socket.isSessionReused(), session: socket.getSession()! };
        socket.destroy();
        return seen;
      };
      const { session } = await visit();
      await hotRestart(fermat);
      for (let i = 0; i < 6; i++) expect((await visit(session)).isResumed).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'gets new connections while a request that is under way ends where it began',
    async () => {
      await start(simpleConfig([origin.url], {}, { shutdown: { drainDelay: '0s', timeout: '10s' } }));
      let finish = (): void => {};
      origin.script = (request) => {
        if (request.target !== '/slow') return request.answer();
        request.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha');
        finish = () => request.send('lf');
      };
      using slow = await rawClient(fermat.port);
      await slow.send(get('/slow'));
      await until(() => slow.received > 0, 'the first half');
      using kept = await rawClient(fermat.port);
      await kept.send(get());
      expect((await kept.answer()).field('connection')).toBeNull();
      await hotRestart(fermat);
      expect(await statuses(fermat.port, 10)).toEqual(new Set([200]));
      await kept.send(get());
      const last = await kept.answer();
      expect([last.status, last.field('connection')]).toEqual([200, 'close']);
      await delay(300); // whoever is done could have gone by now
      expect(isAlive(fermat.pid)).toBe(true);
      finish();
      expect((await slow.answer()).text).toBe('half');
      expect(await fermat.ended()).toEqual({ code: 0, signal: null });
    },
    TIMEOUT_MS,
  );
});

describe('what has been counted', () => {
  // Rates were cut at every hot restart, and what the old process served to its end was counted by nobody.
  it(
    'goes on over two hot restarts, with what the one before still served, and never back',
    async () => {
      await start(simpleConfig([origin.url], {}, { workers: 2, shutdown: { drainDelay: '0s', timeout: '10s' } }));
      const exposition = async (): Promise<string> => (await askAnew(fermat, '/metrics')).text;
      const sumOf = (text: string, name: string): number =>
        text
          .split('\n')
          .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
          .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
      const counters = [
        'fermat_requests_total',
        'fermat_request_duration_seconds_count',
        'fermat_probes_total',
        'fermat_config_reloads_total',
        'fermat_regret_seconds_count',
      ];
      let finish = (): void => {};
      origin.script = (request) => {
        if (request.target !== '/slow') return request.answer();
        finish = () => request.answer();
      };
      await statuses(fermat.port, 40);
      await fermat.admin('/api/v1/reload', { method: 'POST' });
      await until(async () => sumOf(await exposition(), 'fermat_regret_seconds_count') > 0, 'a decision');
      using slow = await rawClient(fermat.port);
      await slow.send(get('/slow'));
      await until(() => origin.requests.some(({ target }) => target === '/slow'), 'the slow request');
      let before = await exposition();
      for (let round = 1; round <= 2; round++) {
        await hotRestart(fermat);
        const after = await exposition();
        for (const name of counters) expect([name, sumOf(after, name) >= sumOf(before, name)]).toEqual([name, true]);
        expect(sumOf(after, 'fermat_requests_total')).toBe(40 + (round - 1) * 10);
        await statuses(fermat.port, 10);
        before = await exposition();
      }
      finish();
      await slow.answer();
      await until(async () => sumOf(await exposition(), 'fermat_requests_total') === 61, 'the last of the first one');
      expect(await fermat.ended()).toEqual({ code: 0, signal: null });
      expect(sumOf(await exposition(), 'fermat_request_duration_seconds_count')).toBe(61);
    },
    TIMEOUT_MS,
  );
});

describe('systemd, where it waits to be told,', () => {
  it(
    'hears of every process that serves',
    async () => {
      // What systemd-notify was called with; systemd itself is not everywhere.
      const told = join(scratch, 'told');
      const tool = join(scratch, 'systemd-notify');
      writeFileSync(tool, `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 });
      const env = { NOTIFY_SOCKET: join(scratch, 'notify'), PATH: `${scratch}:${process.env.PATH}` };
      await start(simpleConfig([origin.url]), env);
      const pid = await hotRestart(fermat);
      const lines = await until(() => {
        const seen = existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : [];
        return seen.length === 2 && seen;
      }, 'both calls');
      expect(lines).toEqual([`--ready --pid=${fermat.pid}`, `--ready --pid=${pid}`]);
      expect(types('node.notify')).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe('when it goes wrong, the running one goes on', () => {
  it(
    'with a configuration that does not validate',
    async () => {
      await start(simpleConfig([origin.url]));
      fermat.writeConfig('nonsense: 1\n');
      const { status, text } = await askToReplace(fermat);
      expect(status).toBe(422);
      expect(JSON.parse(text)).toMatchObject({ ok: false, code: 'config_invalid', pid: null });
      expect(text).toContain('nonsense');
      expect(await pidOf(fermat)).toBe(fermat.pid);
      expect(await statuses(fermat.port, 10)).toEqual(new Set([200]));
      expect(types('node.replace').filter(({ level }) => level === 'error')).toHaveLength(1);
      // And it can be reloaded and replaced later.
      fermat.writeConfig(simpleConfig([origin.url]));
      expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
      expect(await hotRestart(fermat)).not.toBe(fermat.pid);
    },
    TIMEOUT_MS,
  );

  it(
    'with a listener that cannot be opened, or an end in its beginnings',
    async () => {
      await start(simpleConfig([origin.url]));
      const taken = [
        { name: 'http', address: '127.0.0.1:0' },
        { name: 'taken', address: `127.0.0.1:${origin.port}` },
      ];
      fermat.writeConfig(simpleConfig([origin.url], {}, { listeners: taken }));
      const { status, text } = await askToReplace(fermat);
      expect([status, JSON.parse(text).code]).toEqual([500, 'failed']);
      expect(text).toContain(`${origin.port} is in use`);
      expect(await statuses(fermat.port, 10)).toEqual(new Set([200]));
      expect(await pidOf(fermat)).toBe(fermat.pid);
    },
    TIMEOUT_MS,
  );

  it(
    'and refuses a second one while the first is under way',
    async () => {
      await start(simpleConfig([origin.url]));
      const both = await Promise.all([askToReplace(fermat), askToReplace(fermat)]);
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      expect(both.find(({ status }) => status === 409)!.text).toContain('under way');
    },
    TIMEOUT_MS,
  );

  it(
    'and says so when its successor dies before it has ended itself',
    async () => {
      await start(simpleConfig([origin.url], {}, { shutdown: { drainDelay: '0s', timeout: '10s' } }));
      origin.script = () => {};
      using stuck = await rawClient(fermat.port);
      await stuck.send(get());
      await until(() => origin.requests.length > 0, 'a request that keeps it');
      const pid = await hotRestart(fermat);
      process.kill(pid, 'SIGKILL');
      await until(
        () => types('node.replace').some(({ level, pid: lost }) => level === 'error' && lost === pid),
        'the news',
      );
      expect(fermat.exit).toBeNull();
    },
    TIMEOUT_MS,
  );

  it(
    'to its end, when it is told to end: nobody takes over any more',
    async () => {
      await start(simpleConfig([origin.url]));
      process.kill(fermat.pid, 'SIGUSR2');
      await until(() => types('node.replace').length > 0, 'the successor');
      process.kill(fermat.pid, 'SIGTERM');
      expect(await fermat.ended()).toEqual({ code: 0, signal: null });
      await until(async () => (await rawClient(fermat.port).catch(() => null)) === null, 'nobody there');
    },
    TIMEOUT_MS,
  );
});

describe('fermat run --replace', () => {
  const cli = (...args: string[]) =>
    runFermat(['run', '-c', fermat.file, '--replace', ...args], {
      env: { FERMAT_ADMIN_ADDRESS: `127.0.0.1:${fermat.adminPort}` },
    });

  it(
    'says what happens, and how it ended',
    async () => {
      await start(simpleConfig([origin.url]));
      const done = await cli();
      const pid = await pidOf(fermat);
      expect([done.code, done.stderr]).toEqual([0, '']);
      expect(done.stdout).toMatch(
        new RegExp(`process ${fermat.pid} .*starts.*\\nprocess ${pid} .* ready in \\d+ ms\\n`),
      );
      fermat.writeConfig('nonsense: 1\n');
      const refused = await cli('--json');
      expect(refused.code).toBe(78);
      expect(JSON.parse(refused.stdout)).toMatchObject({ ok: false, code: 'config_invalid' });
      expect(await pidOf(fermat)).toBe(pid);
    },
    TIMEOUT_MS,
  );

  it(
    'ends with 1 where nobody runs',
    async () => {
      await start({ pools: { main: poolOf([origin.url]) }, routes: [{ pool: 'main' }] });
      await fermat.stop();
      const { code, stderr } = await cli();
      expect(code).toBe(1);
      expect(stderr).toContain('no Fermat answers');
    },
    TIMEOUT_MS,
  );
});
