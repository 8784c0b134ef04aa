// Pools with what they take and where it goes, and routes in the order in which they are tried: the question "who answers this
// address?" is answered from the top.

import { count, el, NONE, percent, rate, setText } from '../dom.js';
import { Table } from '../table.js';
import { buildHealth } from './parts.js';

/** @import { Context, PoolView, RouteView, View } from '../types.d.ts' */
/** @typedef {import('../table.js').Column<PoolView>} PoolColumn */
/** @typedef {import('../table.js').Column<RouteView & { place: number }>} RouteColumn */

const REGIONS_SHOWN = 2;

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, { store }) {
  /** Regions of a pool with their shares, the largest first; of this tick. @type {Map<string, [region: string, share: number][]>} */
  let shares = new Map();
  const pools = new Table({
    label: 'Pools',
    columns: poolColumns((name) => shares.get(name) ?? []),
    keyOf: ({ name }) => name,
    sort: 'name',
    className: 'pools',
  });
  const routes = new Table({
    label: 'Routes',
    columns: routeColumns(),
    keyOf: ({ place }) => place,
    sort: '',
    className: 'routes',
  });
  const noPools = el('p', { className: 'empty', hidden: true }, 'There are no pools.');
  const noRoutes = el('p', { className: 'empty', hidden: true }, 'There are no routes.');
  root.className += ' cards';
  root.append(
    el(
      'section',
      { className: 'card table-wrap' },
      el('div', { className: 'card-head' }, el('h2', {}, 'Pools')),
      pools.element,
      noPools,
    ),
    el(
      'section',
      { className: 'card table-wrap' },
      el(
        'div',
        { className: 'card-head' },
        el('h2', {}, 'Routes'),
        el('small', {}, 'in the order in which they match'),
      ),
      routes.element,
      noRoutes,
    ),
  );
  const hello = () => {
    shares = sharesOf(store);
    pools.setRows(store.pools);
    routes.setRows(inOrder(store.routes).map((route, i) => ({ ...route, place: i + 1 })));
    noPools.hidden = store.pools.length > 0 || store.node === null;
    noRoutes.hidden = store.routes.length > 0 || store.node === null;
  };
  const tick = () => {
    shares = sharesOf(store);
    pools.refresh(() => true);
  };
  hello();
  const leave = [store.on('hello', hello), store.on('tick', tick)];
  return {
    unmount() {
      for (const end of leave) end();
      pools.destroy();
      routes.destroy();
    },
  };
}

/** @param {Context['store']} store */
function sharesOf({ endpoints }) {
  /** @type {Map<string, Map<string, number>>} */
  const byPool = new Map();
  for (const { pool, region, share } of endpoints) {
    const regions = byPool.get(pool) ?? new Map();
    byPool.set(pool, regions);
    regions.set(region ?? 'no region', (regions.get(region ?? 'no region') ?? 0) + share);
  }
  return new Map([...byPool].map(([pool, regions]) => [pool, [...regions].sort((a, b) => b[1] - a[1])]));
}

/** The most specific host first, then the longest path, an equality before a prefix, one of a listener before one of all. */
function inOrder(/** @type {readonly RouteView[]} */ routes) {
  const rank = (/** @type {RouteView} */ { host }) => (host === null ? 2 : host.startsWith('*.') ? 1 : 0);
  return [...routes].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      (b.host?.length ?? 0) - (a.host?.length ?? 0) ||
      (a.host ?? '').localeCompare(b.host ?? '') ||
      b.path.length - a.path.length ||
      Number(b.exact) - Number(a.exact) ||
      Number(b.listener !== null) - Number(a.listener !== null),
  );
}

/** @param {(pool: string) => [region: string, share: number][]} regionsOf @returns {PoolColumn[]} */
function poolColumns(regionsOf) {
  return [
    { id: 'name', title: 'Pool', sort: ({ name }) => name, build: buildPoolName },
    {
      id: 'health',
      title: 'Healthy',
      sort: ({ healthy, endpoints }) => healthy / Math.max(1, endpoints),
      build: buildHealth,
    },
    { id: 'policy', title: 'Policy', sort: ({ policy }) => policy, text: ({ policy }) => policy },
    { id: 'rps', title: 'Req/s', num: true, sort: (p) => p.requestsPerSecond, text: (p) => rate(p.requestsPerSecond) },
    {
      id: 'inflight',
      title: 'In flight',
      num: true,
      sort: ({ inflight }) => inflight,
      text: ({ inflight }) => count(inflight),
    },
    { id: 'regions', title: 'Regions, by share of requests', build: buildRegions(regionsOf) },
    { id: 'down', title: 'When all are down', text: ({ whenAllDown }) => whenAllDown },
    { id: 'explore', title: 'Exploration', num: true, text: ({ explorePercent }) => percent(explorePercent / 100) },
  ];
}

/** @type {NonNullable<PoolColumn['build']>} */
function buildPoolName(cell, { name }) {
  cell.append(el('a', { href: `#/endpoints?pool=${encodeURIComponent(name)}` }, name));
  return () => {};
}

/** @param {(pool: string) => [region: string, share: number][]} regionsOf @returns {NonNullable<PoolColumn['build']>} */
function buildRegions(regionsOf) {
  return (cell) => {
    const text = el('span');
    cell.append(text);
    return ({ name }) => {
      const regions = regionsOf(name).filter(([, share]) => share > 0);
      const named = regions.slice(0, REGIONS_SHOWN).map(([region, share]) => `${region} ${percent(share)}`);
      const more = regions.length > REGIONS_SHOWN ? ` and ${regions.length - REGIONS_SHOWN} more` : '';
      setText(text, named.length > 0 ? `${named.join(' · ')}${more}` : NONE);
      cell.title = regions.map(([region, share]) => `${region} ${percent(share)}`).join('\n');
    };
  };
}

/** @returns {RouteColumn[]} */
function routeColumns() {
  return [
    { id: 'place', title: '#', num: true, text: ({ place }) => String(place) },
    { id: 'host', title: 'Host', text: ({ host }) => host ?? 'any' },
    { id: 'path', title: 'Path', text: ({ path, exact }) => (exact ? `= ${path}` : `${path.replace(/\/$/, '')}/…`) },
    { id: 'leads', title: 'Leads to', build: buildLeads },
    { id: 'listener', title: 'Listener', text: ({ listener }) => listener ?? 'all' },
    { id: 'mode', title: 'Mode', text: ({ mode, pool }) => (pool === null ? 'answer' : mode) },
    { id: 'residency', title: 'Residency', text: ({ residency }) => residency.join(', ') || 'anywhere' },
    { id: 'route', title: 'Route', text: ({ name }) => name },
  ];
}

/** @type {NonNullable<RouteColumn['build']>} */
function buildLeads(cell) {
  return ({ pool, policy, respond }) => {
    if (pool === null) cell.replaceChildren(`answers ${respond ?? ''}`);
    else
      cell.replaceChildren(
        el('a', { href: `#/endpoints?pool=${encodeURIComponent(pool)}` }, pool),
        el('span', { className: 'quiet-text' }, ` ${policy ?? ''}`),
      );
  };
}
