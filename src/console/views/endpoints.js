// Every endpoint in one dense table: how it is and why, how far and how fast, what it takes. Filtered by text, state and pool,
// sorted by any column; a row opens into all that is known of it (endpoint-detail.js).

import { hasDialog } from '../dialog.js';
import { count, counted, el, setText } from '../dom.js';
import { Table } from '../table.js';
import { columns, scaleShares } from './endpoint-columns.js';
import { mountDetail } from './endpoint-detail.js';
import { filterBox } from './parts.js';

/** @import { Context, Endpoint, View } from '../types.d.ts' */

/** Where the drawer is the whole screen, as pages.css has it: what it covers takes no focus then. */
const isCovering = matchMedia('(max-width: 48rem)');

const STATES = ['', 'not healthy', 'healthy', 'unhealthy', 'ejected', 'draining', 'unknown'];

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, context) {
  const { store, navigate } = context;
  const search = filterBox('Filter endpoints', 'Filter: name, pool, region, address');
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
  const none = el('p', { className: 'empty', hidden: true }, '');
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
    scaleShares(store.endpoints);
    table.setRows(rows);
    none.hidden = rows.length > 0 || store.node === null;
    const all = store.endpoints.length;
    setText(none, all === 0 ? 'This node has no endpoints.' : 'No endpoint is like this.');
    setText(
      tally,
      rows.length === all ? counted(all, 'endpoint') : `${count(rows.length)} of ${counted(all, 'endpoint')}`,
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
    cover();
    const row = store.endpointById(id);
    table.select(row === null ? null : `${row.id}\n${row.pool}`);
    const left = open === null && was !== null ? store.endpointById(was.id) : null;
    if (left !== null) table.focus(`${left.id}\n${left.pool}`);
  };
  const cover = () => setInert(drawer, open !== null && isCovering.matches);
  const closeByKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape' && open !== null && !hasDialog()) goTo('');
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
    if (states.value !== '' && !table.isHeld) {
      const rows = store.endpoints.filter(matches);
      const shown = new Set(table.rows);
      if (rows.length !== shown.size || rows.some((row) => !shown.has(row))) filter();
    }
    const isOther = scaleShares(store.endpoints);
    table.refresh(({ index }) => isOther || store.changed.has(index));
  };
  const redraw = () => table.redraw();
  addEventListener('keydown', closeByKey);
  isCovering.addEventListener('change', cover);
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
      isCovering.removeEventListener('change', cover);
      setInert(drawer, false);
      removeEventListener('fermat:theme', redraw);
      open?.view.unmount();
      table.destroy();
      root.classList.remove('has-detail');
    },
  };
}

/** All of the page but `kept` and what it is in. @param {HTMLElement} kept @param {boolean} isInert */
function setInert(kept, isInert) {
  for (let node = kept; node !== document.body; node = node.parentElement ?? document.body) {
    for (const other of node.parentElement?.children ?? [])
      if (other !== node && other instanceof HTMLElement && other.localName !== 'dialog') other.inert = isInert;
  }
}

function textOf(/** @type {Endpoint} */ e) {
  return `${e.id} ${e.pool} ${e.region ?? ''} ${e.url} ${e.via ?? ''} ${e.source ?? ''} ${e.why}`.toLowerCase();
}
