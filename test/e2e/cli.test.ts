// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the configuration.
// The commands as scripts use them: the real bin/fermat, its exit codes, and what it prints where.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Fermat, poolOf, runFermat, simpleConfig, spawnFermat, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

/** Nothing of the shell the tests run in. */
const CLEAN = { FERMAT_CONFIG: '', FERMAT_ADMIN_TOKEN: '', FERMAT_LOG_LEVEL: '', FERMAT_ADMIN_ADDRESS: '' };

async function cli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return runFermat(args, { env: CLEAN });
}

describe('bad usage ends with 2', () => {
  const cases: readonly (readonly [args: string[], said: string])[] = [
    [['valdate'], 'Did you mean validate?'],
    [['run', '--lisen', ':1'], 'Did you mean --listen?'],
    [['run', '--listen', 'x', '--upstream', 'http://a'], 'expected host:port, :port or unix:/path'],
    [['run', '--upstream', 'ftp://a'], 'unknown scheme ftp'],
    [['run', '--log-level', 'loud', '--upstream', 'http://a'], 'Allowed choices are trace'],
    [['run'], 'no configuration: give -c FILE'],
    [['validate', '-c', 'x', '--upstream', 'http://a'], 'leave out -c'],
    [['explain'], "required option '--client <ip>' not specified"],
    [['drain'], "missing required argument 'endpoint'"],
    [['status', 'now'], 'too many arguments'],
    [['status', '--admin', 'nowhere'], 'expected host:port'],
    [['demo', '--port', '65536'], 'expected a port'],
    [['geoip', 'lokup', '1.1.1.1'], 'Did you mean lookup?'],
  ];
  test.each(cases)('%j', async (args, said) => {
    const { code, stdout, stderr } = await cli(...args);
    expect(stderr).toContain(said);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  test('no verb at all: the help, on stderr', async () => {
    const { code, stdout, stderr } = await cli();
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Commands:');
  });
});

describe('help and version end with 0', () => {
  const verbs = [
    'run',
    'demo',
    'validate',
    'explain',
    'status',
    'top',
    'probe',
    'reload',
    'drain',
    'enable',
    'register',
    'healthcheck',
    'version',
  ];
  const nested = ['geoip lookup', 'geoip info', 'geoip update', 'config schema', 'config show'];
  test.each([...verbs, ...nested])('%s --help shows examples', async (verb) => {
    const { code, stdout } = await cli(...verb.split(' '), '--help');
    expect(stdout).toContain(`Examples:\n  fermat ${verb}`);
    expect(code).toBe(0);
  });

  test('version tells Fermat’s, Node’s and the age of the GeoIP database', async () => {
    const { code, stdout } = await cli('version', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: expect.stringMatching(/^26\./),
      geoip: expect.stringMatching(/^20\d\d-\d\d-\d\dT/),
    });
    expect(code).toBe(0);
    expect((await cli('version')).stdout).toMatch(
      /^fermat \d.+\nnode {3}26\..+\ngeoip {2}bundled DB-IP Lite, built 20/,
    );
  });
});

describe('looking at a configuration', () => {
  let node: Fermat;
  beforeAll(() => {
    // Only for its directory and file: it ends at once, with the code for a bad configuration.
    node = spawnFermat('listeners: [{ address: x }]\nroutes: []\nzzz: 1\nadmin: { token: "hush-${N:-1}" }\n', {
      env: CLEAN,
    });
  });
  afterAll(() => node.kill());

  test('run ends with 78 and tells every problem', async () => {
    await until(() => node.exit !== null, 'the end', 10_000);
    expect(node.exit?.code).toBe(78);
    expect(node.stderr.trim().split('\n')).toHaveLength(3);
    expect(node.stderr).toContain(`${node.file}:3:1 zzz: unknown key`);
  });

  test('run ends with 78 when there is no such file', async () => {
    const { code, stderr } = await cli('run', '-c', '/nowhere/fermat.yaml');
    expect(stderr).toContain('/nowhere/fermat.yaml:1:1 (file): cannot be read');
    expect(code).toBe(78);
  });

  test('validate tells every problem on stderr, or all in JSON on stdout, and ends with 78', async () => {
    const plain = await cli('validate', '-c', node.file);
    expect([plain.code, plain.stdout]).toEqual([78, '']);
    expect(plain.stderr.trim().split('\n')).toHaveLength(4);
    expect(plain.stderr).toMatch(/3 problems\n$/);
    const json = await cli('validate', '-c', node.file, '--json');
    expect([json.code, json.stderr]).toEqual([78, '']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      file: node.file,
      problems: [{}, {}, {}].map(() => expect.any(String)),
    });
  });

  test('a valid one is summed up, without colours where there is no terminal; -c wins over FERMAT_CONFIG', async () => {
    const file = join(node.directory, 'good.yaml');
    writeFileSync(
      file,
      'listeners: [{ address: ":0" }]\nroutes: [{ respond: { status: 200 } }]\nadmin: { token: "hush-${N:-1}" }\ngeoip: { databases: [none.mmdb] }\n',
    );
    const good = await cli('validate', '-c', file);
    // The node would start without it, so it is no problem.
    expect(good).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^warning {2}\S+none\.mmdb: no such file\n$/),
    });
    expect(good.stdout).toBe(`valid  ${file}: 1 listener, 1 route, 0 pools, 0 endpoints\n`);
    const env = { ...CLEAN, FERMAT_CONFIG: node.file };
    expect((await runFermat(['validate'], { env })).code).toBe(78);
    expect((await runFermat(['validate', '-c', file], { env })).code).toBe(0);
    const shown = await cli('config', 'show', '-c', file, '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ admin: { token: '***' }, limits: { head: '32KiB' } });
    expect(shown.stdout).not.toContain('hush');
    expect((await cli('config', 'show', '-c', node.file)).code).toBe(78);
  });

  // `config show > file` on a full disk ended with 0, and half a file.
  test('what cannot be written is a failure, unless the reader has left', () => {
    const sh = (line: string) =>
      spawnSync('bash', ['-c', line], { encoding: 'utf8', env: { ...process.env, ...CLEAN } });
    expect(sh('bin/fermat config schema > /dev/full')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('ENOSPC'),
    });
    expect(sh('set -o pipefail; bin/fermat config schema | true')).toMatchObject({ status: 0, stderr: '' });
  });

  test('config schema is JSON Schema, config docs is the page', async () => {
    const { code, stdout } = await cli('config', 'schema');
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
    });
    expect(code).toBe(0);
    expect((await cli('config', 'docs')).stdout).toBe(readFileSync('docs/configuration.md', 'utf8'));
  });
});

describe('asking a running node', () => {
  let origin: Origin;
  let node: Fermat;
  /** With the address of the node's admin API, which no file knows. */
  const ask = (...args: string[]) => cli(...args, '--admin', `127.0.0.1:${node.ports.admin}`);

  beforeAll(async () => {
    origin = await startOrigin();
    node = await startFermat(
      {
        ...simpleConfig([]),
        pools: { main: { ...poolOf([origin.url, origin.url]), balance: { policy: 'round-robin' } } },
      },
      { env: CLEAN },
    );
  });
  afterAll(async () => {
    await node.kill();
    await origin.refuse();
  });

  test('status is a table of endpoints, or JSON', async () => {
    const plain = await ask('status');
    expect(plain.code).toBe(0);
    expect(plain.stdout).toMatch(/^test {2}place unknown/);
    expect(plain.stdout).toMatch(/\nENDPOINT +POOL +STATE +SINCE/);
    expect(plain.stdout).toMatch(/\ne0 +main +healthy/);
    const json = await ask('status', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ node: { id: 'test' }, endpoints: [{ id: 'e0' }, { id: 'e1' }] });
  });

  test('top prints once without a terminal, and a line of JSON a refresh', async () => {
    expect((await ask('top')).stdout).toMatch(/\ne1 +main/);
    const { code, stdout } = await ask('top', '--count', '3', '--interval', '0.1', '--json');
    expect(code).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).endpoints.length),
    ).toEqual([2, 2, 2]);
  });

  test('explain shows every candidate and what was chosen', async () => {
    const plain = await ask('explain', '--client', '203.0.113.7');
    expect(plain.code).toBe(0);
    expect(plain.stdout).toMatch(/pool {4}main, round-robin/);
    expect(plain.stdout).toMatch(/chosen {2}e[01]/);
    const { stdout } = await ask(
      'explain',
      '--client',
      '203.0.113.7',
      '--host',
      'a.example',
      '--path',
      '/x',
      '--method',
      'POST',
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({ pool: 'main', candidates: [{}, {}] });
  });

  test('explain of what is no address is bad usage, in the node’s own words', async () => {
    const { code, stdout, stderr } = await ask('explain', '--client', 'nobody');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('nobody');
  });

  test('drain takes an endpoint out, enable puts it back, and an unknown one is told', async () => {
    const stateOf = async () => JSON.parse((await ask('status', '--json')).stdout).endpoints[0].state;
    expect(await ask('drain', 'e0')).toMatchObject({ code: 0, stdout: 'e0: draining, no new requests\n' });
    expect(await stateOf()).toBe('draining');
    expect(await ask('enable', 'e0')).toMatchObject({ code: 0 });
    expect(await stateOf()).not.toBe('draining');
    expect(await ask('drain', 'e7')).toMatchObject({ code: 1, stderr: expect.stringContaining('e7') });
  });

  test('reload takes a new file, and ends with 78 and the problems when it is refused', async () => {
    expect(await ask('reload')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^reloaded: version \d+\n$/) });
    const good = readFileSync(node.file, 'utf8');
    writeFileSync(node.file, good.replace('round-robin', 'round-robbin'));
    const refused = await ask('reload');
    expect(refused.code).toBe(78);
    expect(refused.stderr).toContain('unknown value (did you mean round-robin?)');
    expect((await exchange(node.ports.http!, get())).status).toBe(200);
    writeFileSync(node.file, good);
    expect((await ask('reload')).code).toBe(0);
  });

  test('healthcheck ends with 0 when ready', async () => {
    expect(await ask('healthcheck')).toMatchObject({ code: 0, stdout: 'ready\n' });
  });

  test('the address comes from FERMAT_ADMIN_ADDRESS, too', async () => {
    const env = { ...CLEAN, FERMAT_ADMIN_ADDRESS: `127.0.0.1:${node.ports.admin}` };
    expect((await runFermat(['healthcheck'], { env })).code).toBe(0);
  });

  test('what answers there but is not Fermat is told', async () => {
    const { code, stderr } = await cli('status', '--admin', origin.url);
    expect(code).toBe(1);
    expect(stderr).toContain("is not Fermat's admin API");
  });
});

describe('when nothing answers', () => {
  test('every asking verb fails with 1 and says where it asked', async () => {
    for (const verb of ['status', 'top', 'reload', 'healthcheck']) {
      const { code, stdout, stderr } = await cli(verb, '--admin', '127.0.0.1:1');
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain('no Fermat answers at http://127.0.0.1:1: is it running? (ECONNREFUSED)');
    }
  });

  test('the address is taken from the file, broken elsewhere or not', async () => {
    const node = spawnFermat('admin: { address: ":2" }\nzzz: 1\n', { env: CLEAN });
    await until(() => node.exit !== null, 'the end', 10_000);
    expect((await cli('healthcheck', '-c', node.file)).stderr).toContain('http://127.0.0.1:2');
    writeFileSync(node.file, 'admin: { address: "" }\n');
    expect(await cli('status', '-c', node.file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no admin API'),
    });
    await node.kill();
    expect((await cli('status', '-c', '/nowhere.yaml')).code).toBe(78);
  });
});

describe('a token', () => {
  test('is wanted, and taken from a flag or FERMAT_ADMIN_TOKEN', async () => {
    const node = await startFermat(
      { routes: [{ respond: { status: 204 } }] },
      { env: { ...CLEAN, FERMAT_ADMIN_TOKEN: 'sesame' }, isUnready: true },
    );
    try {
      const at = ['--admin', `127.0.0.1:${node.ports.admin}`];
      expect(await cli('status', ...at)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('FERMAT_ADMIN_TOKEN'),
      });
      expect((await cli('status', ...at, '--token', 'sesame')).code).toBe(0);
      expect((await runFermat(['status', ...at], { env: { ...CLEAN, FERMAT_ADMIN_TOKEN: 'sesame' } })).code).toBe(0);
      expect((await cli('status', ...at, '--token', 'wrong')).code).toBe(1);
    } finally {
      await node.kill();
    }
  });
});

describe('a sidecar in one line', () => {
  test('serves its upstreams, and ends with 0 on SIGTERM', async () => {
    const origin = await startOrigin();
    const node = spawnFermat('', {
      args: ['run', '--listen', '127.0.0.1:0', '--upstream', origin.url],
      env: { ...CLEAN, FERMAT_ADMIN_ADDRESS: '127.0.0.1:0' },
    });
    try {
      await until(() => 'admin' in node.ports, 'the announcements', 20_000);
      const [port] = Object.entries(node.ports).flatMap(([name, p]) => (name === 'admin' ? [] : [p]));
      expect((await exchange(port!, get())).status).toBe(200);
      node.child.kill('SIGTERM');
      await until(() => node.exit !== null, 'the end', 20_000);
      expect(node.exit?.code).toBe(0);
    } finally {
      await node.kill();
      await origin.refuse();
    }
  });
});
