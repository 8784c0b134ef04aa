// The frame around the views: which one is shown (the hash says so), the header's facts and states, the theme, the keys. The
// views know nothing of each other; what they show comes from the store.

import * as api from './api.js';
import { $, duration, el, glyphOf, nowMs, setText } from './dom.js';
import { showKeys, watchKeys } from './keys.js';
import { store } from './store.js';

/** @import { Context, View } from './types.d.ts' */

/** Name in the hash: title, module. */
const VIEWS = /** @type {Record<string, { title: string, load: () => Promise<any> }>} */ ({
  overview: { title: 'Overview', load: () => import('./views/overview.js') },
  endpoints: { title: 'Endpoints', load: () => import('./views/endpoints.js') },
  pools: { title: 'Pools and routes', load: () => import('./views/pools.js') },
  decisions: { title: 'Decisions', load: () => import('./views/decisions.js') },
  explain: { title: 'Explain', load: () => import('./views/explain.js') },
  evacuate: { title: 'Evacuation', load: () => import('./views/evacuate.js') },
  events: { title: 'Events', load: () => import('./views/events.js') },
});

/** @type {{ name: string, view: View } | null} */
let shown = null;
/** Of the navigation under way: a slow module must not replace what was asked for after it. */
let turn = 0;

/** `#/endpoints/fra-1?sort=rps` → name, rest, query. */
function place() {
  const [path = '', search = ''] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [first = '', ...rest] = path.split('/');
  return { name: first || 'overview', rest: decoded(rest.join('/')), query: new URLSearchParams(search) };
}

function decoded(/** @type {string} */ text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function navigate() {
  const mine = ++turn;
  const { name, rest, query } = place();
  const known = VIEWS[name];
  /** @type {Context} */
  const context = { store, api, query, rest, navigate: go };
  if (shown?.name === name && shown.view.update) return shown.view.update(context);
  const isFirst = shown === null;
  /** @type {((root: HTMLElement, context: Context) => View) | null} */
  let mount = known === undefined ? mountNothing : null;
  try {
    mount ??= (await known?.load())?.mount;
  } catch {
    mount = mountBroken;
    api.get('/api/v1/node').catch(() => {}); // a session that is over leads to the login
  }
  if (mine !== turn || !mount) return;
  shown?.view.unmount();
  const root = $('#view');
  root.replaceChildren();
  root.className = `view-${name}`;
  const title = known?.title ?? 'Not found';
  setText($('#title'), title);
  showTitle(title);
  for (const link of document.querySelectorAll('nav a')) {
    const isCurrent = link.getAttribute('data-view') === name;
    if (isCurrent) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
    if (isCurrent) link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
  if (!isFirst) {
    scrollTo(0, 0);
    // Before there is anything: to give the focus lays the page out, and a view may have a better place for it.
    $('#main').focus({ preventScroll: true });
  }
  let view;
  try {
    view = mount(root, context);
  } catch (error) {
    reportError(error);
    root.replaceChildren();
    view = mountBroken(root);
  }
  shown = { name, view };
}

function go(/** @type {string} */ hash) {
  location.hash = hash;
}

/** @param {HTMLElement} root @returns {View} */
function mountNothing(root) {
  root.append(
    el('p', { className: 'empty' }, 'There is no such view. ', el('a', { href: '#/' }, 'Back to the overview')),
  );
  return { unmount() {} };
}

/** @param {HTMLElement} root @returns {View} */
function mountBroken(root) {
  const again = el('button', { type: 'button', onclick: () => location.reload() }, 'Reload');
  root.append(el('p', { className: 'empty' }, 'This view could not be loaded. ', again));
  return { unmount() {} };
}

function showTitle(/** @type {string} */ title) {
  document.title = store.node === null ? `${title} · Fermat` : `${title} · ${store.node.id} · Fermat`;
}

/** Name → its dd; built once, so that a tick changes text only. @type {Map<string, HTMLElement>} */
const facts = new Map();

function showFacts() {
  const { node } = store;
  if (node === null) return;
  const placed = node.location ? `${node.location.latDeg.toFixed(1)}, ${node.location.lonDeg.toFixed(1)}` : 'unknown';
  /** @type {[name: string, value: string][]} */
  const all = [
    ['node', node.id],
    ['region', node.region ?? placed],
    ['version', node.version],
    ['up', uptime()],
    ['workers', String(node.workers)],
    ['GeoIP', node.geoip?.built?.slice(0, 10) ?? node.geoip?.source ?? 'none'],
  ];
  for (const [name, value] of all) {
    let cell = facts.get(name);
    if (cell === undefined) {
      cell = el('dd');
      facts.set(name, cell);
      $('#facts').append(el('div', { className: `fact-${name.toLowerCase()}` }, el('dt', {}, name), cell));
    }
    setText(cell, value);
  }
  showTitle(VIEWS[place().name]?.title ?? 'Not found');
}

/** Of the node that the page came from. */
let version = '';

/** A restart may have made it another: what is loaded from here on, and what is told, would not belong to this page. */
function heedVersion() {
  const now = store.node?.version ?? '';
  version ||= now;
  const note = $('#renewed');
  if (note.hidden === (now === version)) return;
  note.hidden = now === version;
  const again = el('button', { type: 'button', className: 'link', onclick: () => location.reload() }, 'Reload');
  note.replaceChildren(`The node is of version ${now} now, this page of ${version}. `, again);
}

function uptime() {
  return duration((nowMs() - Date.parse(store.node?.startedAt ?? '')) / 1000);
}

function showHealth() {
  const up = facts.get('up');
  if (up) setText(up, uptime());
  const shedding = store.node?.shedding ?? [];
  if (store.ready !== null) state('#health', 'warn', `not ready: ${store.ready}`);
  else if (shedding.length > 0) state('#health', 'warn', `shedding: ${shedding.join(', ')}`);
  else state('#health', 'ready', 'ready');
}

let countdown = 0;

function showConnection() {
  clearInterval(countdown);
  const { connection } = store;
  // Said once a change, not once a second of the countdown.
  if (connection !== 'connecting') setText($('#announce'), connection === 'live' ? 'Live' : `Connection ${connection}`);
  document.body.classList.toggle('stale', connection !== 'live');
  if (connection === 'live') state('#connection', 'ready', 'live');
  else if (connection === 'connecting') state('#connection', 'unknown', 'connecting');
  else if (connection === 'paused') state('#connection', 'unknown', 'paused');
  else {
    const tell = () => {
      const seconds = Math.max(1, Math.ceil((store.retryAtMs - performance.now()) / 1000));
      state('#connection', 'bad', `reconnecting in ${seconds} s`);
    };
    tell();
    countdown = window.setInterval(tell, 1000);
  }
}

/**
 * @param {string} selector
 * @param {string} kind
 * @param {string} text
 */
function state(selector, kind, text) {
  const node = $(selector);
  if (node.className !== `badge ${kind}`) {
    node.className = `badge ${kind}`;
    setText($('i', node), glyphOf(kind));
  }
  setText($('span', node), text);
}

const THEMES = ['system', 'light', 'dark'];
const THEME_SIGNS = ['◐', '☀', '☾'];

function theme() {
  return Math.max(0, THEMES.indexOf(document.documentElement.dataset.theme ?? 'system'));
}

function showTheme() {
  const button = $('#theme');
  setText(button, THEME_SIGNS[theme()] ?? '');
  button.setAttribute('aria-label', `Theme: ${THEMES[theme()]}`);
  button.title = `Theme: ${THEMES[theme()]}`;
}

function nextTheme() {
  const name = THEMES[(theme() + 1) % THEMES.length] ?? 'system';
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try {
    if (name === 'system') localStorage.removeItem('fermat-theme');
    else localStorage.setItem('fermat-theme', name);
  } catch {
    // no storage: until the page is left
  }
  showTheme();
  dispatchEvent(new Event('fermat:theme'));
}

/** The cookie of a session is not for scripts: whether there is one, the node says. */
async function showLogout() {
  const told = await api.get('/api/v1/session').catch(() => null);
  $('#logout').hidden = !told?.session;
}

store.on('hello', () => {
  document.body.classList.add('told');
  heedVersion();
  showFacts();
  showHealth();
});
store.on('tick', showHealth);
store.on('connection', showConnection);
addEventListener('hashchange', (event) => {
  if (new URL(event.newURL).hash !== '#main') navigate();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('fermat:theme')));
$('#theme').addEventListener('click', nextTheme);
$('#keys').addEventListener('click', showKeys);
$('#skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('#main').focus();
});
watchKeys(go);
showTheme();
showLogout();
navigate();
store.start();
