// The admin API and the console of the real process, the console in a real browser.

import { describe, expect, it } from 'vitest';
import { startChromium, watchedPage } from '../support/chromium.ts';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

interface Endpoint {
  readonly id: string;
  readonly state: string;
  readonly healthy: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: whatever a frame says; each test names what it looks at.
type Frame = any;

/** A follower of /api/v1/live, and what it was told. */
class LiveStream {
  #text = '';
  readonly #abort = new AbortController();

  static async open(fermat: Fermat): Promise<LiveStream> {
    const stream = new LiveStream();
    const url = `http://127.0.0.1:${fermat.adminPort}/api/v1/live`;
    const response = await fetch(url, { signal: stream.#abort.signal });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    void stream.#read(response);
    return stream;
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body!) this.#text += decoder.decode(chunk, { stream: true });
    } catch {
      // It was aborted, or the node has ended.
    }
  }

  all(event: string): Frame[] {
    const frames = this.#text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g);
    return [...frames].filter(([, name]) => name === event).map(([, , data]) => JSON.parse(data!));
  }

  first(event: string): Promise<Frame> {
    return until(() => this.all(event)[0], `the first ${event}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
  }
}

describe('the admin API of a running node', () => {
  it('drains an endpoint so that the other one gets everything, and enables it again', async () => {
    await using first = await startOrigin();
    await using second = await startOrigin();
    await using fermat = await startFermat(simpleConfig([first.url, second.url]));
    const stateOf = async (id: string) =>
      (await fermat.json<Endpoint[]>('/api/v1/endpoints')).find((endpoint) => endpoint.id === id)?.state;

    expect((await fermat.admin('/api/v1/endpoints/e0/drain', { method: 'POST' })).status).toBe(200);
    expect(await stateOf('e0')).toBe('draining');
    await until(
      async () => (await fermat.json<{ chosen: string }>('/api/v1/explain?client=127.0.0.1')).chosen === 'e1',
      'the choice of the other endpoint',
    );
    const before = first.requests.length;
    for (let i = 0; i < 20; i++) expect((await exchange(fermat.port, get('/'))).status).toBe(200);
    expect(first.requests.length).toBe(before);

    expect((await fermat.admin('/api/v1/endpoints/e0/enable', { method: 'POST' })).status).toBe(200);
    expect(await stateOf('e0')).not.toBe('draining');
    expect((await fermat.admin('/api/v1/endpoints/nobody/drain', { method: 'POST' })).status).toBe(404);
  });

  it('tells followers of its events what happens', async () => {
    await using origin = await startOrigin();
    await using fermat = await startFermat(simpleConfig([origin.url, origin.url]));
    const abort = new AbortController();
    const response = await fetch(`http://127.0.0.1:${fermat.adminPort}/api/v1/events`, { signal: abort.signal });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const decoder = new TextDecoder();
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body!) text += decoder.decode(chunk, { stream: true });
    })().catch(() => undefined);
    await fermat.admin('/api/v1/endpoints/e1/drain', { method: 'POST' });
    await until(() => /^data: \{.*"endpoint":"e1".*\}$/m.test(text), 'the event of the drained endpoint');
    abort.abort();
    await reading;
  });

  it('shows the configuration without its secrets', async () => {
    await using origin = await startOrigin();
    const token = 'very-secret-token';
    const config = simpleConfig([origin.url], {}, { admin: { address: '127.0.0.1:0', token } });
    await using fermat = await startFermat(config);
    expect((await fermat.admin('/api/v1/config')).status).toBe(401);
    const { status, text } = await fermat.admin('/api/v1/config', { headers: { authorization: `Bearer ${token}` } });
    expect(status).toBe(200);
    expect(text).not.toContain(token);
  });
});

describe('the console of a running node', () => {
  it('is told of everything, then of what changes, in frames of a stream', async () => {
    await using origin = await startOrigin();
    await using fermat = await startFermat(simpleConfig([origin.url, 'http://127.0.0.1:9']));
    for (let i = 0; i < 5; i++) await exchange(fermat.port, get('/'));
    await using live = await LiveStream.open(fermat);
    const hello = await live.first('hello');
    expect(hello.node).toMatchObject({ id: 'test', pid: fermat.pid });
    expect(hello.endpoints.map(({ id }: { id: string }) => id)).toEqual(['e0', 'e1']);
    expect(hello.states.map(([, state]: string[]) => state)).toContain('healthy');
    expect(hello.routes).toHaveLength(1);
    for (let i = 0; i < 20; i++) await exchange(fermat.port, get('/'));
    // The frame of a second may hold some of them only.
    const busy = await until(() => {
      const rows = live.all('tick').flatMap(({ endpoints }) => endpoints as number[][]);
      return rows.find(([index, , , , , , , , requests]) => index === 0 && requests! >= 25);
    }, 'the requests');
    expect(busy).toHaveLength(10);
    const totals = await until(() => live.all('tick').find((tick) => tick.totals.p50Ms !== null)?.totals, 'totals');
    expect(totals.requestsPerSecond).toBeGreaterThan(0);
    expect(totals.p99Ms).toBeGreaterThanOrEqual(totals.p50Ms);

    const decision = await live.first('decision');
    expect(decision).toMatchObject({ pool: 'main', endpoint: 'e0', outcome: 'ok', status: 200 });
    const whole = await fermat.json(`/api/v1/decisions/${decision.id}`);
    expect(whole).toMatchObject({ id: decision.id, at: decision.at, endpoint: 'e0' });
    expect(whole.candidates).toHaveLength(2);
    const [pool] = await fermat.json<Record<string, unknown>[]>('/api/v1/pools');
    expect(pool).toMatchObject({ name: 'main', endpoints: 2, whenAllDown: 'try' });

    await fermat.admin('/api/v1/endpoints/e1/drain', { method: 'POST' });
    const isDrained = (tick: Frame) =>
      tick.states.some(([i, state]: [number, string]) => i === 1 && state === 'draining');
    await until(() => live.all('tick').some(isDrained), 'the drained endpoint');
    expect((await live.first('event')).endpoint).toBe('e1');

    fermat.writeConfig(simpleConfig([origin.url]));
    await fermat.admin('/api/v1/reload', { method: 'POST' });
    const again = await until(
      () => live.all('hello').find(({ endpoints }) => endpoints.length === 1),
      'a new beginning',
    );
    expect(again.node.snapshotVersion).toBeGreaterThan(hello.node.snapshotVersion);
  });

  it('opens to whoever types the admin token, by keyboard alone, and closes again', async () => {
    await using origin = await startOrigin();
    const token = 'sesame&so+on%20';
    const config = simpleConfig([origin.url], {}, { admin: { address: '127.0.0.1:0', token } });
    await using fermat = await startFermat(config);
    await using browser = await startChromium();
    const base = `http://127.0.0.1:${fermat.adminPort}`;
    const context = await browser.newContext({ viewport: { width: 390, height: 800 } });
    const { page, complaints, foreign } = await watchedPage(context, base);
    await page.goto(`${base}/ui/`);
    const isFocused = () => page.evaluate<boolean>(`document.activeElement?.id === 'token'`);
    await until(isFocused, 'the field of the token');
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);

    await page.keyboard.insertText('something else');
    await page.keyboard.press('Enter');
    await page.getByText('That is not the token.').waitFor();
    await until(isFocused, 'the field once more');
    await page.keyboard.insertText(token);
    await page.keyboard.press('Enter');
    await page.locator('footer a[href="https://db-ip.com"]').waitFor();
    const ask = (path: string, init = '{}') =>
      page.evaluate<number>(`fetch(${JSON.stringify(path)}, ${init}).then(({ status }) => status)`);
    expect(await ask('/api/v1/node')).toBe(200);
    expect(await ask('/api/v1/endpoints/e0/drain', '{ method: "POST" }')).toBe(200);
    expect(await page.evaluate('document.cookie')).toBe('');

    // It leads back to the console, which is closed now. In a tab of its own: the first may be on its way to the login by itself.
    expect(await ask('/ui/logout', '{ method: "POST" }')).toBe(401);
    const other = await context.newPage();
    await other.goto(`${base}/ui/`);
    await other.getByLabel('Admin token').waitFor();
    // Of the refused token, and of what was asked without a session.
    expect(complaints.filter((complaint) => !complaint.includes('401 (Unauthorized)'))).toEqual([]);
    expect(foreign).toEqual([]);
  });
});
