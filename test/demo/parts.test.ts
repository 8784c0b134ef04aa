import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CLIENTS } from '../../src/demo/clients.ts';
import { configOf } from '../../src/demo/config.ts';
import { type ControlPort, openControlPort } from '../../src/demo/control.ts';
import type { Action } from '../../src/demo/fleet.ts';
import { planOf } from '../../src/demo/plan.ts';
import { summaryOf, tableOf } from '../../src/demo/table.ts';
import { startTraffic } from '../../src/demo/traffic.ts';
import type { RegionView } from '../../src/demo/watch.ts';
import { until } from '../support/until.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function regionView(more: Partial<RegionView>): RegionView {
  return {
    region: 'aws:eu-central-1',
    place: 'Europe (Frankfurt)',
    origin: 'up',
    matrixMs: 0.1,
    networkMs: 0.94,
    scoreMs: 1.24,
    share: 0,
    state: 'healthy',
    why: '',
    ...more,
  };
}

describe("the demo's table", () => {
  const regions = [
    regionView({ share: 0.75 }),
    regionView({
      region: 'aws:us-east-1',
      networkMs: 85.7,
      scoreMs: null,
      origin: 'down',
      state: 'unhealthy',
      why: 'connect ECONNREFUSED',
    }),
  ];
  const traffic = { requestsPerSecond: 29.8, p50Ms: 2.26, p99Ms: 15.4, failed: 0, lastFailure: null, total: 150 };

  it('has a line a region with what is measured, its share and its state, and what clients saw', () => {
    const [head, first, second, , last] = tableOf(regions, traffic, 140);
    expect(head).toMatch(/region +place +RTT +score +share +state/);
    expect(first).toMatch(/^aws:eu-central-1 +Europe \(Frankfurt\) +0\.9 ms +1\.2 ms +75 % +█{9}·{3} healthy$/);
    expect(second).toMatch(/86 ms +– +0 % +·{12} killed; unhealthy \(connect ECONNREFUSED\)$/);
    expect(last).toBe('30 req/s, p50 2.3 ms, p99 15 ms, 0 of 150 failed');
  });

  it('leaves out the places in a narrow window', () => {
    const [head, first] = tableOf(regions, traffic, 80);
    expect(head).not.toContain('place');
    expect(first).toMatch(/^aws:eu-central-1 +0\.9 ms/);
    expect(first!.length).toBeLessThan(80);
  });

  it('fits into one line: who serves, and who is in trouble', () => {
    expect(summaryOf(regions, traffic)).toBe(
      '30 req/s, p50 2.3 ms, p99 15 ms, 0 of 150 failed | aws:eu-central-1 75 % (0.9 ms) | ' +
        'aws:us-east-1 killed; unhealthy (connect ECONNREFUSED)',
    );
    expect(summaryOf([regionView({ networkMs: null })], null)).toBe('no traffic of its own | nobody serves');
  });
});

describe("the demo's configuration", () => {
  it('names every origin with its region and port, and believes loopback about its clients', () => {
    const plan = planOf('gcp:europe-west3', ['europe-west3', 'us-east1']);
    if (plan.problem !== null) throw new Error(plan.problem);
    const ports = { 'gcp:europe-west3': 4001, 'gcp:us-east1': 4002 };
    const config = parse(configOf({ edge: 'gcp:europe-west3', port: 0, adminPort: 9901, plans: plan.origins, ports }));
    expect(config.node.region).toBe('gcp:europe-west3');
    expect(config.pools.demo.endpoints).toEqual([
      { id: 'europe-west3', url: 'http://127.0.0.1:4001', region: 'gcp:europe-west3' },
      { id: 'us-east1', url: 'http://127.0.0.1:4002', region: 'gcp:us-east1' },
    ]);
    expect(config.trustedProxies).toEqual(['127.0.0.0/8']);
    expect(config.admin.address).toBe('127.0.0.1:9901');
  });
});

describe("the demo's traffic", () => {
  async function served(answer: (req: IncomingMessage) => number): Promise<string> {
    const server = createServer((req, res) => void res.writeHead(answer(req)).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => {
      server.close();
      server.closeAllConnections();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  it('comes at the asked rate, from clients of many countries, and is counted', async () => {
    const clients = new Set<string>();
    const url = await served((req) => {
      clients.add(String(req.headers['x-forwarded-for']));
      return 200;
    });
    const traffic = startTraffic({ url, requestsPerSecond: 500, random: Math.random });
    cleanups.push(() => traffic.stop());
    await until(() => traffic.view().total >= 200);
    expect(clients.size).toBeGreaterThan(8);
    for (const client of clients) expect(CLIENTS).toContain(client);
    expect(traffic.view()).toMatchObject({ failed: 0, p50Ms: expect.any(Number), p99Ms: expect.any(Number) });
  });

  it('counts an answer of 500 and above, and a request without an answer, as failed', async () => {
    const refusing = startTraffic({ url: await served(() => 503), requestsPerSecond: 200, random: Math.random });
    const dead = startTraffic({ url: 'http://127.0.0.1:1/', requestsPerSecond: 200, random: Math.random });
    cleanups.push(
      () => refusing.stop(),
      () => dead.stop(),
    );
    await until(() => refusing.view().failed > 3 && dead.view().failed > 3);
  });
});

describe("the demo's control port", () => {
  async function opened(port = 0): Promise<{ control: ControlPort; done: [Action, string | null][] }> {
    const done: [Action, string | null][] = [];
    const control = await openControlPort(port, {
      act: async (action, region) => {
        done.push([action, region]);
        return region === 'mars' ? { problem: 'no region mars' } : { region: region ?? 'aws:best', problem: null };
      },
      state: async () => ({ regions: [] }),
    });
    cleanups.push(() => control.close());
    return { control, done };
  }

  it('does to the best region or to the named one what was POSTed', async () => {
    const { control, done } = await opened();
    const killed = await fetch(`${control.url}/kill`, { method: 'POST' });
    expect(await killed.json()).toEqual({ action: 'kill', region: 'aws:best' });
    await fetch(`${control.url}/revive?region=aws:us-east-1`, { method: 'POST' });
    expect(done).toEqual([
      ['kill', null],
      ['revive', 'aws:us-east-1'],
    ]);
    expect(await (await fetch(`${control.url}/state`)).json()).toEqual({ regions: [] });
  });

  it('says why it did nothing: unknown region, wrong method, unknown path, a foreign page', async () => {
    const { control, done } = await opened();
    const post = (path: string, headers = {}) => fetch(`${control.url}${path}`, { method: 'POST', headers });
    expect((await post('/kill?region=mars')).status).toBe(409);
    expect((await fetch(`${control.url}/kill`)).status).toBe(405);
    expect((await post('/constructor')).status).toBe(404);
    expect((await post('/kill', { Origin: 'https://evil.example' })).status).toBe(403);
    expect((await post('/kill', { Origin: 'http://127.0.0.1.evil.example' })).status).toBe(403);
    expect(done).toEqual([['kill', 'mars']]);
  });

  it('takes a free port when its own is taken', async () => {
    const first = await opened();
    const second = await opened(Number(new URL(first.control.url).port));
    expect(second.control.url).not.toBe(first.control.url);
    expect((await fetch(`${second.control.url}/state`)).status).toBe(200);
  });
});
