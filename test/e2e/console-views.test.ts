// The console's map and the views that explain, in a real browser before a real node under real traffic: what they say is what
// the node decided, and what is drained there is drained.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startChromium, type Watched, watchedPage } from '../support/chromium.ts';
import { poorContrast } from '../support/contrast.ts';
import { type Fermat, startFermat } from '../support/fermat.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const GEOIP = join(import.meta.dirname, '../fixtures/geoip/GeoLite2-City-Test.mmdb');
/** London, in the test's database. */
const LONDON = '81.2.69.160';
/** Two endpoints each; ms that their origin takes. */
const REGIONS = { 'aws:eu-central-1': 2, 'aws:eu-west-2': 9, 'aws:ap-northeast-1': 25 } as const;
const HOME = 'aws:eu-central-1';
const NOWHERE = /Failed to load resource.*(400|404)/;

const servers: Server[] = [];
const over = new AbortController();
let traffic: Promise<void>;
let fermat: Fermat;
let browser: Browser;
let watched: Watched;
let page: Page;

beforeAll(async () => {
  const endpoints = [];
  for (const [region, delayMs] of Object.entries(REGIONS)) {
    const server = createServer((_, response) => setTimeout(() => response.end('well'), delayMs));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    const { port } = server.address() as AddressInfo;
    for (const zone of ['a', 'b']) {
      endpoints.push({ id: `${region.slice(4)}${zone}`, url: `http://127.0.0.1:${port}`, region, capacity: 500 });
    }
  }
  fermat = await startFermat({
    node: { id: 'edge-test', region: HOME },
    trustedProxies: ['127.0.0.1'],
    geoip: { databases: [GEOIP] },
    pools: { main: { endpoints, probe: { type: 'tcp', interval: '1s' }, balance: { explorePercent: 10 } } },
    routes: [{ name: 'all', pool: 'main' }],
  });
  traffic = ask();
  browser = await startChromium();
  const context = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1280, height: 900 } });
  watched = await watchedPage(context, `http://127.0.0.1:${fermat.adminPort}`);
  page = watched.page;
  await until(async () => (await fermat.json<unknown[]>('/api/v1/decisions?limit=50')).length === 50, '50 decisions');
}, 90_000);

afterEach(() => {
  // Refusals that a test asked for are told by the browser itself, not by a script.
  expect(watched.complaints.filter((text) => !NOWHERE.test(text))).toEqual([]);
  expect(watched.foreign).toEqual([]);
  watched.forget();
});

afterAll(async () => {
  over.abort();
  await traffic;
  await browser?.close();
  await fermat?.stop();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** Some forty requests a second from London, until the end. */
async function ask(): Promise<void> {
  const request = get('/', `X-Forwarded-For: ${LONDON}\r\nConnection: close\r\n`);
  while (!over.signal.aborted) await Promise.all([exchange(fermat.port, request), sleep(25)]);
}

const go = (hash: string) => page.goto(`http://127.0.0.1:${fermat.adminPort}/ui/${hash}`);
const stateOf = async (id: string) =>
  (await fermat.json<{ id: string; state: string }[]>('/api/v1/endpoints')).find((e) => e.id === id)?.state;
/** Numbers of a cell: `1,234.5 ms` is 1234.5, a dash is 0. */
const numberOf = (text: string | null) => Number.parseFloat((text ?? '').replace(',', '')) || 0;

describe('the map', () => {
  it('shows the edge, every endpoint with its state, and whose clients ask', async () => {
    await go('#/');
    await page.locator('.map .place').first().waitFor();
    const labels = await page.locator('.map .place').evaluateAll((all) => all.map((e) => e.getAttribute('aria-label')));
    const told = labels.map((label) => Number(/^(\d+) endpoints/.exec(label ?? '')?.[1] ?? 1));
    expect(told.reduce((sum, n) => sum + n, 0)).toBe(6);
    expect(labels.join()).toContain('healthy');
    await page.locator('.map [data-country="GB"][class^="tint-"]').waitFor({ state: 'attached' });
    expect(await page.locator('.map .home').isVisible()).toBe(true);
    expect(await page.locator('.map .arc[class*="rtt-"]').count()).toBeGreaterThan(0);
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      expect((await poorContrast(page)).poor).toEqual([]);
    }
  });

  it('is walked over by arrow keys, and Enter leads to an endpoint', async () => {
    // The group of all places took a stop of its own, on which nothing was said.
    await page.locator('.map-zoom button').first().focus();
    await page.keyboard.press('Shift+Tab');
    await page.locator('.map .place:focus').waitFor();
    await page.keyboard.press('Shift+Tab');
    expect(await page.locator('.map :focus').count()).toBe(0);
    await page.keyboard.press('Tab');
    await page.keyboard.press('End');
    const label = await page.locator('.map .place:focus').getAttribute('aria-label');
    expect(label).toContain('ap-northeast-1');
    await page.keyboard.press('Enter');
    await page.locator('.map-list li button').first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Escape');
    expect(await page.locator('.map-list').isHidden()).toBe(true);
    await page.keyboard.press('Enter');
    await page.locator('.map-list li button').first().press('Enter');
    await page.waitForURL(/#\/endpoints.*ap-northeast-1/);
  });
});

describe('decisions', () => {
  it('come in live, are filtered, and stand still when paused', async () => {
    await go('#/decisions');
    const ids = () =>
      page.locator('.stream tbody tr').evaluateAll((rows) => rows.map((row) => row.getAttribute('data-id')));
    await page.locator('.stream tbody tr[data-id]').first().waitFor();
    const [newest] = await ids();
    await until(async () => (await ids())[0] !== newest, 'a newer decision');
    // Of two that are equally near, one may get nearly all.
    const namesNow = () => page.locator('.stream tbody th').allTextContents();
    const names = await namesNow();
    const oftenOf = (name: string) => names.filter((other) => other === name).length;
    const busiest = names.reduce((most, name) => (oftenOf(name) > oftenOf(most) ? name : most));
    await page.keyboard.press('/');
    await page.keyboard.type(`${busiest} kingdom`);
    await until(async () => {
      const shown = await namesNow();
      return shown.length > 0 && shown.every((name) => name === busiest);
    }, 'only those of the filter');
    await page.getByRole('button', { name: 'Pause' }).click();
    const held = await ids();
    await page.getByText(/paused, [1-9]\d* new/).waitFor();
    expect(await ids()).toEqual(held);
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('searchbox').fill('');
  });

  it('wait while the pointer or the focus is among them, so that no row moves under a click', async () => {
    await go('#/decisions');
    const first = page.locator('.stream tbody tr').first();
    const more = page.getByRole('button', { name: /^Show [1-9]\d*\+? new$/ });
    await page.mouse.move(0, 0);
    await first.hover();
    const held = await first.getAttribute('data-id');
    await more.waitFor();
    expect(await first.getAttribute('data-id')).toBe(held);
    await more.click();
    expect(await first.getAttribute('data-id')).not.toBe(held);
    await first.locator('a').focus();
    const focused = await first.getAttribute('data-id');
    await more.waitFor();
    expect(await first.getAttribute('data-id')).toBe(focused);
    await page.getByRole('searchbox').focus();
    await until(async () => (await first.getAttribute('data-id')) !== focused, 'those that waited');
    await page.evaluate('scrollTo(0, 200)');
    await more.waitFor();
    await page.evaluate('scrollTo(0, 0)');
    await more.waitFor({ state: 'hidden' });
  });

  it('open into their terms, which add up to the score', async () => {
    await page.getByLabel('Outcome').selectOption('ok');
    await page.locator('.stream tbody a').first().press('Enter');
    await page.getByRole('heading', { name: 'Why did this request go there?' }).waitFor();
    const chosen = page.locator('.terms tr.is-chosen');
    const name = (await chosen.locator('.id').textContent()) ?? '';
    expect(await page.locator('.sentence').textContent()).toContain(` went to ${name} in aws:`);
    expect(await page.locator('.sentence').textContent()).toContain(' a request from United Kingdom on route ');
    expect(await page.locator('.terms tbody tr').count()).toBe(6);
    const parts = await page.locator('.terms tbody tr').evaluateAll((rows) =>
      rows.map((row) => ({
        score: row.querySelector('.score')?.textContent ?? '',
        terms: [...row.querySelectorAll('td[data-title]')]
          .filter((cell) => !['In flight', 'Propensity'].includes(cell.getAttribute('data-title') ?? ''))
          .map((cell) => cell.textContent ?? ''),
      })),
    );
    for (const { score, terms } of parts) {
      // What is below a twentieth is a dash, and each is rounded.
      expect(terms.reduce((sum, term) => sum + numberOf(term), 0)).toBeCloseTo(numberOf(score), 0);
    }
    await page.getByRole('link', { name: 'All decisions' }).click();
    await page.locator('.stream').waitFor();
  });

  it('say so when they are gone', async () => {
    await go('#/decisions/0');
    await page.getByText('Decision 0 is gone').waitFor();
  });
});

describe('explain', () => {
  it('says where a client would be sent, in a link that can be passed on', async () => {
    await go('#/explain');
    await page.getByLabel('Client address').fill(LONDON);
    await page.keyboard.press('Enter');
    const sentence = page.locator('.answer .sentence');
    await sentence.waitFor();
    expect(await sentence.textContent()).toMatch(/London, United Kingdom\) takes route all to pool main \(fastest\)/);
    expect(page.url()).toContain(`#/explain?client=${LONDON}`);
    const shares = await page.locator('.terms td[data-title="Share"]').allTextContents();
    expect(shares.reduce((sum, share) => sum + numberOf(share), 0)).toBeCloseTo(100, 0);
    const picture = page.getByRole('img', { name: /Map: the client/ });
    expect(await picture.locator('.client').count()).toBe(1);
    expect(await picture.locator('.dot').count()).toBe(6);
    await page.reload();
    await sentence.waitFor();
    expect(await page.getByLabel('Client address').inputValue()).toBe(LONDON);
  });

  it('shows a mistake at its field', async () => {
    await page.getByLabel('Client address').fill('a.b.c.d');
    await page.keyboard.press('Enter');
    await page.locator('#problem-client:not([hidden])').waitFor();
    expect(await page.locator('#problem-client').textContent()).toContain('expected an IP address');
    expect(await page.locator('input:focus').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Client address').fill(LONDON);
    await page.getByLabel('Path').fill('nowhere');
    await page.keyboard.press('Enter');
    await page.locator('#problem-path:not([hidden])').waitFor();
  });
});

describe('evacuation', () => {
  it('foretells the load of every region, all of it', async () => {
    await go('#/evacuate');
    await page.getByRole('checkbox', { name: new RegExp(HOME) }).press('Space');
    await page.locator('.loads tbody tr').first().waitFor();
    expect(page.url()).toContain(`region=${encodeURIComponent(HOME)}`);
    expect(await page.locator('.preview .sentence').textContent()).toMatch(
      /^Without these 2 endpoints, .* of pool main’s requests would move/,
    );
    for (const title of ['share now', 'then']) {
      const cells = await page.locator(`.loads td[data-title="${title}"]:has-text("%")`).allTextContents();
      expect(cells.reduce((sum, share) => sum + numberOf(share), 0)).toBeCloseTo(100, 0);
    }
    const emptied = page.locator('.loads tr', { hasText: 'emptied' });
    expect(await emptied.locator('th').textContent()).toBe(HOME);
    expect(await page.locator('.times tbody th').allTextContents()).toContain('United Kingdom');
  });

  it('drains what was chosen when it is confirmed, and enables it again', async () => {
    await page.getByRole('button', { name: 'Drain these 2 endpoints' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await stateOf('eu-central-1a')).toBe('healthy');
    await page.getByRole('button', { name: 'Drain these 2 endpoints' }).press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Drain 2 endpoints' }).press('Enter');
    await page.getByText('2 of 2 drained').waitFor();
    expect(await stateOf('eu-central-1a')).toBe('draining');
    expect(await stateOf('eu-central-1b')).toBe('draining');
    await page.getByRole('button', { name: 'Enable the 2 that are draining' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Enable 2 endpoints' }).click();
    await page.getByText('2 of 2 enabled').waitFor();
    await until(async () => (await stateOf('eu-central-1a')) !== 'draining', 'the endpoint to be back');
  });

  it('flags requests that would have nowhere to go', async () => {
    const regions = Object.keys(REGIONS).map((region) => `region=${encodeURIComponent(region)}`);
    await go(`#/evacuate?${regions.join('&')}`);
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toContain('100.0 % of pool main’s requests');
  });
});

describe('on a phone', () => {
  it('no view is wider than the screen', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const [{ id } = { id: '' }] = await fermat.json<{ id: string }[]>('/api/v1/decisions?limit=1');
    const ready = {
      '#/': '.map .place',
      '#/decisions': '.stream tbody tr',
      [`#/decisions/${id}`]: '.terms tbody tr',
      [`#/explain?client=${LONDON}`]: '.terms tbody tr',
      [`#/evacuate?region=${HOME}`]: '.loads tbody tr',
    };
    for (const [hash, selector] of Object.entries(ready)) {
      await go(hash);
      await page.locator(selector).first().waitFor();
      expect([hash, await page.evaluate('document.documentElement.scrollWidth - innerWidth')]).toEqual([hash, 0]);
    }
  });
});
