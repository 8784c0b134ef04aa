// Where requests go, by region: the map in numbers. Part of the overview.

import { count, el, ms, percent, rate, setText } from '../dom.js';
import { Table } from '../table.js';
import { buildHealth } from './parts.js';

/** @import { Context, Endpoint } from '../types.d.ts' */
/**
 * @typedef {object} Region
 * @property {string} name
 * @property {number} endpoints
 * @property {number} healthy
 * @property {number} rps
 * @property {number} errorsPerSecond
 * @property {number} inflight
 * @property {number} share 0…1 of all requests
 * @property {number | null} networkMs of its nearest healthy endpoint
 */

const SHOWN = 8;
const NOWHERE = 'no region';

/**
 * @param {HTMLElement} root
 * @param {Context['store']} store
 */
export function createRegions(root, store) {
  /** @type {Map<string, Region>} */
  let regions = new Map();
  const table = new Table({
    label: 'Regions',
    columns: columns(),
    keyOf: ({ name }) => name,
    sort: 'rps',
    className: 'regions',
  });
  const more = el('small');
  const card = el(
    'section',
    { className: 'card table-wrap' },
    el('div', { className: 'card-head' }, el('h2', {}, 'Regions'), more),
    table.element,
  );
  root.append(card);
  let shown = '';
  return {
    update() {
      regions = summed(store.endpoints, regions);
      card.hidden = regions.size === 0;
      const busiest = [...regions.values()].sort(
        (a, b) => b.rps - a.rps || (a.networkMs ?? 1e9) - (b.networkMs ?? 1e9),
      );
      const rows = busiest.slice(0, SHOWN);
      setText(more, regions.size > SHOWN ? `the ${SHOWN} busiest of ${count(regions.size)}` : '');
      // Which ones are shown is another matter than what they say.
      const names = rows
        .map(({ name }) => name)
        .sort()
        .join();
      if (names !== shown && !table.isHeld) {
        table.setRows(rows);
        shown = names;
      }
      table.refresh(() => true);
    },
    destroy: () => table.destroy(),
  };
}

/**
 * The same objects as before where the region is the same: rows of a table live as long as what they show.
 * @param {readonly Endpoint[]} endpoints
 * @param {Map<string, Region>} before
 */
function summed(endpoints, before) {
  /** @type {Map<string, Region>} */
  const regions = new Map();
  let total = 0;
  for (const { region, state, rps, errorsPerSecond, inflight, networkMs } of endpoints) {
    const name = region ?? NOWHERE;
    let sum = regions.get(name);
    if (sum === undefined) {
      const zero = {
        name,
        endpoints: 0,
        healthy: 0,
        rps: 0,
        errorsPerSecond: 0,
        inflight: 0,
        share: 0,
        networkMs: null,
      };
      sum = Object.assign(before.get(name) ?? {}, zero);
      regions.set(name, sum);
    }
    sum.endpoints++;
    sum.rps += rps;
    sum.errorsPerSecond += errorsPerSecond;
    sum.inflight += inflight;
    total += rps;
    if (state !== 'healthy') continue;
    sum.healthy++;
    if (networkMs !== null && (sum.networkMs === null || networkMs < sum.networkMs)) sum.networkMs = networkMs;
  }
  for (const sum of regions.values()) sum.share = total > 0 ? sum.rps / total : 0;
  return regions;
}

/** @returns {import('../table.js').Column<Region>[]} */
function columns() {
  return [
    { id: 'name', title: 'Region', sort: ({ name }) => name, build: buildName },
    { id: 'health', title: 'Healthy', sort: (r) => r.healthy / r.endpoints, build: buildHealth },
    { id: 'rtt', title: 'RTT ms', num: true, sort: (r) => r.networkMs, text: (r) => ms(r.networkMs) },
    { id: 'inflight', title: 'In flight', num: true, sort: (r) => r.inflight, text: (r) => count(r.inflight) },
    {
      id: 'errors',
      title: 'Errors/s',
      num: true,
      sort: (r) => r.errorsPerSecond,
      text: (r) => rate(r.errorsPerSecond),
    },
    { id: 'rps', title: 'Req/s', num: true, sort: (r) => r.rps, text: (r) => rate(r.rps) },
    { id: 'share', title: 'Share', num: true, sort: (r) => r.share, build: buildShare },
  ];
}

/** @type {(cell: HTMLTableCellElement, region: Region) => (region: Region) => void} */
function buildName(cell, { name }) {
  cell.append(name === NOWHERE ? name : el('a', { href: `#/endpoints?filter=${encodeURIComponent(name)}` }, name));
  return () => {};
}

/** @type {(cell: HTMLTableCellElement) => (region: Region) => void} */
function buildShare(cell) {
  const bar = el('i', { 'aria-hidden': 'true' });
  const text = document.createTextNode('');
  cell.append(bar, el('span', {}, text));
  return ({ share }) => {
    const next = percent(share);
    if (next === text.data) return;
    text.data = next;
    bar.style.transform = `scaleX(${share})`;
  };
}
