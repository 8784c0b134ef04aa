// The console as an operator meets it: one node behind a token, one browser, one session from the login to the log-out. The tests build
// on each other's session, not on each other's outcome.

import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startChromium, type Watched, watchedPage } from '../support/chromium.ts';
import { poorContrast } from '../support/contrast.ts';
import { type Config, type Fermat, poolOf, startFermat, withDefaults } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange } from '../support/raw.ts';
import { until } from '../support/until.ts';

const TOKEN = 'open-sesame';
/** More than the table keeps in the document. */
const MANY = 300;
const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
/** A desk's 1280 px at four times the size: what WCAG 1.4.10 asks for. */
const NARROW = { width: 320, height: 256 };
/** Longer than any column, as the name of a host in a cloud is. */
const LONG = 'L'.repeat(200);
const MARKUP = '<img src=x onerror=alert(1)> and so long a name that no column is as wide';

/** Hash of a view, and what it shows when it has been told. */
const VIEWS: readonly (readonly [hash: string, selector: string])[] = [
  ['#/', '.countries li'],
  ['#/endpoints', '.endpoints tbody tr >> text=shop-1'],
  ['#/endpoints/shop-1', '.drawer >> text=Last probe'],
  ['#/pools', '.routes tbody tr >> text=shop.example.com'],
  ['#/decisions', '#view tbody th a'],
  ['#/explain?client=192.0.2.7&host=shop.example.com&path=/', '#view >> text=shop-'],
  ['#/evacuate?endpoint=shop-1', '#view >> text=shop-1'],
  ['#/events', '.events li >> text=endpoint.state'],
];

let origins: Origin[];
let fermat: Fermat;
let browser: Browser;
let context: BrowserContext;
let watched: Watched;
let page: Page;

const base = () => `http://127.0.0.1:${fermat.adminPort}`;
const open = (hash: string) => page.goto(`${base()}/ui/${hash}`);
const row = (id: string) =>
  page.locator('.endpoints tbody tr', { has: page.getByRole('link', { name: id, exact: true }) });
const rows = () =>
  page
    .locator('.endpoints tbody:not(.spacer) tr')
    .evaluateAll((all) => all.map((tr) => tr.querySelector('a')?.textContent ?? ''));
const live = () => page.locator('#connection', { hasText: 'live' }).waitFor();
const sideways = () => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
const focused = () => page.evaluate<string>('document.activeElement?.textContent?.trim() ?? ""');

function config(): Config {
  const pool = (name: string, from: number, to: number) => ({
    endpoints: origins
      .slice(from, to)
      .map(({ url }, i) => ({ url, id: `${name}-${i + 1}`, region: REGIONS[from + i] })),
    probe: { type: 'http', interval: '100ms', timeout: '1s', rise: 1, fall: 2 },
  });
  return {
    node: { id: 'edge-test', region: 'aws:eu-central-1' },
    admin: { address: '127.0.0.1:0', token: TOKEN },
    pools: { shop: pool('shop', 0, 3), media: pool('media', 3, 4) },
    routes: [
      { name: 'media', path: '/media', pool: 'media' },
      { name: 'shop', host: 'shop.example.com', pool: 'shop', residency: ['DE', 'US', 'IN'] },
      { name: 'none', path: '/private', respond: { status: 403 } },
    ],
  };
}

const REGIONS = ['aws:eu-central-1', 'aws:us-east-1', 'aws:ap-south-1', 'aws:eu-west-2'];

/** A few requests, so that there are decisions, rates and shares. */
async function traffic(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await exchange(fermat.port, 'GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n');
}

beforeAll(async () => {
  origins = await Promise.all(Array.from({ length: 4 }, () => startOrigin()));
  [fermat, browser] = await Promise.all([startFermat(config()), startChromium()]);
  context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', reducedMotion: 'reduce' });
  context.setDefaultTimeout(15_000);
  watched = await watchedPage(context, base());
  page = watched.page;
  await traffic(10);
});
afterAll(async () => {
  await browser?.close();
  await fermat?.stop();
  for (const origin of origins) await origin.refuse();
});
beforeEach(() => watched.forget());

describe('the login', () => {
  it('asks for the token, refuses a wrong one and opens with the right one', async () => {
    await open('');
    await page.getByLabel('Admin token').fill('sesame');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('That is not the token.').waitFor();
    await page.getByLabel('Admin token').fill(TOKEN);
    await page.keyboard.press('Enter');
    await live();
    expect(await page.locator('#facts').innerText()).toMatch(/edge-test[\s\S]*aws:eu-central-1/);
    expect(await page.locator('#health').innerText()).toContain('ready');
    expect(await page.getByRole('button', { name: 'Log out' }).isVisible()).toBe(true);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ name: 'fermat_session', httpOnly: true, sameSite: 'Strict' });
    // Two refusals, which is what a 401 is; nothing of the policy, nothing of a script.
    expect(watched.complaints.filter((text) => !text.includes('401'))).toEqual([]);
    expect(watched.foreign).toEqual([]);
  });
});

describe('the views', () => {
  it.each(VIEWS)('%s shows what there is, without a complaint or a request to anybody else', async (hash, selector) => {
    await open(hash);
    await page.reload();
    await live();
    await page.locator(selector).first().waitFor();
    await until(() => page.evaluate<number>("performance.getEntriesByName('fermat:update').length"), 'an update');
    expect(watched.complaints).toEqual([]);
    expect(watched.foreign).toEqual([]);
  });

  it.each([
    'light',
    'dark',
  ] as const)('have text that stands out from its ground, and a name for every column, in the %s theme', async (scheme) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    for (const [hash, selector] of VIEWS) {
      await open(hash);
      await page.locator(selector).first().waitFor();
      const { poor, seen } = await poorContrast(page);
      expect(seen, hash).toBeGreaterThan(20);
      expect(poor, hash).toEqual([]);
      expect(
        (await page.locator('th').allTextContents()).filter((text) => text.trim() === ''),
        hash,
      ).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  });

  it('fit a phone, and a desk at four times its size, without scrolling sideways', async () => {
    for (const [hash, selector] of VIEWS) {
      await page.setViewportSize(PHONE);
      await open(hash);
      await page.locator(selector).first().waitFor();
      expect(await sideways(), hash).toBeLessThanOrEqual(0);
      await page.setViewportSize(NARROW);
      expect(await sideways(), hash).toBeLessThanOrEqual(0);
    }
    await page.setViewportSize(WIDE);
  });

  it('keep a theme that was chosen, over the one of the system', async () => {
    await open('#/');
    const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    const button = page.locator('#theme');
    await button.click();
    await button.click();
    expect(await button.getAttribute('aria-label')).toBe('Theme: dark');
    await page.reload();
    await live();
    expect(await ground()).not.toBe(light);
    await button.click();
    expect(await ground()).toBe(light);
  });

  it('are reached by their address, by keys and by going back', async () => {
    await open('#/endpoints');
    await live();
    await page.keyboard.press('g');
    await page.keyboard.press('p');
    await page.getByRole('heading', { name: 'Pools and routes', level: 1 }).waitFor();
    expect(await page.locator('nav [aria-current=page]').innerText()).toBe('Pools');
    await page.goBack();
    await page.getByRole('heading', { name: 'Endpoints', level: 1 }).waitFor();
    await page.goForward();
    await page.getByRole('heading', { name: 'Pools and routes', level: 1 }).waitFor();
    await open('#/nowhere');
    await page.getByText('There is no such view.').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
  });

  // Whoever speaks to the computer types single letters without wanting to: WCAG 2.1.4.
  it('are left to the mouse and to Tab by whoever turns single keys off, until they are turned on again', async () => {
    await open('#/endpoints');
    await row('shop-1').waitFor();
    const turn = async () => {
      await page.getByRole('button', { name: 'Keys' }).press('Enter');
      await page.getByRole('checkbox', { name: /Keys without a modifier/ }).press('Space');
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
    };
    await turn();
    expect(await focused()).toContain('Keys');
    await page.reload();
    await row('shop-1').waitFor();
    for (const key of ['?', '/', 'g', 'p']) await page.keyboard.press(key);
    expect(await page.locator('dialog').count()).toBe(0);
    expect(await page.evaluate('document.activeElement === document.body')).toBe(true);
    expect(page.url()).toContain('#/endpoints');
    expect(await page.getByRole('searchbox').getAttribute('aria-keyshortcuts')).toBeNull();
    await turn();
    expect(await page.getByRole('searchbox').getAttribute('aria-keyshortcuts')).toBe('/');
    await page.keyboard.press('/');
    expect(await page.locator('[data-filter]:focus').count()).toBe(1);
  });
});

describe('endpoints', () => {
  it('are sorted and filtered by keyboard alone', async () => {
    await open('#/endpoints');
    await row('media-1').waitFor();
    await page.getByRole('button', { name: 'Endpoint', exact: true }).focus();
    await page.keyboard.press('Enter');
    expect(await rows()).toEqual(['media-1', 'shop-1', 'shop-2', 'shop-3']);
    await page.keyboard.press('Enter');
    expect(await rows()).toEqual(['shop-3', 'shop-2', 'shop-1', 'media-1']);
    expect(await page.getByRole('columnheader', { name: 'Endpoint' }).getAttribute('aria-sort')).toBe('descending');
    await page.keyboard.press('/');
    await page.keyboard.type('ap-south');
    await until(async () => (await rows()).join() === 'shop-3', 'the filtered row');
    expect(page.url()).toContain('filter=ap-south');
    await page.keyboard.press('Escape');
    await until(async () => (await rows()).length === 4, 'all rows');
    await page.getByLabel('Pool', { exact: true }).selectOption('media');
    expect(await rows()).toEqual(['media-1']);
  });

  it('open into what is known of one, and close with Escape', async () => {
    await open('#/endpoints');
    await row('shop-2').getByRole('link').click();
    const drawer = page.getByRole('complementary', { name: 'Endpoint shop-2' });
    await drawer.getByText('First byte').waitFor();
    expect(await drawer.innerText()).toContain(origins[1]!.url);
    expect(await drawer.locator('.plot canvas').count()).toBe(2);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'detached' });
    expect(await focused()).toBe('shop-2');
    const shown = await rows();
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toBe(shown[shown.indexOf('shop-2') + 1]);
  });

  it('are drained through a dialog that says what it does, and enabled again', async () => {
    await open('#/endpoints');
    await row('shop-1').getByRole('button', { name: 'Drain shop-1' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.innerText()).toMatch(/Drain shop-1\?[\s\S]*2 other healthy endpoints[\s\S]*Now: [\d.]+ %/);
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    expect(await row('shop-1').innerText()).toContain('healthy');

    await row('shop-1').getByRole('button', { name: 'Drain shop-1' }).click();
    await dialog.getByRole('button', { name: 'Drain', exact: true }).click();
    await dialog.getByText('Draining: nothing new goes there').waitFor();
    await page.keyboard.press('Enter');
    await row('shop-1').locator('.badge.draining').waitFor();
    await row('shop-1').getByRole('button', { name: 'Enable shop-1' }).click();
    await dialog.getByRole('button', { name: 'Enable', exact: true }).click();
    await dialog.getByText('Enabled').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await row('shop-1').locator('.badge.healthy').waitFor();
    expect(watched.complaints).toEqual([]);
  });

  it('tell one tab what another has done, in the dialog that is open there', async () => {
    const other = await context.newPage();
    for (const tab of [page, other]) {
      await tab.goto(`${base()}/ui/#/endpoints/shop-2`);
      await tab.locator('.drawer').getByRole('button', { name: 'Drain' }).click();
    }
    await other.getByRole('dialog').getByRole('button', { name: 'Drain', exact: true }).click();
    await page.bringToFront();
    await page.getByRole('dialog').getByText('It has been drained meanwhile.').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.drawer').getByRole('button', { name: 'Enable' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Enable', exact: true }).click();
    await page.getByRole('dialog').getByText('Enabled').waitFor();
    await page.keyboard.press('Escape');
    await other.close();
  });

  it('keep the focus in what covers the whole of a small screen', async () => {
    await page.setViewportSize(PHONE);
    await open('#/endpoints');
    await row('shop-1').getByRole('link').press('Enter');
    const drawer = page.locator('.drawer');
    await drawer.waitFor();
    await drawer.locator('a, button').last().focus();
    await page.keyboard.press('Tab');
    const isOutside = "document.activeElement !== document.body && !document.activeElement.closest('.drawer')";
    expect(await page.evaluate(isOutside)).toBe(false);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'detached' });
    expect(await focused()).toBe('shop-1');
    await page.setViewportSize(WIDE);
  });

  it('cannot be drained any more once a reload has taken them away, and say so wherever they are open', async () => {
    await open('#/endpoints/shop-3');
    await page.locator('.drawer').getByText('First byte').waitFor();
    await page.locator('.drawer').getByRole('button', { name: 'Drain' }).click();
    const dialog = page.getByRole('dialog');
    const act = dialog.getByRole('button', { name: 'Drain', exact: true });
    expect(await act.isEnabled()).toBe(true);
    const without = config();
    const { shop, media } = without.pools as Record<string, { endpoints: unknown[] }>;
    shop!.endpoints.length = 2;
    without.pools = { media, shop };
    fermat.writeConfig(without);
    fermat.child.kill('SIGHUP');
    await dialog.getByText('It is not in the configuration any more.').waitFor();
    expect(await act.isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
    await page.getByText('There is no such endpoint (any more).').waitFor();
    expect(await page.locator('.drawer-head .badge').innerText()).toContain('gone');
    await until(async () => (await rows()).length === 3, 'the row to go');
    await open('#/evacuate?endpoint=shop-1&endpoint=media-1');
    await page.getByText('Without these 2 endpoints').first().waitFor();
    fermat.writeConfig({ ...without, pools: { shop }, routes: (without.routes as unknown[]).slice(1) });
    fermat.child.kill('SIGHUP');
    await page.getByText('Not there (any more): media-1.').waitFor();
    await page.locator('.preview .sentence', { hasText: 'Without shop-1' }).waitFor();
    await open('#/endpoints/shop-3');
    await page.getByText('There is no such endpoint (any more).').waitFor();
    fermat.writeConfig(config());
    fermat.child.kill('SIGHUP');
    await page.locator('.drawer-head .badge.healthy').waitFor();
  });

  it('say why a change was refused', async () => {
    await open('#/endpoints');
    await page.route('**/drain', (route) =>
      route.fulfill({ status: 409, json: { error: { code: 'refused', message: 'not while it is replaced' } } }),
    );
    await row('shop-2').getByRole('button', { name: 'Drain shop-2' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Drain', exact: true }).click();
    await page.getByText('That did not work: not while it is replaced.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.unroute('**/drain');
  });

  it('change before the eyes when an origin dies and comes back', async () => {
    await open('#/endpoints');
    await row('media-1').locator('.badge.healthy').waitFor();
    await page.evaluate('window.sameDocument = true');
    await origins[3]!.refuse();
    await row('media-1').locator('.badge.unhealthy').waitFor();
    expect(await row('media-1').locator('.why').innerText()).toContain('ECONNREFUSED');
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.locator('.attention >> text=Pool media').waitFor();
    await origins[3]!.listen();
    await page.locator('.attention >> text=Every endpoint is healthy').waitFor();
    expect(await page.evaluate('window.sameDocument')).toBe(true);
  });
});

describe('events', () => {
  it('are filtered, held still, and opened into their fields', async () => {
    await open('#/events');
    await page.locator('.events li').first().waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    const before = await page.locator('.events li').count();
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (const action of ['drain', 'enable']) {
      await fermat.admin(`/api/v1/endpoints/shop-3/${action}`, { method: 'POST', headers });
    }
    await page.getByText(/paused, [1-9]/).waitFor();
    expect(await page.locator('.events li').count()).toBe(before);
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.keyboard.press('/');
    await page.keyboard.type('shop-3 is draining');
    const line = page.locator('.events li').first();
    await line.getByText('shop-3 is draining').waitFor();
    await line.locator('summary').click();
    expect(await line.locator('dl').innerText()).toMatch(/endpoint\s+shop-3/);
    await page.getByLabel('Level').selectOption('Errors');
    await page.getByText('No event is like this.').waitFor();
  });
});

describe('the connection', () => {
  it('says that it is lost, comes back when the node does, and shows what is then', async () => {
    await open('#/endpoints');
    await live();
    await row('shop-1').waitFor();
    const { adminPort } = fermat;
    await fermat.kill();
    await page.locator('#connection', { hasText: /reconnecting in \d+ s/ }).waitFor();
    const again = config();
    again.node = { id: 'edge-again' };
    again.admin = { address: `127.0.0.1:${adminPort}`, token: TOKEN };
    const long = poolOf([origins[3]!.url], {}, LONG.slice(1));
    const many = poolOf(Array(MANY).fill(origins[3]!.url), {}, 'many-');
    again.pools = { ...(again.pools as Config), many, [MARKUP]: long };
    fermat = await startFermat(withDefaults(again));
    await live();
    await page.locator('#facts', { hasText: 'edge-again' }).waitFor();
    await page.getByText(`${MANY + 5} endpoints`).waitFor();
    await row('many-0').locator('.badge.healthy').waitFor();
  });

  it('takes names as they are: as text when they are markup, and whole when they are long', async () => {
    await open(`#/evacuate?endpoint=${LONG.slice(1)}0`);
    const box = page.getByRole('checkbox', { name: LONG.slice(1) });
    expect((await box.boundingBox())?.width).toBeGreaterThan(10);
    await open('#/pools');
    const pool = page.getByRole('link', { name: MARKUP }).first();
    await pool.hover();
    expect(await page.locator('.pools td', { has: pool }).first().getAttribute('title')).toBe(MARKUP);
    await pool.click();
    await page.setViewportSize(NARROW);
    await row(`${LONG.slice(1)}0`)
      .getByRole('link')
      .click();
    await page.locator('.drawer').getByText('First byte').waitFor();
    expect(await sideways()).toBeLessThanOrEqual(0);
    await page.setViewportSize(WIDE);
    await open('#/endpoints');
    expect(watched.complaints.filter((text) => !text.includes('ERR_'))).toEqual([]);
  });

  it('tells ages by the clock of the node, whatever the one of the browser says', async () => {
    const wrong = await context.newPage();
    await wrong.addInitScript('{ const { now } = Date; Date.now = () => now() + 26 * 3600_000; }');
    await wrong.goto(`${base()}/ui/#/endpoints/shop-1`);
    await wrong.locator('.drawer >> text=/for \\d+ (s|min), since/').waitFor();
    expect(await wrong.locator('.fact-up').innerText()).toMatch(/up\s+\d+ (s|min)$/);
    await wrong.close();
  });

  it('shows of hundreds of rows those that are in sight, wherever that is', async () => {
    await page.getByRole('button', { name: 'Endpoint', exact: true }).click();
    const last = row('shop-3');
    const first = row('many-0');
    const isFirst =
      (await page.getByRole('columnheader', { name: 'Endpoint' }).getAttribute('aria-sort')) === 'ascending';
    const [top, bottom] = isFirst ? [first, last] : [last, first];
    await top.waitFor();
    expect((await rows()).length).toBeLessThan(100);
    expect(await bottom.count()).toBe(0);
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    await bottom.waitFor();
    expect(await top.count()).toBe(0);
    await page.locator('.brand').focus();
    await page.keyboard.press('/');
    await page.keyboard.type('many-299');
    await until(async () => (await rows()).join() === 'many-299', 'the filtered row');
  });

  it('asks for a reload when the node comes back in another version', async () => {
    const newer = await context.newPage();
    await newer.addInitScript(`{
      const { addEventListener } = EventSource.prototype;
      const other = (text) => globalThis.isNewer ? text.replace(/"version":"[^"]+"/, '"version":"99.0.0"') : text;
      EventSource.prototype.addEventListener = function (kind, fn) {
        addEventListener.call(this, kind, ({ data }) => fn({ data: other(data) }));
      };
    }`);
    await newer.goto(`${base()}/ui/#/pools`);
    await newer.locator('#connection', { hasText: 'live' }).waitFor();
    await newer.evaluate("isNewer = true; dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))");
    await newer.getByText('The node is of version 99.0.0 now').waitFor();
    await newer.getByRole('button', { name: 'Reload' }).click();
    await newer.locator('#connection', { hasText: 'live' }).waitFor();
    expect(await newer.locator('#renewed').isHidden()).toBe(true);
    expect(newer.url()).toContain('#/pools');
    await newer.close();
  });

  it('rests while nobody looks, and goes on when somebody does', async () => {
    await page.clock.install();
    await open('#/');
    await page.reload();
    await live();
    const see = (state: string) =>
      page.evaluate(
        `Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
         document.dispatchEvent(new Event('visibilitychange'))`,
      );
    await see('hidden');
    await page.clock.fastForward(50_000);
    expect(await page.locator('#connection').innerText()).not.toContain('paused');
    await page.clock.fastForward(11_000);
    await page.locator('#connection', { hasText: 'paused' }).waitFor();
    await see('visible');
    await live();
  });

  it('rests as well when it was opened in the background and never looked at', async () => {
    const hidden = await context.newPage();
    await hidden.clock.install();
    await hidden.addInitScript("Object.defineProperty(document, 'visibilityState', { value: 'hidden' })");
    await hidden.goto(`${base()}/ui/#/pools`);
    await hidden.locator('#connection', { hasText: 'live' }).waitFor();
    await hidden.clock.fastForward(61_000);
    await hidden.locator('#connection', { hasText: 'paused' }).waitFor();
    await hidden.close();
  });

  it('leads to the login when the session is over, whatever is asked then', async () => {
    await open('#/endpoints?pool=media');
    await row('media-1').waitFor();
    for (const ask of [() => row('media-1').getByRole('link').click(), () => open('#/explain')]) {
      await context.clearCookies();
      await ask();
      await page.getByLabel('Admin token').fill(TOKEN);
      await page.keyboard.press('Enter');
      await live();
    }
    expect(page.url()).toBe(`${base()}/ui/#/explain`);
  });

  // It led to the overview: whoever was sent a link to a decision had to ask for it a second time.
  it('shows after the login what the link was to, at the first try or the second', async () => {
    const link = '#/decisions/0?from=a%20friend';
    const friend = await browser.newContext();
    const sent = await friend.newPage();
    await sent.goto(`${base()}/ui/${link}`);
    for (const token of ['sesame', TOKEN]) {
      await sent.getByLabel('Admin token').fill(token);
      await sent.keyboard.press('Enter');
    }
    await sent.getByText('Decision 0 is gone').waitFor();
    expect(sent.url()).toBe(`${base()}/ui/${link}`);
    await friend.close();
  });

  it('ends with the session: who logs out sees the login, and the API is shut', async () => {
    await open('#/endpoints');
    await page.reload(); // where another test has left it at the login, or logged in elsewhere
    await live();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Admin token').waitFor();
    expect((await page.request.get(`${base()}/api/v1/node`)).status()).toBe(401);
    await open('#/endpoints');
    await page.getByLabel('Admin token').waitFor();
  });
});
