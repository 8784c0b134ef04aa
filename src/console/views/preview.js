// @ts-check
// An evacuation's answer as people read it: one sentence, warnings first; then per pool the load of each region now and then,
// against what it can take; then the times of each country's clients. Bars of one pool have one scale.

import { ago, count, countryName, el, ms, percent, rate } from '../dom.js';
import { body, card, rest, scroller, tableOf } from './parts.js';

/**
 * @typedef {{ share: number, requestsPerSecond: number }} Load
 * @typedef {{ now: Load, then: Load, capacity: number | null }} Change
 * @typedef {{ p50Ms: number | null, p99Ms: number | null }} Times
 * @typedef {{ country: string | null, requests: number, now: Times, then: Times }} Country
 * @typedef {object} Pool
 * @property {string} pool
 * @property {number} requestsPerSecond
 * @property {number} unserved 0…1 of its requests
 * @property {(Change & { region: string | null })[]} regions
 * @property {(Change & { id: string, region: string | null })[]} endpoints
 * @typedef {object} Answer of /api/v1/evacuation
 * @property {string[]} removed
 * @property {number} decisions that it is computed from
 * @property {string | null} sinceIso
 * @property {string | null} note
 * @property {Pool[]} pools
 * @property {Country[]} countries
 */

/** Differences below this are chance. */
const NOTABLE_RATIO = 0.05;
const NOTABLE_MS = 1;
const UNSERVED = 0.0005;
/** So many countries at first. */
const COUNTRIES = 12;

/**
 * Cards of an answer. `again` asks anew.
 * @param {Answer} answer
 * @param {() => void} again
 */
export function previewOf(answer, again) {
  const pools = answer.pools.filter(({ regions }) => regions.length > 0);
  const gone = new Set(answer.removed);
  const words = [...warningsOf(pools), sentenceOf(answer, pools), baseOf(answer, again)];
  return [
    card('What would happen', null, body(...words)),
    ...pools.map((pool) => poolOf(pool, gone)),
    ...countriesOf(answer.countries),
  ];
}

function isOver(/** @type {Change} */ { then, now, capacity }) {
  return (
    capacity !== null &&
    capacity > 0 &&
    then.requestsPerSecond > capacity &&
    then.requestsPerSecond > now.requestsPerSecond
  );
}

function warningsOf(/** @type {Pool[]} */ pools) {
  /** @type {string[]} */
  const warnings = [];
  for (const { pool, unserved, requestsPerSecond, regions } of pools) {
    if (unserved > UNSERVED) {
      warnings.push(
        `✕ ${percent(unserved)} of pool ${pool}’s requests (${rate(unserved * requestsPerSecond)}/s) would have nowhere to go.`,
      );
    }
    for (const region of regions.filter(isOver)) {
      warnings.push(
        `▲ ${region.region ?? 'no region'} would get ${rate(region.then.requestsPerSecond)} requests/s of pool ${pool}, above its capacity of ${rate(region.capacity)}.`,
      );
    }
  }
  if (warnings.length === 0) return [];
  return [
    el(
      'div',
      { role: 'alert' },
      el(
        'ul',
        { className: 'warnings' },
        ...warnings.map((text) => el('li', { className: text.startsWith('✕') ? 'is-bad' : 'is-warn' }, text)),
      ),
    ),
  ];
}

/**
 * @param {Answer} answer
 * @param {Pool[]} pools
 */
function sentenceOf({ removed, decisions }, pools) {
  const n = removed.length;
  const parts = [`Without ${n === 1 ? removed[0] : `these ${count(n)} endpoints`}`];
  if (decisions === 0)
    return el(
      'p',
      { className: 'sentence' },
      `${parts[0]}: nothing can be said yet, since no decision has been recorded.`,
    );
  const gone = new Set(removed);
  const said = pools
    .map((pool) => {
      const moved = pool.endpoints.filter(({ id }) => gone.has(id)).reduce((sum, { now }) => sum + now.share, 0);
      const gains = pool.regions
        .map((r) => ({ name: r.region ?? 'no region', by: r.then.share - r.now.share }))
        .sort((a, b) => b.by - a.by);
      const to = gains
        .filter(({ by }) => by > 0.005)
        .slice(0, 3)
        .map(({ name, by }) => `${name} (+${percent(by)})`);
      if (moved < 0.0005) return `nothing of pool ${pool.pool} would move`;
      return `${percent(moved)} of pool ${pool.pool}’s requests would move${to.length > 0 ? `, most to ${to.join(', ')}` : ''}`;
    })
    .join('; ');
  return el('p', { className: 'sentence' }, `${parts[0]}, ${said || 'no pool would change'}.`);
}

/**
 * @param {Answer} answer
 * @param {() => void} again
 */
function baseOf({ decisions, sinceIso, note }, again) {
  const text = `From ${count(decisions)} recorded decisions${sinceIso ? ` of the last ${ago(sinceIso)}` : ''}, decided again without them, with the chance they had.${note ? ` ${sentence(note)}` : ''}`;
  return el(
    'p',
    { className: 'quiet-text base' },
    `${text} `,
    el('button', { type: 'button', className: 'link', onclick: again }, 'Ask again'),
  );
}

/** A remark of the node, which begins it small and ends it open. */
function sentence(/** @type {string} */ text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const LOAD_TITLES = [
  ['Region'],
  ['Load now and then'],
  ['Now /s', 'num'],
  ['Then /s', 'num'],
  ['Share now', 'num'],
  ['Share then', 'num'],
  ['Capacity /s', 'num'],
  ['', '', 'Note'],
];

/**
 * @param {Pool} pool
 * @param {Set<string>} gone ids
 */
function poolOf({ pool, requestsPerSecond, regions, endpoints, unserved }, gone) {
  const used = regions.filter(({ now, then }) => now.share > 0 || then.share > 0);
  const order = used.toSorted((a, b) => b.then.share - a.then.share || b.now.share - a.now.share);
  const most = Math.max(1e-9, ...used.flatMap(({ now, then }) => [now.requestsPerSecond, then.requestsPerSecond]));
  const emptied = new Set(
    used.map(({ region }) => region).filter((region) => endpoints.every((e) => e.region !== region || gone.has(e.id))),
  );
  const rows = order.map((row) => loadRow(row, 1.15 * most, emptied.has(row.region)));
  if (unserved > UNSERVED) {
    const nowhere = { region: 'nowhere', now: NOTHING, capacity: null };
    const then = { share: unserved, requestsPerSecond: unserved * requestsPerSecond };
    rows.push(loadRow({ ...nowhere, then }, 1.15 * most, false, '✕ unserved'));
  }
  const caption = `Load of pool ${pool} by region, now and then`;
  const idle = regions.length - used.length;
  const signs = [
    ['load-now', 'now'],
    ['load-then', 'then'],
    ['load-line', 'capacity'],
  ];
  return card(
    `Pool ${pool}`,
    `${rate(requestsPerSecond)} requests/s`,
    el(
      'ul',
      { className: 'terms-legend', 'aria-hidden': 'true' },
      ...signs.map(([className, text]) => el('li', {}, el('i', { className }), text)),
    ),
    scroller(caption, tableOf('loads', caption, LOAD_TITLES, rows)),
    idle > 0
      ? body(
          el(
            'p',
            { className: 'quiet-text' },
            `${count(idle)} more ${idle === 1 ? 'region gets' : 'regions get'} nothing, now or then.`,
          ),
        )
      : null,
  );
}

const NOTHING = { share: 0, requestsPerSecond: 0 };

/**
 * @param {Change & { region: string | null }} row
 * @param {number} scale requests/s of a whole bar
 * @param {boolean} isEmptied
 * @param {string} said
 */
function loadRow(row, scale, isEmptied, said = '') {
  const { region, now, then, capacity } = row;
  const over = isOver(row);
  const bar = (/** @type {string} */ className, /** @type {number} */ value) => {
    const node = el('i', { className });
    node.style.width = `${Math.min(100, (100 * value) / scale).toFixed(2)}%`;
    return node;
  };
  const kind = said || over ? 'load-then is-over' : 'load-then';
  const bars = el(
    'div',
    { className: 'loads-bars' },
    bar('load-now', now.requestsPerSecond),
    bar(kind, then.requestsPerSecond),
  );
  if (capacity && capacity <= scale) {
    const line = el('i', { className: 'load-line' });
    line.style.left = `${((100 * capacity) / scale).toFixed(2)}%`;
    bars.append(line);
  }
  const word = said || (over ? '▲ overloaded' : isEmptied ? '◐ emptied' : '');
  const number = (/** @type {string} */ title, /** @type {string} */ text, strong = '') =>
    el('td', { className: `num${strong}`, 'data-title': title }, text);
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, region ?? 'no region'),
    el('td', { className: 'loads-cell' }, bars),
    number('now', rate(now.requestsPerSecond)),
    number('then', rate(then.requestsPerSecond), ' strong'),
    number('share now', percent(now.share)),
    number('then', percent(then.share)),
    number('capacity', capacity ? rate(capacity) : '–'),
    el('td', { className: said ? 'word is-bad' : over ? 'word is-warn' : 'word' }, word),
  );
}

const TIME_TITLES = [
  ['Clients in'],
  ['Decisions', 'num'],
  ['p50 now', 'num'],
  ['then', 'num', 'p50'],
  ['', 'num', 'Difference of p50'],
  ['p99 now', 'num'],
  ['then', 'num', 'p99'],
  ['', 'num', 'Difference of p99'],
];

function countriesOf(/** @type {Country[]} */ countries) {
  if (countries.length === 0) return [];
  const rows = countries
    .toSorted((a, b) => b.requests - a.requests)
    .map(({ country, requests, now, then }) =>
      el(
        'tr',
        {},
        el('th', { scope: 'row' }, country ? countryName(country) : 'an unknown country'),
        el('td', { className: 'num' }, count(requests)),
        ...pair(now.p50Ms, then.p50Ms),
        ...pair(now.p99Ms, then.p99Ms),
      ),
    );
  const caption = 'Expected times by country of the client, now and then';
  const table = tableOf('times', caption, TIME_TITLES, []);
  const more = rest(table, rows, COUNTRIES, `Show all ${count(rows.length)} countries`);
  return [card('Times by country', 'expected, ms', scroller(caption, table), more)];
}

/**
 * Now, then, and the difference where it is one: a sign beside the colour.
 * @param {number | null} now
 * @param {number | null} then
 */
function pair(now, then) {
  const cells = [el('td', { className: 'num' }, ms(now)), el('td', { className: 'num strong' }, ms(then))];
  const by = now === null || then === null ? 0 : then - now;
  const isNotable = Math.abs(by) >= NOTABLE_MS && Math.abs(by) >= NOTABLE_RATIO * (now ?? 0);
  const text = isNotable ? `${by > 0 ? '▲ +' : '▼ −'}${ms(Math.abs(by))}` : '';
  cells.push(el('td', { className: `num ${isNotable ? (by > 0 ? 'is-warn' : 'is-good') : ''}` }, text));
  return cells;
}
