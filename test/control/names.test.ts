// The node's resolver against a real name server over UDP that says whatever a test wants said.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nowMs } from '../../src/clock.ts';
import { Dns } from '../../src/control/ask-dns.ts';
import { createEventLog } from '../../src/control/events.ts';
import { HostsFile } from '../../src/control/hosts-file.ts';
import { Names } from '../../src/control/names.ts';
import { Limit } from '../../src/control/probe/limit.ts';
import { type DnsServer, startDns } from '../support/dns.ts';
import { until } from '../support/until.ts';

const HOST = 'shop.test';
let server: DnsServer;
let names: Names;
let told: [host: string, addresses: readonly string[] | null][];
let asked: string[];
const events = createEventLog({ level: 'silent' });
const others: DnsServer[] = [];

function newNames(dns = new Dns(nowMs)): Names {
  return new Names({
    clock: nowMs,
    random: () => 0,
    events,
    dns,
    onChange: (host, addresses) => told.push([host, addresses]),
    onAsked: (result) => asked.push(result),
  });
}

beforeEach(async () => {
  told = [];
  asked = [];
  server = await startDns();
  names = newNames();
  names.use([server.address]);
});
afterEach(async () => {
  names.close();
  await Promise.all([server.close().catch(() => {}), ...others.splice(0).map((other) => other.close())]);
});

const watch = (...hosts: string[]): void => names.keep(new Set(hosts));
const toldOf = async (count: number): Promise<typeof told> => {
  await until(() => told.length >= count, `${count} changes`, 9000);
  return told;
};

async function resolved(host: string, timeoutMs = 4000): Promise<readonly string[]> {
  const limit = new Limit(timeoutMs, nowMs);
  try {
    return (await names.resolve(host, limit)).addresses;
  } finally {
    limit.clear();
  }
}

describe('addresses of a name', () => {
  it('are all of its A and AAAA records, IPv4 first', async () => {
    server.set(HOST, ['10.0.0.2', 'fd00::1', '10.0.0.1'], 60);
    watch(HOST);
    expect(await toldOf(1)).toEqual([[HOST, ['10.0.0.1', '10.0.0.2', 'fd00::1']]]);
    expect(new Set(server.questions.map(({ type }) => type))).toEqual(new Set(['A', 'AAAA']));
  });

  it('are asked for again when their time is over, and told when they have changed', async () => {
    server.set(HOST, ['10.0.0.1'], 1);
    watch(HOST);
    await toldOf(1);
    server.set(HOST, ['10.0.0.2'], 1);
    const changedMs = performance.now();
    expect((await toldOf(2))[1]).toEqual([HOST, ['10.0.0.2']]);
    expect(performance.now() - changedMs).toBeLessThan(1900);
    await until(() => asked.length >= 4, 'two more answers');
    expect(told).toHaveLength(2); // the same again is no change
  });

  it('are not asked for more often than once a second, whatever their TTL', async () => {
    server.set(HOST, ['10.0.0.1'], 0);
    watch(HOST);
    await until(() => server.questions.filter(({ type }) => type === 'A').length >= 3, 'three questions');
    const [first, , third] = server.questions.filter(({ type }) => type === 'A');
    expect(third!.atMs - first!.atMs).toBeGreaterThan(1950);
  });

  it('come without waiting for a slow AAAA, which is taken up when it comes', async () => {
    server.set(HOST, ['10.0.0.1', 'fd00::1'], 60);
    server.delayMs.set('AAAA', 600);
    watch(HOST);
    await toldOf(1);
    expect(told).toEqual([[HOST, ['10.0.0.1']]]);
    expect((await toldOf(2))[1]).toEqual([HOST, ['10.0.0.1', 'fd00::1']]);
  });

  it('of a bare name come from the system, and so do those of the hosts file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fermat-hosts-'));
    const file = join(folder, 'hosts');
    writeFileSync(file, '# ours\n127.0.0.9 other.test localhost.localdomain # and so on\n');
    try {
      const hosts = new HostsFile(nowMs, file);
      expect(await hosts.has('LOCALHOST.localdomain.')).toBe(true);
      expect(await hosts.has('and')).toBe(false);
      expect(await new HostsFile(nowMs, join(folder, 'none')).has('other.test')).toBe(false);
      watch('localhost');
      await toldOf(1);
      expect(told[0]![1]).toContain('127.0.0.1');
      expect(server.questions).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('are nobody’s business when the endpoint is an address or a UNIX socket', async () => {
    watch('127.0.0.1', '::1', '');
    expect(await resolved('127.0.0.1')).toEqual(['127.0.0.1']);
    expect(server.questions).toEqual([]);
    expect(names.isAt('127.0.0.1', '127.0.0.1')).toBe(true);
  });
});

describe('when DNS fails', () => {
  it.each(['servfail', 'nxdomain', 'silence'] as const)('the last good addresses stay (%s)', async (fault) => {
    server.set(HOST, ['10.0.0.1', 'fd00::1'], 1);
    watch(HOST);
    await toldOf(1);
    server.zone.set(HOST, fault);
    await until(() => asked.some((result) => result !== 'ok'), 'a failure', 9000);
    expect(asked.at(-1)).toBe({ servfail: 'failed', nxdomain: 'no_such_name', silence: 'timeout' }[fault]);
    expect(await resolved(HOST)).toEqual(['10.0.0.1', 'fd00::1']);
    expect(told).toHaveLength(1);
    expect(events.recent().at(-1)).toMatchObject({ type: 'dns.failed', host: HOST });
    server.set(HOST, ['10.0.0.2'], 60);
    expect((await toldOf(2))[1]).toEqual([HOST, ['10.0.0.2']]);
    expect(events.recent().map(({ type }) => type)).toContain('dns.back');
  });

  it('from the start, the name has no address until it is answered, and a probe is told why', async () => {
    watch(HOST);
    expect(await toldOf(1)).toEqual([[HOST, []]]);
    await expect(resolved(HOST)).rejects.toMatchObject({ kind: 'dns', message: 'dns ENOTFOUND' });
    server.set(HOST, ['10.0.0.1'], 60);
    expect((await toldOf(2))[1]).toEqual([HOST, ['10.0.0.1']]);
  });

  it('it is tried again after one second, then two, then four', async () => {
    server.zone.set(HOST, 'servfail');
    watch(HOST);
    await until(() => asked.length >= 3, 'three questions', 9000);
    // c-ares tries each question twice: moments, not counts.
    const moments = server.questions.map(({ atMs }) => atMs);
    const rounds = moments.filter((atMs, i) => i === 0 || atMs - moments[i - 1]! > 500);
    expect(rounds).toHaveLength(3);
    expect(rounds[1]! - rounds[0]!).toBeGreaterThan(950);
    expect(rounds[2]! - rounds[1]!).toBeGreaterThan(1950);
  });

  it('a server that is gone is a failure, and its return is noticed', async () => {
    const { port } = server;
    server.set(HOST, ['10.0.0.1'], 1);
    watch(HOST);
    await toldOf(1);
    await server.close();
    await until(() => asked.some((result) => result !== 'ok'), 'a failure', 9000);
    expect(told).toHaveLength(1);
    server = await startDns(port);
    server.set(HOST, ['10.0.0.3'], 60);
    expect((await toldOf(2))[1]).toEqual([HOST, ['10.0.0.3']]);
  });

  it('a probe waits for the first answer no longer than its own time', async () => {
    server.zone.set(HOST, 'silence');
    watch(HOST);
    const startMs = performance.now();
    await expect(resolved(HOST, 150)).rejects.toMatchObject({ kind: 'dns', message: 'dns: no answer in 150ms' });
    expect(performance.now() - startMs).toBeLessThan(600);
  });
});

describe('a name that nobody needs any more', () => {
  it('is told as such, and asked for no more', async () => {
    server.set(HOST, ['10.0.0.1'], 1);
    watch(HOST);
    await toldOf(1);
    watch();
    expect(told.at(-1)).toEqual([HOST, null]);
    const { length } = server.questions;
    server.set('other.test', ['10.0.0.9'], 1);
    watch('other.test');
    await until(() => server.questions.filter(({ name }) => name === 'other.test').length >= 6, 'others', 9000);
    expect(server.questions.filter(({ name }) => name === HOST)).toHaveLength(length);
  });
});

describe('other name servers', () => {
  it('are asked at once', async () => {
    server.set(HOST, ['10.0.0.1'], 60);
    watch(HOST);
    await toldOf(1);
    const other = await startDns();
    others.push(other);
    other.set(HOST, ['10.0.0.2'], 60);
    names.use([other.address]);
    expect((await toldOf(2))[1]).toEqual([HOST, ['10.0.0.2']]);
  });
});
