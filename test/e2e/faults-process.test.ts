// The life of the process: starts that must fail, reloads, workers that die, the end. With requests all the while.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, runFermat, simpleConfig, spawnFermat, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin();
});
afterAll(async () => {
  await origin?.refuse();
});

/** Requests one after the other on `connections` connections until told to end; a connection that is closed is opened again. */
class Load {
  readonly statuses: number[] = [];
  /** Connections that ended in the middle of an exchange. */
  readonly lost: string[] = [];
  #isOver = false;
  readonly #all: Promise<unknown>;

  constructor(port: () => number, connections: number, request = get()) {
    this.#all = Promise.all(Array.from({ length: connections }, () => this.#run(port, request)));
  }

  async #run(port: () => number, request: string): Promise<void> {
    while (!this.#isOver) {
      using client = await rawClient(port());
      while (!this.#isOver) {
        try {
          await client.send(request);
          const answer = await client.answer();
          this.statuses.push(answer.status);
          if (answer.field('connection') === 'close') break;
        } catch (error) {
          this.lost.push(String(error));
          break;
        }
        await delay(2);
      }
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#all;
  }
}

describe('starts that fail', () => {
  it('names the port that is taken and exits with 1', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const address = `127.0.0.1:${port}`;
    for (const config of [{ listeners: [{ name: 'http', address }] }, { admin: { address } }]) {
      const fermat = spawnFermat(simpleConfig([origin.url], {}, config));
      const exit = await fermat.ended();
      expect(exit.code).toBe(1);
      expect(fermat.stderr).toContain(String(port));
      expect(fermat.stderr).toMatch(/in use/);
      expect(fermat.stderr).not.toMatch(/^\s+at /m);
    }
    taken.close();
  });

  it('does not start beside another fermat on the same port', async () => {
    await using first = await startFermat(simpleConfig([origin.url]));
    const second = spawnFermat(
      simpleConfig([origin.url], {}, { listeners: [{ name: 'http', address: `127.0.0.1:${first.port}` }] }),
    );
    expect((await second.ended()).code).toBe(1);
    expect(second.stderr).toContain(String(first.port));
    expect((await exchange(first.port, get())).status).toBe(200);
  });

  it('tells every problem of a configuration with its place and exits with 78', async () => {
    const fermat = spawnFermat(
      'listeners:\n  - addres: ":0"\npools:\n  main:\n    endpoints:\n      - url: htp://x\n    probe: { interval: soon }\nroutes:\n  - pool: mian\nlimits: { headers: -1 }\n',
    );
    expect((await fermat.ended()).code).toBe(78);
    for (const part of ['fermat.yaml:2:', 'address', 'htp://x', 'soon', 'headers'])
      expect(fermat.stderr).toContain(part);
    expect(fermat.stdout).toBe('');
  });

  it('exits with 78 when there is no file, no readable file, or nothing in it', async () => {
    const fermat = spawnFermat('');
    expect((await fermat.ended()).code).toBe(78);
    mkdirSync(join(fermat.directory, 'directory.yaml'));
    writeFileSync(join(fermat.directory, 'binary.yaml'), Buffer.from([0xff, 0xfe, 0, 1, 2, 3]));
    for (const name of ['missing.yaml', 'directory.yaml', 'binary.yaml']) {
      const run = await runFermat(['run', '-c', join(fermat.directory, name)]);
      expect([name, run.code, run.stderr.includes(name)]).toEqual([name, 78, true]);
      expect(run.stderr).not.toMatch(/^\s+at /m);
    }
    await fermat.stop();
  });

  it('is a sidecar in one line', async () => {
    const fermat = spawnFermat('', {
      args: ['run', '--listen', '127.0.0.1:0', '--upstream', origin.url],
      env: { FERMAT_LOG_LEVEL: 'warn' },
    });
    await until(() => fermat.stdout.includes('listening'), 'the announcement', 10_000);
    const port = Number(/:(\d+)/.exec(fermat.stdout.split('listening')[1]!.split(' on ')[1]!)?.[1]);
    expect((await exchange(port, get())).status).toBe(200);
    await fermat.stop();
  });
});

describe('reload', () => {
  const config = (body: string, more = {}) => ({
    pools: { main: poolOf([origin.url]) },
    routes: [{ pool: 'main' }, { path: '/version', respond: { status: 200, body } }],
    workers: 2,
    ...more,
  });
  let fermat: Fermat;
  const version = async () => (await exchange(fermat.port, get('/version'))).text;

  beforeAll(async () => {
    fermat = await startFermat(config('one'));
  });
  afterAll(async () => {
    await fermat?.stop();
  });

  it('drops no request, whether told by SIGHUP, by the admin API or by the file itself', async () => {
    const load = new Load(() => fermat.port, 8);
    await until(() => load.statuses.length > 50, 'some load');
    fermat.writeConfig(config('two'));
    fermat.child.kill('SIGHUP');
    await until(async () => (await version()) === 'two', 'the second configuration');
    fermat.writeConfig(config('three'));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    expect(await version()).toBe('three');
    fermat.writeConfig(config('four'));
    await until(async () => (await version()) === 'four', 'the fourth configuration', 8000);
    const seen = load.statuses.length;
    await until(() => load.statuses.length > seen + 100, 'more load');
    await load.end();
    expect(load.lost).toEqual([]);
    expect(load.statuses.every((status) => status === 200)).toBe(true);
  });

  it('keeps the old configuration when the new one is broken, and tells everyone', async () => {
    const before = await version();
    fermat.writeConfig('routes: [{ pool: nowhere }]\nnonsense: 1\n');
    const answer = await fermat.admin('/api/v1/reload', { method: 'POST' });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.text).toContain('nonsense');
    expect(await version()).toBe(before);
    expect(await fermat.metric('fermat_config_last_reload_successful')).toBe(0);
    await until(
      () => fermat.events.some(({ type, level }) => type === 'config.reload' && level === 'error'),
      'the event',
    );
    fermat.writeConfig(config('five'));
    await fermat.admin('/api/v1/reload', { method: 'POST' });
    expect(await version()).toBe('five');
    expect(await fermat.metric('fermat_config_last_reload_successful')).toBe(1);
  });

  it('lets a request that is under way end as it began', async () => {
    await using slow = await startOrigin();
    fermat.writeConfig(config('six', { pools: { main: poolOf([slow.url], {}, 'slow') } }));
    await fermat.admin('/api/v1/reload', { method: 'POST' });
    let finish = () => {};
    slow.script = (request) => {
      request.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha');
      finish = () => request.send('lf');
    };
    using client = await rawClient(fermat.port);
    await client.send(get());
    await until(() => client.received > 0, 'the first half');
    fermat.writeConfig(config('seven'));
    await fermat.admin('/api/v1/reload', { method: 'POST' });
    expect(await version()).toBe('seven');
    finish();
    expect((await client.answer()).text).toBe('half');
    await client.send(get());
    expect((await client.answer()).text).toBe('ok');
  });

  it('opens and closes listeners, and refuses a reload whose listener cannot be opened', async () => {
    const both = [
      { name: 'http', address: '127.0.0.1:0' },
      { name: 'extra', address: '127.0.0.1:0' },
    ];
    const { port } = fermat;
    fermat.writeConfig(config('eight', { listeners: both }));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    expect(await version()).toBe('eight');
    const { listeners } = await fermat.json<{ listeners: { name: string; url: string }[] }>('/api/v1/node');
    const extra = Number(
      /:(\d+)/.exec(listeners.find(({ name }) => name === 'extra')!.url.replace('http://', ''))?.[1],
    );
    expect((await exchange(extra, get('/version'))).text).toBe('eight');
    const taken = [both[0], { name: 'taken', address: `127.0.0.1:${origin.port}` }];
    fermat.writeConfig(config('nine', { listeners: taken }));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBeGreaterThanOrEqual(400);
    expect((await exchange(extra, get('/version'))).text).toBe('eight');
    fermat.writeConfig(config('ten', { listeners: both.slice(0, 1) }));
    expect((await fermat.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    expect(fermat.port).toBe(port);
    expect(await version()).toBe('ten');
    await expect(rawClient(extra)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('a worker that dies', () => {
  it('is replaced within a second, others go on, and counters do not go back', async () => {
    await using fermat = await startFermat(simpleConfig([origin.url], {}, { workers: 2 }), {
      env: { FERMAT_TEST_CRASH_PATH: '/__crash' },
    });
    const load = new Load(() => fermat.port, 6);
    await until(() => load.statuses.length > 200, 'some load');
    const total = () => fermat.metric('fermat_requests_total', 'code="200"');
    const before = await total();
    using crash = await rawClient(fermat.port);
    await crash.send(get('/__crash'));
    await crash.closed();
    using watch = new Stopwatch();
    await until(async () => (await fermat.metric('fermat_worker_restarts_total')) === 1, 'the restart to be counted');
    expect(await total()).toBeGreaterThanOrEqual(before);
    await until(async () => {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => exchange(fermat.port, get()).catch(() => null)),
      );
      return answers.every((answer) => answer?.status === 200);
    }, 'ten answers in a row');
    expect(watch.ms).toBeLessThan(watch.allowed(1000));
    const seen = load.statuses.length;
    await until(() => load.statuses.length > seen + 200, 'more load');
    await load.end();
    // Only what the dead worker had in hand is lost: at most one request on each of the load's connections.
    expect(load.lost.length).toBeLessThanOrEqual(6);
    expect(load.statuses.every((status) => status === 200)).toBe(true);
    await until(async () => (await total()) >= load.statuses.length, 'every answer counted once');
    expect(fermat.events.some(({ type }) => type === 'worker.exit')).toBe(true);
    expect(fermat.exit).toBeNull();
  });

  it('has no such door unless the test opens it', async () => {
    await using fermat = await startFermat(simpleConfig([origin.url]));
    expect((await exchange(fermat.port, get('/__crash'))).status).toBe(200);
    expect(await fermat.metric('fermat_worker_restarts_total')).toBe(0);
  });
});

describe('the end', () => {
  it.each([
    'SIGTERM',
    'SIGINT',
  ] as const)('lets requests under way end, loses none under load, and exits with 0 on %s', async (signal) => {
    const fermat = await startFermat(
      simpleConfig([origin.url], {}, { workers: 2, shutdown: { drainDelay: '400ms', timeout: '5s' } }),
    );
    origin.script = async (request) => {
      if (request.target === '/slow') await delay(900);
      await request.whole();
      request.answer(200, request.target);
    };
    using slow = await rawClient(fermat.port);
    await slow.send(get('/slow'));
    await until(() => origin.requests.some(({ target }) => target === '/slow'), 'the slow request');
    const load = new Load(() => fermat.port, 6);
    await until(() => load.statuses.length > 50, 'some load');
    fermat.child.kill(signal);
    await until(async () => (await fermat.admin('/readyz')).status === 503, 'not ready');
    using late = await rawClient(fermat.port);
    await late.send(get());
    const answer = await late.answer();
    expect([answer.status, answer.field('connection')]).toEqual([200, 'close']);
    await delay(150);
    await load.end();
    expect((await slow.answer()).text).toBe('/slow');
    expect((await fermat.ended()).code).toBe(0);
    expect(load.lost).toEqual([]);
    expect(load.statuses.every((status) => status === 200)).toBe(true);
    origin.reset();
  });

  it('does not wait longer than the time-out for what does not end', async () => {
    const fermat = await startFermat(
      simpleConfig([origin.url], {}, { shutdown: { drainDelay: '0s', timeout: '500ms' } }),
    );
    origin.script = () => {};
    using stuck = await rawClient(fermat.port);
    await stuck.send(get());
    await until(() => origin.requests.length > 0, 'the request');
    const startMs = performance.now();
    expect((await fermat.stop()).code).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(5000);
    await stuck.closed();
    origin.reset();
  });
});
