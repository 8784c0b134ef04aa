// Endpoints that register themselves: `fermat register` beside an app and around one, and what the admin listener takes.

import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SIGNATURE_FIELD, signatureOf, TIMESTAMP_FIELD } from '../../src/control/discovery/signing.ts';
import { BIN, type Config, type Fermat, runFermat, startFermat } from '../support/fermat.ts';
import { type Named, startNamed } from '../support/steady.ts';
import { until } from '../support/until.ts';

const SECRET = 'a-token-of-some-length';

/** For all tests; each has a pool of its own. */
let shared: Fermat;
/** The shared one, or one of the test's own. */
let fermat: Fermat;
let pool = 'p0';
let tests = 0;
let origins: Named[];
const children: ChildProcess[] = [];

beforeAll(async () => {
  shared = await startFermat(configOf(), { isUnready: true });
});
afterAll(() => shared.stop());
beforeEach(async () => {
  fermat = shared;
  pool = `p${tests++}`;
  origins = await Promise.all(['a', 'b'].map((name) => startNamed(name)));
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(ended));
  if (fermat !== shared) await fermat.stop();
  await Promise.all(origins.map((origin) => origin.close()));
});

const NAMES = Array.from({ length: 20 }, (_, i) => `p${i}`);

const configOf = (more: Config = {}): Config => ({
  pools: Object.fromEntries(
    NAMES.map((name) => [
      name,
      {
        discover: [{ registry: { token: SECRET, networks: ['127.0.0.0/8'] } }],
        probe: { type: 'tcp', interval: '10s' },
        balance: { policy: 'round-robin', slowStart: '0s' },
      },
    ]),
  ),
  routes: NAMES.map((name) => ({ path: `/${name}`, pool: name })),
  ...more,
});

interface Child {
  readonly process: ChildProcess;
  stdout: string;
  stderr: string;
}

/** `fermat register …`, still running. */
function register(url: string, args: readonly string[] = [], command: readonly string[] = []): Child {
  const flags = ['register', '--pool', pool, '--url', url, '--to', `http://127.0.0.1:${fermat.adminPort}`, ...args];
  const all = command.length === 0 ? flags : [...flags, '--', ...command];
  const child = spawn(BIN, all, {
    env: { ...process.env, FERMAT_REGISTER_TOKEN: SECRET },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const running: Child = { process: child, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    running.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    running.stderr += text;
  });
  return running;
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  return child.exitCode;
}

const exitOf = (child: Child): Promise<number> =>
  until(() => child.process.exitCode !== null, 'its end', 15_000).then(() => child.process.exitCode!);

async function ask(): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${fermat.port}/${pool}`, { headers: { connection: 'close' } });
  const text = await response.text();
  return response.status === 200 ? text : String(response.status);
}

interface View {
  readonly pool: string;
  readonly url: string;
  readonly region: string | null;
  readonly source: string;
}

async function views(): Promise<View[]> {
  const endpoints = (await fermat.json<unknown>('/api/v1/endpoints')) as View[];
  return endpoints.filter((endpoint) => endpoint.pool === pool);
}

async function urls(): Promise<string[]> {
  return (await views()).map(({ url }) => url).sort();
}

/** A message of our own making. */
async function say(
  action: 'register' | 'deregister',
  body: unknown,
  more: { token?: string; atMs?: number; headers?: Record<string, string> } = {},
) {
  const { token = SECRET, atMs = Date.now(), headers = {} } = more;
  const path = `/api/v1/${action}/${pool}`;
  const text = JSON.stringify(body);
  const signature = signatureOf(token, { method: 'POST', path, atMs, body: text });
  const answer = await fermat.admin(path, {
    method: 'POST',
    body: text,
    headers: { [TIMESTAMP_FIELD]: String(atMs), [SIGNATURE_FIELD]: signature, ...headers },
  });
  return {
    status: answer.status,
    ...(JSON.parse(answer.text) as { error?: { code: string; message: string }; ttlMs?: number }),
  };
}

describe('fermat register', () => {
  it('brings an endpoint in, keeps it in beyond its TTL, and takes it out when it is told to end', async () => {
    expect(await ask()).toBe('503');
    const a = register(origins[0]!.url, [
      '--ttl',
      '2s',
      '--region',
      'aws:eu-central-1',
      '--capacity',
      '50',
      '--label',
      'rack=b2',
    ]);
    await until(async () => (await ask()) === 'a', 'the first answer', 10_000);
    expect(await views()).toMatchObject([{ region: 'aws:eu-central-1', source: 'registry' }]);
    await until(() => a.stdout.includes(`is registered in pool ${pool}`), 'the line');
    const b = register(origins[1]!.url, ['--ttl', '1s', '--json']);
    await until(async () => (await urls()).length === 2, 'both', 10_000);
    const fromMs = performance.now();
    await until(() => performance.now() - fromMs > 1500, 'more than the TTL');
    expect(await urls()).toHaveLength(2);
    b.process.kill('SIGTERM');
    expect(await exitOf(b)).toBe(0);
    await until(async () => (await urls()).length === 1, 'the goodbye');
    const events = b.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events).toEqual(['registered', 'left']);
    a.process.kill('SIGTERM');
    expect(await exitOf(a)).toBe(0);
    await until(async () => (await ask()) === '503', 'the empty pool');
  }, 40_000);

  it('one that dies is gone within its TTL', async () => {
    await say('register', { url: origins[0]!.url, ttl: '60s' });
    const b = register(origins[1]!.url, ['--ttl', '1s']);
    await until(async () => (await urls()).length === 2, 'both', 10_000);
    b.process.kill('SIGKILL');
    const killedMs = performance.now();
    await until(async () => (await urls()).length === 1, 'its end');
    // Its TTL, and at most a second until what is known is what runs; the rest is for a loaded machine. The grace would be 30 s.
    expect(performance.now() - killedMs).toBeLessThan(8000);
    expect(await urls()).toEqual([origins[0]!.url]);
  }, 30_000);

  it('comes back by itself when the edge does', async () => {
    fermat = await startFermat(configOf({ admin: { address: '127.0.0.1:0' } }), { isUnready: true });
    const a = register(origins[0]!.url, ['--ttl', '1s']);
    await until(async () => (await ask()) === 'a', 'the first answer', 10_000);
    const port = fermat.adminPort;
    await fermat.stop();
    await until(() => a.stderr.includes('is not registered (ECONNREFUSED)'), 'the complaint', 10_000);
    fermat = await startFermat(configOf({ admin: { address: `127.0.0.1:${port}` } }), { isUnready: true });
    await until(async () => (await ask()) === 'a', 'the answer', 10_000);
    expect(a.stderr.trim().split('\n')).toHaveLength(1);
  }, 30_000);

  it('runs an app: registered when it accepts, told to end when the edges have heard, its exit code passed on', async () => {
    const port = origins[0]!.port;
    await origins[0]!.close();
    const app = `
      const server = require('http').createServer((q, s) => s.end('app'));
      setTimeout(() => server.listen(${port}, '127.0.0.1'), 300);
      process.on('SIGTERM', () => process.exit(7));`;
    const a = register(origins[0]!.url, ['--leave-delay', '1500ms'], [process.execPath, '-e', app]);
    await until(async () => (await ask()) === 'app', 'the app', 10_000);
    await say('register', { url: origins[1]!.url });
    await until(async () => (await urls()).length === 2, 'both');
    a.process.kill('SIGTERM');
    const answers: string[] = [];
    while (a.process.exitCode === null) answers.push(await ask());
    expect(a.process.exitCode).toBe(7);
    expect(answers.filter((answer) => answer !== 'app' && answer !== 'b')).toEqual([]);
    expect(await urls()).toEqual([origins[1]!.url]);
  }, 30_000);

  it('ends with the code of an app that ends, and 127 where there is none', async () => {
    // The app is not shown the token, either.
    const app = 'process.exit(process.env.FERMAT_REGISTER_TOKEN === undefined ? 3 : 4)';
    expect(await exitOf(register(origins[0]!.url, [], [process.execPath, '-e', app]))).toBe(3);
    expect(await exitOf(register(origins[0]!.url, [], ['/nowhere/to/be/found']))).toBe(127);
  }, 30_000);

  it('--once tells every edge, and 1 where one refuses', async () => {
    const to = ['--to', `http://127.0.0.1:${fermat.adminPort}`, '--pool', pool, '--once'];
    const flags = ['register', '--url', origins[0]!.url, ...to];
    const good = await runFermat(flags, { env: { FERMAT_REGISTER_TOKEN: SECRET } });
    expect(good).toMatchObject({ code: 0, stderr: '' });
    const bad = await runFermat([...flags, '--token', 'wrong-wrong-wrong']);
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain('no pool of this name takes registrations that are signed like this');
    const outside = await runFermat(['register', '--url', 'http://10.0.0.1:80', ...to, '--token', SECRET]);
    expect(outside.stderr).toContain('10.0.0.1 is not inside 127.0.0.0/8');
  }, 30_000);

  it.each([
    [['--url', 'ftp://x'], '--url: unknown scheme ftp'],
    [['--ttl', '1ms'], '--ttl: expected a duration'],
    [['--to', 'https://edge:1'], '--to: expected http://host:port'],
    [['--label', 'nothing'], '--label: expected NAME=VALUE'],
  ])('%j is bad usage', async (flags, words) => {
    const common = ['register', '--pool', 'shop', '--url', 'http://a', '--to', 'http://127.0.0.1:1', '--token', SECRET];
    const { code, stderr } = await runFermat([...common, ...flags]);
    expect(stderr).toContain(words);
    expect(code).toBe(2);
  });
});

describe('the admin listener', () => {
  it('takes a signed message at once, once, and without the admin token', async () => {
    fermat = await startFermat(configOf({ admin: { address: '127.0.0.1:0', token: 'admin-token' } }), {
      isUnready: true,
    });
    const atMs = Date.now();
    const startMs = performance.now();
    expect(await say('register', { url: origins[0]!.url }, { atMs })).toMatchObject({ status: 200, ttlMs: 10_000 });
    await until(async () => (await ask()) === 'a', 'the first answer');
    // 0.3 s on a machine that has nothing else to do.
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect(await say('register', { url: origins[0]!.url }, { atMs })).toMatchObject({
      status: 409,
      error: { code: 'replayed' },
    });
    expect(await say('deregister', { url: origins[0]!.url }, { token: 'another-token-of-length' })).toMatchObject({
      status: 401,
    });
    expect((await fermat.admin('/api/v1/endpoints')).status).toBe(401);
  });

  it('refuses what a page of another origin sends, and everything that is not POST', async () => {
    const headers = { origin: 'http://evil.example' };
    expect(await say('register', { url: origins[0]!.url }, { headers })).toMatchObject({ status: 403 });
    expect((await fermat.admin(`/api/v1/register/${pool}`)).status).toBe(405);
    expect((await fermat.admin(`/api/v1/register/${pool}`, { method: 'POST', body: 'x'.repeat(20_000) })).status).toBe(
      413,
    );
    expect(await ask()).toBe('503');
  });

  it('does not show the token', async () => {
    expect((await fermat.admin('/api/v1/config')).text).not.toContain(SECRET);
  });
});
