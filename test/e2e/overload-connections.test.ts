// More connections than there is room for: descriptors that run out, and a flood. Who is here already does not notice, the
// process neither spins nor blames an endpoint, and its admin answers.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin();
  origin.script = (request) => request.answer();
});
afterAll(async () => {
  await origin.refuse();
});

/** CPU time of the whole process so far, ms. */
function cpuMs(fermat: Fermat): number {
  const fields = readFileSync(`/proc/${fermat.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10; // ticks of 10 ms
}

/** Part of one core that it takes for `ms`. */
async function cpuShare(fermat: Fermat, ms: number): Promise<number> {
  const [fromCpuMs, fromMs] = [cpuMs(fermat), performance.now()];
  await delay(ms);
  return (cpuMs(fermat) - fromCpuMs) / (performance.now() - fromMs);
}

async function answers(client: RawClient): Promise<number> {
  await client.send(get());
  return (await client.answer()).status;
}

/** Connections that are tried; those that are refused or reset are null. */
function crowd(fermat: Fermat, count: number): Promise<(RawClient | null)[]> {
  return Promise.all(Array.from({ length: count }, () => rawClient(fermat.port).catch(() => null)));
}

function open(clients: readonly (RawClient | null)[]): RawClient[] {
  return clients.filter((client) => client !== null && !client.isClosed && !client.hasEnded) as RawClient[];
}

async function recovered(fermat: Fermat): Promise<number> {
  const startMs = performance.now();
  await until(async () => {
    using client = (await rawClient(fermat.port).catch(() => null)) as RawClient;
    return (await answers(client).catch(() => 0)) === 200;
  }, 'a new connection that is served');
  return performance.now() - startMs;
}

describe('256 descriptors', () => {
  it('are never all taken: less than half for clients, who are all served, and the rest is closed at accept', async () => {
    await using fermat = await startFermat(simpleConfig([origin.url], {}, { workers: 2 }), {
      prelude: 'ulimit -n 256',
    });
    const kept = await crowd(fermat, 20);
    expect(await Promise.all(open(kept).map(answers))).toEqual(Array.from({ length: 20 }, () => 200));
    const many = await crowd(fermat, 600);
    await until(() => open(many).length < 128, 'the excess to be closed');
    const share = await cpuShare(fermat, 1000);
    const inside = open(many);
    expect(inside.length).toBeGreaterThan(30);
    expect(new Set(await Promise.all([...open(kept), ...inside].map(answers)))).toEqual(new Set([200]));
    expect(fermat.openFiles).toBeLessThan(240);
    expect((await fermat.admin('/metrics')).status).toBe(200);
    expect((await fermat.admin('/readyz')).status).toBe(200);
    expect(share).toBeLessThan(0.2);
    for (const client of many) client?.destroy();
    expect(await recovered(fermat)).toBeLessThan(1000);
    expect(open(kept)).toHaveLength(20);
    for (const client of kept) client?.destroy();
  }, 30_000);
});

describe('descriptors that are all taken', () => {
  it('spin no core, cost no connection, and are not the endpoint’s failure; there is room again within a second', async () => {
    await using fermat = await startFermat(simpleConfig([origin.url], {}, { workers: 2 }), {
      prelude: 'ulimit -n 1000',
    });
    const kept = await crowd(fermat, 20);
    expect(await Promise.all(open(kept).map(answers))).toEqual(Array.from({ length: 20 }, () => 200));
    const limit = (soft: number) => execFileSync('prlimit', ['--pid', String(fermat.pid), `--nofile=${soft}:`]);
    limit(fermat.openFiles - 2);
    const many = await crowd(fermat, 200);
    const share = await cpuShare(fermat, 2000);
    // One after another: at once they could need more connections to the origin than there are, and none can be opened.
    for (const client of open(kept)) expect(await answers(client)).toBe(200);
    expect(open(kept)).toHaveLength(20);
    expect((await fermat.admin('/livez')).status).toBe(200);
    expect(share).toBeLessThan(0.2);
    for (const client of many) client?.destroy();
    limit(1000);
    expect(await recovered(fermat)).toBeLessThan(1000);
    expect(await fermat.metric('fermat_upstream_failures_total')).toBe(0);
    expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
    for (const client of kept) client?.destroy();
  }, 30_000);
});

describe('a flood of connections', () => {
  const quantile = (times: number[], q: number): number => times.sort((a, b) => a - b)[Math.floor(times.length * q)]!;

  /** A request every 4 ms, over connections that are there already; ms each. */
  async function timed(clients: readonly RawClient[], count: number): Promise<number[]> {
    const times: number[] = [];
    const all: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const client = clients[i % clients.length]!;
      const startMs = performance.now();
      all.push(
        answers(client).then((status) => {
          expect(status).toBe(200);
          times.push(performance.now() - startMs);
        }),
      );
      await delay(4);
    }
    await Promise.all(all);
    return times;
  }

  it('of 2,000 a second beyond the limit is closed at accept, and hardly slows down who is connected', async () => {
    await using fermat = await startFermat(simpleConfig([origin.url], {}, { limits: { connections: 50 } }));
    const kept = await crowd(fermat, 50);
    await timed(open(kept), 500);
    const calm = await timed(open(kept), 500);
    const script = `const net = require('node:net');
      setInterval(() => {
        for (let i = 0; i < 40; i++) net.connect(${fermat.port}, '127.0.0.1').on('error', () => {});
      }, 20);`;
    const flood = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    try {
      await delay(300);
      const flooded = await timed(open(kept), 500);
      // Twice, and what a machine that is busy with the flood itself adds; how close it is, the bench tells.
      expect(quantile(flooded, 0.5)).toBeLessThan(2 * quantile(calm, 0.5) + 2);
      expect(quantile(flooded, 0.99)).toBeLessThan(2 * quantile(calm, 0.99) + 200);
      expect((await fermat.admin('/metrics')).status).toBe(200);
    } finally {
      const exit = once(flood, 'exit');
      flood.kill('SIGKILL');
      await exit;
    }
    expect(open(kept)).toHaveLength(50);
    expect(await fermat.metric('fermat_connections')).toBe(50);
    for (const client of kept) client?.destroy();
  }, 40_000);
});
