// The systemd units, by systemd's own tools, which need no running systemd: whether they are units, how exposed they leave the service,
// and whether what Fermat does (start, serve, hand over to a successor, drain) stays within the system calls that they allow.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN, poolOf, runFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { exchange, get } from '../support/raw.ts';
import { freePort } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const UNITS = join(REPOSITORY, 'deploy/systemd');
const MOST_EXPOSURE = 2;
const TRACE_TIMEOUT_MS = 60_000;

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'fermat-units-'));
  // As installed, but the installation is here.
  for (const name of readdirSync(UNITS))
    writeFileSync(join(scratch, name), text(name).replaceAll('/opt/fermat', REPOSITORY));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const text = (name: string) => readFileSync(join(UNITS, name), 'utf8');
const analyze = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['--no-pager', ...args], { encoding: 'utf8' });
  return { status, out: stdout + stderr };
};
/** All values of a key, in order. */
const valuesOf = (name: string, key: string) =>
  [...text(name).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value!);

describe.each(readdirSync(UNITS).filter((name) => /\.(service|timer)$/.test(name)))('%s', (name) => {
  it('is a unit that systemd has nothing to say against', () => {
    const units = readdirSync(scratch).filter((file) => /\.(service|timer)$/.test(file));
    expect(units).toContain(name);
    const { status, out } = analyze('verify', '--man=no', join(scratch, name));
    // Of other units of the machine, if any; never of ours.
    const ours = out.split('\n').filter((line) => line.includes('fermat'));
    expect([status, ours]).toEqual([0, []]);
  });

  it('names documentation that is there', () => {
    for (const url of valuesOf(name, 'Documentation')) {
      expect(existsSync(url.replace('file:///opt/fermat', REPOSITORY)), url).toBe(true);
    }
  });
});

describe.each(['fermat.service', 'fermat-geoip.service'])('%s', (name) => {
  it(`leaves the service exposed by ${MOST_EXPOSURE} of 10 at most, as systemd counts`, () => {
    const { out } = analyze('security', '--offline=true', join(UNITS, name));
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(out)?.[1]);
    expect(exposure, out).toBeGreaterThan(0);
    expect(exposure, out).toBeLessThanOrEqual(MOST_EXPOSURE);
  });

  it('starts a command that Fermat knows, from the installation', async () => {
    for (const command of [...valuesOf(name, 'ExecStart'), ...valuesOf(name, 'ExecReload')]) {
      expect(command).toMatch(/^\/opt\/fermat\/bin\/fermat /);
      const words = command.split(' ').slice(1);
      expect((await runFermat([...words, '--help'])).code, command).toBe(0);
    }
  });
});

describe('fermat.service', () => {
  it('gives longer to end than draining takes by default', async () => {
    const { properties } = JSON.parse((await runFermat(['config', 'schema'])).stdout) as {
      properties: { shutdown: { properties: Record<string, { default: string }> } };
    };
    const { drainDelay, timeout } = properties.shutdown.properties;
    const seconds = [drainDelay!, timeout!].map((key) => Number(/^(\d+)s$/.exec(key.default)![1]));
    expect(Number(valuesOf('fermat.service', 'TimeoutStopSec')[0])).toBeGreaterThan(seconds[0]! + seconds[1]!);
    expect(valuesOf('fermat.service', 'RestartPreventExitStatus')).toEqual(['78']);
  });

  it('lets be written what the documentation has it write: access logs, databases, sockets', () => {
    const writable = [
      ['RuntimeDirectory', '/run'],
      ['StateDirectory', '/var/lib'],
      ['CacheDirectory', '/var/cache'],
      ['LogsDirectory', '/var/log'],
    ].flatMap(([key, root]) => valuesOf('fermat.service', key!).map((value) => `${root}/${value}`));
    const docs = join(REPOSITORY, 'docs');
    const pages = readdirSync(docs).filter((name) => name.endsWith('.md'));
    const named = pages.flatMap(
      (page) => readFileSync(join(docs, page), 'utf8').match(/\/(run|var\/\w+)\/fermat\b/g) ?? [],
    );
    expect(new Set(writable)).toEqual(new Set(named));
  });

  it(
    'allows every system call of a start, requests, a hot restart and a drain',
    async () => {
      const made = await traced();
      expect(made.size).toBeGreaterThan(40);
      const [allow, deny] = valuesOf('fermat.service', 'SystemCallFilter');
      const denied = callsOf(deny!.replace('~', '').split(' '));
      const allowed = callsOf(allow!.split(' '));
      expect([...made].filter((call) => !allowed.has(call) || denied.has(call))).toEqual([]);
    },
    TRACE_TIMEOUT_MS,
  );
});

/** The calls of systemd's groups, which may hold other groups. */
function callsOf(groups: readonly string[]): Set<string> {
  const calls = new Set<string>();
  for (const name of groups) {
    if (!name.startsWith('@')) {
      calls.add(name);
      continue;
    }
    const lines = analyze('syscall-filter', name).out.split('\n').slice(1);
    const inner = lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');
    for (const call of callsOf(inner)) calls.add(call);
  }
  return calls;
}

/** What the kernel was asked for, by name. */
async function traced(): Promise<Set<string>> {
  await using origin = await startOrigin();
  const [port, adminPort] = [await freePort(), await freePort()];
  const file = join(scratch, 'fermat.yaml');
  const config = {
    workers: 1,
    listeners: [{ address: `127.0.0.1:${port}` }, { address: `unix:${join(scratch, 'socket')}` }],
    admin: { address: `127.0.0.1:${adminPort}` },
    pools: { main: poolOf([origin.url]) },
    routes: [{ pool: 'main' }],
    shutdown: { drainDelay: '0s', timeout: '2s' },
  };
  writeFileSync(file, JSON.stringify(config));
  const table = join(scratch, 'calls');
  // All threads and the successor; systemd-notify is systemd's own.
  const strace = ['-f', '-qq', '-c', '-o', table, BIN, 'run', '-c', file];
  const child = spawn('strace', strace, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const node = async () => (await (await fetch(`http://127.0.0.1:${adminPort}/api/v1/node`)).json()) as { pid: number };
  let last = 0;
  try {
    await untilServing(child);
    expect((await exchange(port, get('/'))).status).toBe(200);
    const { pid } = await node();
    process.kill(pid, 'SIGUSR2');
    last = await until(
      async () => {
        const now = await node().catch(() => null);
        return now !== null && now.pid !== pid ? now.pid : null;
      },
      'the successor',
      TRACE_TIMEOUT_MS,
    );
    expect((await exchange(port, get('/'))).status).toBe(200);
    process.kill(last, 'SIGTERM');
    // strace ends with the last of those that it follows.
    await ended;
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
  const rows = readFileSync(table, 'utf8').split('\n').slice(2);
  const names = rows.map((row) => row.trim().split(/\s+/).at(-1)!);
  return new Set(names.filter((name) => /^\w+$/.test(name) && name !== 'total'));
}

async function untilServing(child: ChildProcess): Promise<void> {
  let said = '';
  child.stdout!.setEncoding('utf8').on('data', (more: string) => {
    said += more;
  });
  await until(
    () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return said.includes('admin on');
    },
    'the admin listener',
    TRACE_TIMEOUT_MS,
  );
}
