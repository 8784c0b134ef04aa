// Reloads under a steady load of 200 requests a second, half over kept connections and half over new ones: nothing fails,
// what is new takes effect, what is gone is not used any more, and counters never go back.

import { renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat, withDefaults } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/peers.ts';
import { exchange, get, type RawClient, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

const RATE_PER_S = 200;
const KEPT = 4;

/** Requests at a fixed rate, whatever becomes of those before; every second one over a connection of its own. */
class Pace {
  ok = 0;
  readonly failures: string[] = [];
  readonly #port: number;
  readonly #timer: NodeJS.Timeout;
  readonly #pending = new Set<Promise<void>>();
  readonly #idle: RawClient[];
  #sent = 0;

  private constructor(port: number, idle: RawClient[]) {
    this.#port = port;
    this.#idle = idle;
    const startMs = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startMs) * RATE_PER_S) / 1000;
      while (this.#sent < due) this.#send();
    }, 5);
  }

  static async start(port: number): Promise<Pace> {
    return new Pace(port, await Promise.all(Array.from({ length: KEPT }, () => rawClient(port))));
  }

  #send(): void {
    const one = this.#sent++ % 2 === 0 ? this.#overNew() : this.#overKept();
    const noted = one
      .then((status) => {
        if (status === 200) this.ok++;
        else this.failures.push(String(status));
      })
      .catch((error: unknown) => void this.failures.push(String(error)))
      .finally(() => void this.#pending.delete(noted));
    this.#pending.add(noted);
  }

  async #overNew(): Promise<number> {
    return (await exchange(this.#port, get('/new', 'Connection: close\r\n'))).status;
  }

  /** A connection that the answer says is closed is replaced: that is no failure. */
  async #overKept(): Promise<number> {
    const client = this.#idle.pop() ?? (await rawClient(this.#port));
    await client.send(get('/kept'));
    const answer = await client.answer();
    if (answer.field('connection') === 'close') client.destroy();
    else this.#idle.push(client);
    return answer.status;
  }

  async more(requests: number): Promise<void> {
    const from = this.ok;
    await until(() => this.ok >= from + requests || this.failures.length > 0, `${requests} more requests`, 10_000);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    for (const client of this.#idle) client.destroy();
  }
}

let origins: Origin[];
let fermat: Fermat;
let used: number;

const config = (names: string, version: string, more: Config = {}): Config => ({
  workers: 2,
  pools: {
    main: {
      ...poolOf([]),
      // Round robin, so that an endpoint is idle only because it is gone.
      balance: { policy: 'round-robin' },
      endpoints: [...names].map((name) => ({ url: origins['abc'.indexOf(name)]!.url, id: name })),
    },
  },
  routes: [{ pool: 'main' }, { path: '/version', respond: { status: 200, body: version } }],
  ...more,
});

beforeAll(async () => {
  origins = await Promise.all(Array.from({ length: 3 }, () => startOrigin()));
  fermat = await startFermat(config('ab', 'v0'));
  used = fermat.port;
});
afterAll(async () => {
  await fermat?.stop();
  for (const origin of origins ?? []) await origin.refuse();
});

const version = async (): Promise<string> => (await exchange(used, get('/version'))).text;
const post = (): Promise<{ status: number; text: string }> => fermat.admin('/api/v1/reload', { method: 'POST' });

/** How many requests each origin got while `during` ran. */
async function servedDuring(during: () => Promise<void>): Promise<number[]> {
  const before = origins.map(({ requests }) => requests.length);
  await during();
  return origins.map(({ requests }, i) => requests.length - before[i]!);
}

/** Every counter's value by its whole name with labels. */
async function counters(): Promise<Map<string, number>> {
  const { text } = await fermat.admin('/metrics');
  const names = new Set([...text.matchAll(/^# TYPE (\S+) (?:counter|histogram)$/gm)].map((match) => match[1]!));
  const values = new Map<string, number>();
  for (const [, series, name, value] of text.matchAll(/^((fermat_\w+?)(?:_bucket|_sum|_count)?(?:\{.*\})?) (\S+)$/gm))
    if (names.has(name!)) values.set(series!, Number(value));
  return values;
}

describe('under load', () => {
  it('loses no request by any kind of reload, uses new endpoints, leaves removed ones, and counts on', async () => {
    const pace = await Pace.start(used);
    await pace.more(100);
    const start = await counters();

    fermat.writeConfig(config('abc', 'v1'));
    expect((await post()).status).toBe(200);
    expect(await version()).toBe('v1');
    const added = await servedDuring(() => pace.more(120));
    expect(Math.min(...added)).toBeGreaterThan(10);

    fermat.writeConfig(config('bc', 'v2'));
    fermat.child.kill('SIGHUP');
    await until(async () => (await version()) === 'v2', 'the second version');
    // What was sent to it before has been answered when all connections to it are closed.
    await until(() => origins[0]!.open.length === 0, 'the end of connections to the removed endpoint');
    const removed = await servedDuring(() => pace.more(120));
    expect(removed[0]).toBe(0);
    expect(Math.min(removed[1]!, removed[2]!)).toBeGreaterThan(20);

    // As editors and Kubernetes do it: a new file, renamed onto the old one.
    writeFileSync(`${fermat.file}.new`, JSON.stringify(withDefaults(config('ca', 'v3'))));
    renameSync(`${fermat.file}.new`, fermat.file);
    await until(async () => (await version()) === 'v3', 'the third version', 8000);
    await until(() => origins[1]!.open.length === 0, 'the end of connections to the second removed endpoint');
    const back = await servedDuring(() => pace.more(120));
    expect(back[1]).toBe(0);
    expect(Math.min(back[0]!, back[2]!)).toBeGreaterThan(20);

    await pace.end();
    expect(pace.failures).toEqual([]);
    const end = await counters();
    expect(start.size).toBeGreaterThan(20);
    for (const [series, value] of start) expect(end.get(series) ?? 0, series).toBeGreaterThanOrEqual(value);
    expect(await fermat.metric('fermat_config_reloads_total', 'result="success"')).toBe(3);
    await until(
      async () => (await fermat.metric('fermat_requests_total', 'endpoint=', 'code="200"')) >= pace.ok,
      'every answer counted',
    );
    expect(origins.flatMap(({ faults }) => faults)).toEqual([]);
  });

  it('keeps the old configuration through bad ones and names their problems, until a good one comes', async () => {
    const before = await version();
    const pace = await Pace.start(used);
    await pace.more(40);
    const bad: [text: string, names: string][] = [
      ['pools: {', 'fermat.yaml'],
      [
        'listners: []\npools: { main: { endpoints: [{ url: "http://127.0.0.1:1" }] } }\nroutes: [{ pool: mian }]\n',
        'listeners',
      ],
      ['', 'fermat.yaml'],
    ];
    for (const [text, name] of bad) {
      fermat.writeConfig(text);
      const { status, text: answer } = await post();
      expect(status).toBeGreaterThanOrEqual(400);
      expect(answer).toContain(name);
      expect(await fermat.metric('fermat_config_last_reload_successful')).toBe(0);
      expect(await version()).toBe(before);
    }
    const problems = fermat.events.filter(({ type, level }) => type === 'config.reload' && level === 'error');
    expect(problems.length).toBeGreaterThanOrEqual(bad.length);
    expect(JSON.stringify(problems)).toContain('mian');
    await pace.more(40);
    fermat.writeConfig(config('abc', 'v4'));
    expect((await post()).status).toBe(200);
    expect(await fermat.metric('fermat_config_last_reload_successful')).toBe(1);
    expect(await version()).toBe('v4');
    await pace.end();
    expect(pace.failures).toEqual([]);
  });

  it('opens a listener and closes it again without a word to the others', async () => {
    const listeners = [
      { name: 'http', address: '127.0.0.1:0' },
      { name: 'extra', address: '127.0.0.1:0' },
    ];
    const pace = await Pace.start(used);
    await pace.more(40);
    fermat.writeConfig(config('abc', 'v5', { listeners }));
    expect((await post()).status).toBe(200);
    const node = await fermat.json<{ listeners: { name: string; url: string }[] }>('/api/v1/node');
    const extra = Number(new URL(node.listeners.find(({ name }) => name === 'extra')!.url).port);
    expect(extra).not.toBe(used);
    for (let i = 0; i < 8; i++) expect((await exchange(extra, get('/version'))).text).toBe('v5');
    using kept = await rawClient(extra);
    await kept.send(get('/version'));
    expect((await kept.answer()).status).toBe(200);

    fermat.writeConfig(config('abc', 'v6'));
    expect((await post()).status).toBe(200);
    await expect(rawClient(extra)).rejects.toThrow('ECONNREFUSED');
    expect(await version()).toBe('v6');
    await pace.more(40);
    await pace.end();
    expect(pace.failures).toEqual([]);
    expect(fermat.events.filter(({ type }) => type === 'worker.exit')).toEqual([]);
  });
});

describe('a listener that keeps its name', () => {
  // It went on listening where it was, and the reload said that all was well.
  it('moves to the port that it is given, and on to one of its own', async () => {
    const extraAt = async (address: string): Promise<number> => {
      const listeners = [
        { name: 'http', address: '127.0.0.1:0' },
        { name: 'extra', address },
      ];
      fermat.writeConfig(config('abc', address, { listeners }));
      expect(await post()).toMatchObject({ status: 200 });
      const node = await fermat.json<{ listeners: { name: string; url: string }[] }>('/api/v1/node');
      const port = Number(new URL(node.listeners.find(({ name }) => name === 'extra')!.url).port);
      expect((await exchange(port, get('/version'))).text).toBe(address);
      return port;
    };
    const [first, second] = [await freePort(), await freePort()];
    expect(await extraAt(`127.0.0.1:${first}`)).toBe(first);
    expect(await extraAt(`127.0.0.1:${second}`)).toBe(second);
    await expect(rawClient(first)).rejects.toThrow('ECONNREFUSED');
    const any = await extraAt('127.0.0.1:0');
    expect(any).not.toBe(second);
    expect(await extraAt(`127.0.0.1:${second}`)).toBe(second);
    fermat.writeConfig(config('abc', 'v6'));
    expect((await post()).status).toBe(200);
    await expect(rawClient(second)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('limits', () => {
  it('that a reload has lowered hold for every connection from then on, whoever was in the midst of a head', async () => {
    fermat.writeConfig(config('abc', 'v7', { workers: 2 }));
    expect((await post()).status).toBe(200);
    // Both workers have a reader of heads lent out.
    const halves = await Promise.all(Array.from({ length: 8 }, () => rawClient(used)));
    for (const client of halves) await client.send('GET /version HTTP/1.1\r\nHost: a\r\n');
    expect(await version()).toBe('v7');
    fermat.writeConfig(config('abc', 'v8', { limits: { headers: 5 } }));
    expect((await post()).status).toBe(200);
    const many = get('/version', Array.from({ length: 10 }, (_, i) => `X-${i}: 1\r\n`).join(''));
    expect((await exchange(used, many)).status).toBe(431);
    for (const client of halves) {
      await client.send('\r\n');
      expect((await client.answer()).status).toBe(200);
      client.destroy();
    }
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await exchange(used, many)).status));
    expect(statuses).toEqual(new Array(8).fill(431));
  });
});

describe('a reload whose admin address is taken', () => {
  it('changes nothing at all, and the admin API is where it was', async () => {
    const before = await version();
    const admin = { address: `127.0.0.1:${origins[0]!.port}` };
    fermat.writeConfig(config('abc', 'v9', { admin }));
    const { status, text } = await post();
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).toContain(String(origins[0]!.port));
    expect(await version()).toBe(before);
    expect(await fermat.metric('fermat_config_last_reload_successful')).toBe(0);
    fermat.writeConfig(config('abc', 'v10'));
    expect((await post()).status).toBe(200);
    expect(await version()).toBe('v10');
  });
});
