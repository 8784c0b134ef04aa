// @ts-check
// A score taken apart: the same table for a decision that was made and for one that would be. Parts add up to the score; the
// bar shows them beside each other, on one scale for all candidates, and the numbers stand next to it, so no colour is needed
// to read it.

import { count, el, ms, percent } from '../dom.js';
import { rest, scroller, tableOf } from './parts.js';

/** @import { CandidateView } from '../../control/types.ts' */
/** @import { CandidateRecord } from '../../control/decisions/record.ts' */
/** @typedef {'network' | 'server' | 'queue' | 'errors' | 'cost' | 'holdOff'} Part */
/** @typedef {Record<Part, number>} Parts ms each; together they are the score */
/** @typedef {[key: Part, title: string, what: string]} Shown */

/** In the order of the bar. */
export const PARTS = /** @type {Shown[]} */ ([
  ['network', 'Network', 'the way there and back'],
  ['server', 'Server', 'what its server takes at this load'],
  ['queue', 'Waiting', 'queues: one that is seen already, and the delay that one more request is to those behind it'],
  ['errors', 'Errors', 'what its failures of late are expected to cost'],
  ['cost', 'Cost', 'what its bytes cost, in milliseconds'],
  ['holdOff', 'Hold-off', 'a challenger that has to prove itself before home moves there'],
]);
/** So many rows at first; the rest on demand. */
const FIRST_ROWS = 12;

const finite = (/** @type {unknown} */ value) => (Number.isFinite(Number(value)) ? Number(value) : 0);

/**
 * Parts of a recorded candidate's live score; the formula is core/score/live.ts, its terms are those of the record.
 * @param {Pick<CandidateRecord, 'inflight' | 'terms'>} candidate
 * @returns {Parts}
 */
export function partsOfRecord({ inflight, terms: t }) {
  const mean = finite(t.meanInflight);
  const loaded = finite(t.server) * (inflight === mean ? 1 : ((1 + inflight) / (1 + mean)) ** finite(t.gamma));
  const excess = inflight - Number(t.knee);
  const queue = excess > 0 ? excess * finite(t.excessMs) : 0;
  const wait = Math.max(0, loaded + queue - finite(t.base));
  const time = finite(t.network) + loaded + queue + wait;
  return {
    network: finite(t.network),
    server: loaded,
    queue: queue + wait,
    errors: time * (finite(t.errorFactor) - 1) + finite(t.errorAdd),
    cost: finite(t.cost),
    holdOff: finite(t.extra) - finite(t.cost),
  };
}

/**
 * Of a candidate of `explain`. Where the client is redirected it tells less: what its score is beyond the way, the server and the
 * money. null = no score.
 * @param {CandidateView} candidate
 * @returns {Parts | null}
 */
export function partsOfCandidate({ networkMs, priorMs, serverMs, costMs, scoreMs, errorRatio, terms: t }) {
  if (scoreMs === null) return null;
  if (t) {
    const {
      networkMs: network,
      serverMs: server,
      queueMs: queue,
      errorsMs: errors,
      costMs: cost,
      holdOffMs: holdOff,
    } = t;
    return { network, server, queue, errors, cost, holdOff };
  }
  const network = networkMs ?? priorMs ?? 0;
  const rest = Math.max(0, scoreMs - network - (serverMs ?? 0) - costMs);
  const errors = Math.min(rest, errorRatio * (rest + network + (serverMs ?? 0)) + 1000 * errorRatio);
  return { network, server: serverMs ?? 0, queue: rest - errors, errors, cost: costMs, holdOff: 0 };
}

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {string | null} region and how far that is
 * @property {string} role
 * @property {string | null} why it is out
 * @property {Parts | null} parts
 * @property {number | null} scoreMs
 * @property {number} inflight
 * @property {number} share 0…1
 * @property {boolean} isChosen
 * @property {boolean} isCompared
 */

/**
 * The most interesting rows first. `shareTitle` heads the column of `share`.
 * @param {Row[]} rows
 * @param {{ shareTitle: string, caption: string }} words
 */
export function termsTable(rows, { shareTitle, caption }) {
  const used = PARTS.filter(([key]) => rows.some(({ parts }) => parts && parts[key] >= 0.05));
  const mostMs = Math.max(1e-9, ...rows.slice(0, FIRST_ROWS).map(({ scoreMs }) => scoreMs ?? 0));
  const titles = [['Endpoint'], ['Role'], ['Score'], ['ms', 'num'], ...used.map(([, title]) => [title, 'num'])];
  const table = tableOf('terms', caption, [...titles, ['In flight', 'num'], [shareTitle, 'num']], []);
  const lines = rows.map((row) => rowOf(row, used, mostMs, shareTitle));
  const more = rest(table, lines, FIRST_ROWS, `Show all ${count(rows.length)} candidates`);
  return el('div', { className: 'terms-box' }, legendOf(used), scroller(caption, table), more);
}

function legendOf(/** @type {Shown[]} */ used) {
  const items = used.map(([key, title, what]) =>
    el('li', { title: what }, el('i', { className: `part-${key}` }), title),
  );
  return el('ul', { className: 'terms-legend', 'aria-hidden': 'true' }, ...items);
}

/**
 * @param {Row} row
 * @param {Shown[]} used
 * @param {number} mostMs
 * @param {string} shareTitle
 */
function rowOf(row, used, mostMs, shareTitle) {
  const { id, region, role, parts, scoreMs, inflight, share, isChosen, isCompared, why } = row;
  const bar = el('div', { className: 'stack' });
  for (const [key, title] of used) {
    if (!parts || !(parts[key] > 0)) continue;
    const part = el('i', { className: `part-${key}`, title: `${title}: ${ms(parts[key])} ms` });
    part.style.width = `${Math.min(100, (100 * parts[key]) / mostMs)}%`;
    bar.append(part);
  }
  const mark = isChosen ? '✓ chosen' : isCompared ? 'compared' : null;
  const number = (/** @type {string} */ title, /** @type {string} */ text) =>
    el('td', { className: 'num', 'data-title': title }, text);
  return el(
    'tr',
    { className: isChosen ? 'is-chosen' : role === 'out' ? 'is-out' : '' },
    el(
      'th',
      { scope: 'row' },
      el('span', { className: 'id', title: id }, id),
      mark && el('span', { className: isChosen ? 'mark chosen' : 'mark' }, mark),
      el('small', {}, region ?? 'no region'),
    ),
    el('td', { className: 'role', title: why ?? null }, why ? `${role}: ${why}` : role),
    el('td', { className: 'stack-cell' }, bar),
    el('td', { className: 'num score' }, ms(scoreMs)),
    ...used.map(([key, title]) => number(title, parts && parts[key] >= 0.05 ? ms(parts[key]) : '–')),
    number('In flight', count(inflight)),
    number(shareTitle, percent(share)),
  );
}
