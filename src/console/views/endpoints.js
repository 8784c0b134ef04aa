// @ts-check
// Every endpoint in one dense table: how it is and why, how far and how fast, what it takes. Filtered by text, state and pool,
// sorted by any column; a row opens into all that is known of it (endpoint-detail.js).

import { colourOf, drawSpark, sparkCanvas } from '../charts.js';
import { confirmMove, isDrained } from '../confirm.js';
import { ago, badge, count, el, glyphOf, ms, NONE, percent, rate, setText } from '../dom.js';
import { Table } from '../table.js';
import { mountDetail } from './endpoint-detail.js';

/** @import { Context, Endpoint, View } from '../types.d.ts' */
/** @typedef {import('../table.js').Column<Endpoint>} Column */

/** What wants attention first. */
const RANK = /** @type {Record<string, number>} */ ({ unhealthy: 0, ejected: 1, draining: 2, unknown: 3, healthy: 4 });
const STATES = ['', 'not healthy', 'healthy', 'unhealthy', 'ejected', 'draining', 'unknown'];

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, context) {
  const { store, navigate } = context;
  const search = el('input', {
    type: 'search',
    placeholder: 'Filter: name, pool, region, address',
    spellcheck: false,
    autocomplete: 'off',
    'data-filter': '',
    'aria-label': 'Filter endpoints',
    'aria-keyshortcuts': '/',
  });
  const states = el(
    'select',
    { 'aria-label': 'State' },
    STATES.map((state) => el('option', { value: state }, state || 'Every state')),
  );
  const pools = el('select', { 'aria-label': 'Pool' });
  const tally = el('span', { className: 'quiet-text', role: 'status' });
  const table = new Table({
    label: 'Endpoints',
    columns: columns(),
    keyOf: ({ id, pool }) => `${id}\n${pool}`,
    sort: 'state',
    className: 'endpoints',
  });
  const none = el('p', { className: 'empty', hidden: true }, 'No endpoint is like this.');
  const drawer = el('div');
  root.append(
    el(
      'div',
      { className: 'toolbar', role: 'search' },
      search,
      states,
      pools,
      el('span', { className: 'fill' }),
      tally,
    ),
    el('div', { className: 'card table-wrap' }, table.element, none),
    drawer,
  );

  const matches = (/** @type {Endpoint} */ e) => {
    if (pools.value !== '' && e.pool !== pools.value) return false;
    if (states.value === 'not healthy' ? e.state === 'healthy' : states.value !== '' && e.state !== states.value)
      return false;
    const words = search.value.trim().toLowerCase();
    return words === '' || words.split(/\s+/).every((word) => textOf(e).includes(word));
  };
  const filter = () => {
    const rows = store.endpoints.filter(matches);
    table.setRows(rows);
    none.hidden = rows.length > 0 || store.node === null;
    const all = store.endpoints.length;
    setText(
      tally,
      rows.length === all ? `${count(all)} endpoints` : `${count(rows.length)} of ${count(all)} endpoints`,
    );
  };
  /** One that is not there (yet) stays chosen: a filter does not change by itself. */
  let wantedPool = '';
  const showPools = () => {
    const names = new Set(store.pools.map(({ name }) => name));
    if (wantedPool !== '') names.add(wantedPool);
    pools.replaceChildren(
      el('option', { value: '' }, 'Every pool'),
      ...[...names].map((name) => el('option', { value: name }, name)),
    );
    pools.value = wantedPool;
  };
  const take = (/** @type {URLSearchParams} */ query) => {
    search.value = query.get('filter') ?? '';
    states.value = query.get('state') ?? '';
    wantedPool = query.get('pool') ?? '';
    showPools();
  };
  /** The filters stand in the address: it can be kept, sent and gone back to. */
  const hashOf = (/** @type {string} */ id) => {
    const query = new URLSearchParams();
    if (search.value) query.set('filter', search.value);
    if (states.value) query.set('state', states.value);
    if (pools.value) query.set('pool', pools.value);
    return `#/endpoints${id && `/${encodeURIComponent(id)}`}${query.size > 0 ? `?${query}` : ''}`;
  };
  const goTo = (/** @type {string} */ id) => navigate(hashOf(id));
  const chosen = () => {
    filter();
    history.replaceState(null, '', hashOf(open?.id ?? ''));
  };
  search.addEventListener('input', chosen);
  states.addEventListener('change', chosen);
  pools.addEventListener('change', () => {
    wantedPool = pools.value;
    chosen();
  });
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || search.value === '') return;
    search.value = '';
    chosen();
    event.stopPropagation();
  });

  /** @type {{ id: string, view: View } | null} */
  let open = null;
  const show = (/** @type {string} */ id, isAsked = true) => {
    if (open?.id === id) return;
    const was = open;
    was?.view.unmount();
    drawer.replaceChildren();
    root.classList.toggle('has-detail', id !== '');
    open = id === '' ? null : { id, view: mountDetail(drawer, { ...context, rest: id }, isAsked) };
    const row = store.endpointById(id);
    table.select(row === null ? null : `${row.id}\n${row.pool}`);
    const left = open === null && was !== null ? store.endpointById(was.id) : null;
    if (left !== null) table.focus(`${left.id}\n${left.pool}`);
  };
  const closeByKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape' && open !== null && !document.querySelector('dialog[open]')) goTo('');
  };
  table.element.addEventListener('click', (event) => {
    const target = /** @type {Element} */ (event.target);
    const link = target.closest('tbody tr')?.querySelector('a');
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || target.closest('button') || getSelection()?.toString()) return;
    event.preventDefault();
    goTo(link.textContent);
  });
  drawer.addEventListener('click', (event) => {
    if (!(/** @type {Element} */ (event.target).closest('[data-close]'))) return;
    event.preventDefault();
    goTo('');
  });

  const hello = () => {
    showPools();
    filter();
  };
  const tick = () => {
    if (states.value !== '') {
      const rows = store.endpoints.filter(matches);
      if (rows.length !== table.rows.length || rows.some((row) => !table.rows.includes(row))) filter();
    }
    table.refresh(({ index }) => store.changed.has(index));
  };
  const redraw = () => table.redraw();
  addEventListener('keydown', closeByKey);
  addEventListener('fermat:theme', redraw);
  take(context.query);
  filter();
  show(context.rest, false);
  const leave = [store.on('hello', hello), store.on('tick', tick)];
  return {
    update({ rest, query }) {
      take(query);
      filter();
      show(rest);
    },
    unmount() {
      for (const end of leave) end();
      removeEventListener('keydown', closeByKey);
      removeEventListener('fermat:theme', redraw);
      open?.view.unmount();
      table.destroy();
      root.classList.remove('has-detail');
    },
  };
}

function textOf(/** @type {Endpoint} */ e) {
  return `${e.id} ${e.pool} ${e.region ?? ''} ${e.url} ${e.via ?? ''} ${e.source ?? ''} ${e.why}`.toLowerCase();
}

/** @returns {Column[]} */
function columns() {
  return [
    { id: 'id', title: 'Endpoint', sort: (e) => e.id, build: buildName },
    { id: 'state', title: 'State', sort: (e) => RANK[e.state], build: buildState },
    {
      id: 'since',
      title: 'Since',
      sort: (e) => -Date.parse(e.since),
      text: (e) => ago(e.since),
      timed: true,
      num: true,
    },
    { id: 'pool', title: 'Pool', sort: (e) => e.pool, text: (e) => e.pool },
    { id: 'region', title: 'Region', sort: (e) => e.region, text: (e) => e.region ?? NONE },
    {
      id: 'rtt',
      title: 'RTT ms',
      num: true,
      sort: (e) => e.networkMs,
      build: buildSeries(
        (e) => e.networkMs,
        (e) => e.history.rttMs,
      ),
    },
    { id: 'server', title: 'Server ms', num: true, sort: (e) => e.serverMs, text: (e) => ms(e.serverMs) },
    {
      id: 'score',
      title: 'Score ms',
      num: true,
      sort: (e) => e.scoreMs,
      build: buildSeries(
        (e) => e.scoreMs,
        (e) => e.history.scoreMs,
      ),
    },
    { id: 'inflight', title: 'In flight', num: true, sort: (e) => e.inflight, text: (e) => count(e.inflight) },
    { id: 'rps', title: 'Req/s', num: true, sort: (e) => e.rps, text: (e) => rate(e.rps) },
    { id: 'errors', title: 'Errors/s', num: true, sort: (e) => e.errorsPerSecond, build: buildErrors },
    { id: 'share', title: 'Share', num: true, sort: (e) => e.share, build: buildShare },
    { id: 'source', title: 'Source', sort: (e) => e.source, text: (e) => e.source ?? 'file' },
    { id: 'act', title: '', build: buildAction },
  ];
}

/** @type {NonNullable<Column['build']>} */
function buildName(cell, row) {
  const link = el('a', { href: `#/endpoints/${encodeURIComponent(row.id)}` }, row.id);
  cell.append(link, el('small', {}, [row.pool, row.region].filter(Boolean).join(' · ')));
  return (e) => {
    cell.title = e.via ? `${e.url} over ${e.via}` : e.url;
  };
}

/** @type {NonNullable<Column['build']>} */
function buildState(cell) {
  const sign = badge('unknown');
  const why = el('span', { className: 'why' });
  cell.append(sign, why);
  const word = /** @type {Text} */ (sign.lastChild);
  const glyph = /** @type {Element} */ (sign.firstElementChild);
  let last = '';
  let lastWhy = '';
  return (e) => {
    if (e.state !== last) {
      last = e.state;
      sign.className = `badge ${last}`;
      word.data = last;
      setText(glyph, glyphOf(last));
    }
    if (e.why === lastWhy) return;
    lastWhy = e.why;
    setText(why, e.why);
    cell.title = e.why;
  };
}

/**
 * A number and its last minutes. Drawn when there is a new point, not with every tick.
 * @param {(e: Endpoint) => number | null} now
 * @param {(e: Endpoint) => (number | null)[]} past
 * @returns {NonNullable<Column['build']>}
 */
function buildSeries(now, past) {
  return (cell) => {
    const canvas = sparkCanvas();
    const text = document.createTextNode('');
    cell.append(canvas, el('span', {}, text));
    const colour = sparkColour();
    let last = '';
    let drawn = 0;
    return (e) => {
      const next = ms(now(e));
      if (next !== last) {
        last = next;
        text.data = next;
      }
      if (drawn === e.historyVersion) return;
      drawn = e.historyVersion;
      drawSpark(canvas, past(e), colour);
    };
  };
}

let colour = { scheme: '', value: '' };

/** Asked of the page once a theme, not once a canvas. */
function sparkColour() {
  const scheme = `${document.documentElement.dataset.theme} ${matchMedia('(prefers-color-scheme: dark)').matches}`;
  if (colour.scheme !== scheme) colour = { scheme, value: colourOf('--accent') };
  return colour.value;
}

/** @type {NonNullable<Column['build']>} */
function buildErrors(cell) {
  const text = document.createTextNode('');
  cell.append(text);
  return (e) => {
    const next = rate(e.errorsPerSecond);
    if (next === text.data) return;
    text.data = next;
    cell.classList.toggle('failed', e.errorsPerSecond > 0);
  };
}

/** @type {NonNullable<Column['build']>} */
function buildShare(cell) {
  const bar = el('i', { 'aria-hidden': 'true' });
  const text = document.createTextNode('');
  cell.append(bar, el('span', {}, text));
  return (e) => {
    const next = percent(e.share);
    if (next === text.data) return;
    text.data = next;
    bar.style.transform = `scaleX(${e.share})`;
  };
}

/** @type {NonNullable<Column['build']>} */
function buildAction(cell, row) {
  const button = el('button', { type: 'button', className: 'quiet' });
  button.addEventListener('click', () => confirmMove(row.id));
  cell.append(button);
  let last = '';
  return (e) => {
    const next = isDrained(e) ? 'Enable' : 'Drain';
    if (next === last) return;
    last = next;
    setText(button, next);
    button.setAttribute('aria-label', `${next} ${e.id}`);
  };
}
