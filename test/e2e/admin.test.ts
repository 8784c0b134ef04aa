// The admin API and the console of the real process, the console in a real browser.

import { describe, expect, it } from 'vitest';
import { Browser } from '../support/browser.ts';
import { simpleConfig, startFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const WIDE = { width: 1400, height: 900, scheme: 'dark' } as const;
const PHONE = { width: 390, height: 800, scheme: 'light' } as const;

interface Endpoint {
  readonly id: string;
  readonly state: string;
  readonly healthy: boolean;
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

describe('the console in a browser', () => {
  it('shows endpoints, explains a client by keyboard alone, and follows events, without a complaint', async () => {
    await using origin = await startOrigin();
    await using fermat = await startFermat(simpleConfig([origin.url, 'http://127.0.0.1:9']));
    await using browser = await Browser.start();
    await browser.open(`http://127.0.0.1:${fermat.adminPort}/ui/`, WIDE);
    const textOf = (selector: string) =>
      browser.evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`);

    await until(async () => /e0[\s\S]*healthy/.test(await textOf('#endpoints')), 'the table of endpoints');
    await until(async () => (await textOf('#health')) === 'ready', 'the health of the node');
    expect(await textOf('#node')).toContain('test');
    expect(await textOf('#routes')).toContain('main');

    await browser.evaluate(`document.querySelector('[name=client]').focus()`);
    await browser.type('192.0.2.7');
    await browser.press('Enter', '\r');
    await until(async () => /goes to e0/.test(await textOf('#verdict')), 'the explanation');
    expect(await textOf('#candidates tr.chosen')).toMatch(/^e0\b/);

    await fermat.admin('/api/v1/endpoints/e0/drain', { method: 'POST' });
    await until(async () => /e0/.test(await textOf('#events li')), 'the event');
    await until(async () => /draining/.test(await textOf('#endpoints')), 'the new state');

    await browser.evaluate(`document.querySelector('[name=client]').value = 'nonsense'`);
    await browser.press('Enter', '\r');
    await until(async () => /expected an IP address/.test(await textOf('#verdict')), 'the refusal');
    expect(browser.complaints.filter((text) => !text.includes('400 (Bad Request)'))).toEqual([]);
  });

  it('fits a phone without scrolling sideways, and reaches every part with the Tab key', async () => {
    await using origin = await startOrigin();
    await using fermat = await startFermat(simpleConfig([origin.url]));
    await using browser = await Browser.start();
    await browser.open(`http://127.0.0.1:${fermat.adminPort}/ui/?client=192.0.2.7`, PHONE);
    await until(() => browser.evaluate<boolean>(`!!document.querySelector('#candidates tr.chosen')`), 'the page');
    expect(await browser.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);

    await browser.evaluate('document.activeElement.blur()');
    const reached: string[] = [];
    for (let i = 0; i < 20; i++) {
      await browser.press('Tab');
      reached.push(
        await browser.evaluate(`(({ tagName, name, firstElementChild, id, text }) =>
        name || id || firstElementChild?.id || text || tagName)(document.activeElement)`),
      );
    }
    const parts = [
      'endpoints',
      'client',
      'host',
      'path',
      'method',
      'candidates',
      'routes',
      'events',
      'IP Geolocation by DB-IP',
    ];
    for (const part of parts) expect(reached).toContain(part);
  });

  it('opens with the admin token as the password the browser asks for', async () => {
    await using origin = await startOrigin();
    const token = 'sesame';
    const config = simpleConfig([origin.url], {}, { admin: { address: '127.0.0.1:0', token } });
    await using fermat = await startFermat(config);
    await using browser = await Browser.start();
    await browser.knowPassword(token);
    await browser.open(`http://127.0.0.1:${fermat.adminPort}/ui/`, WIDE);
    const rows = (id: string) => browser.evaluate<number>(`document.querySelectorAll('#${id} > *').length`);
    await until(async () => (await rows('endpoints tbody')) > 0, 'the table of endpoints');
    await until(async () => (await rows('events')) > 0, 'the events');
  });

  it('says so when the node does not answer any more', async () => {
    await using origin = await startOrigin();
    const fermat = await startFermat(simpleConfig([origin.url]));
    await using browser = await Browser.start();
    await browser.open(`http://127.0.0.1:${fermat.adminPort}/ui/`, WIDE);
    const health = () => browser.evaluate<string>(`document.querySelector('#health')?.innerText ?? ''`);
    await until(async () => (await health()) === 'ready', 'the console');
    await fermat.kill();
    await until(async () => (await health()) === 'no answer from the node', 'the notice');
  });
});
