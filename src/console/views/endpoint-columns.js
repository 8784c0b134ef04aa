// The columns of the table of endpoints: what each says, by what it is sorted, and how its cells are changed in place.

import { colourOf, drawSoon, drawSpark, sparkCanvas } from '../charts.js';
import { confirmMove } from '../confirm.js';
import { ago, badge, count, el, glyphOf, ms, NONE, percent, rate, setText } from '../dom.js';
import { VERBS, verbFor } from '../verbs.js';

/** @import { Endpoint } from '../types.d.ts' */
/** @typedef {import('../table.js').Column<Endpoint>} Column */

/** What wants attention first. */
const RANK = /** @type {Record<string, number>} */ ({ unhealthy: 0, ejected: 1, draining: 2, unknown: 3, healthy: 4 });

/** @returns {Column[]} */
export function columns() {
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
    { id: 'act', title: 'Action', hidden: true, build: buildAction },
  ];
}

/** @type {NonNullable<Column['build']>} */
function buildName(cell, row) {
  const link = el('a', { href: `#/endpoints/${encodeURIComponent(row.id)}` }, row.id);
  cell.append(link, el('small', {}, [row.pool, row.region].filter(Boolean).join(' · ')));
  return (e) => {
    cell.title = `${e.id}\n${e.via ? `${e.url} over ${e.via}` : e.url}`; // either may be cut
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
    /** @type {Endpoint | null} */ let row = null;
    const draw = () => row && drawSpark(canvas, past(row), colour);
    return (e) => {
      row = e;
      const next = ms(now(e));
      if (next !== last) {
        last = next;
        text.data = next;
      }
      if (drawn === e.historyVersion) return;
      if (drawn === 0) drawSoon(draw);
      else draw();
      drawn = e.historyVersion;
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

/** What a whole bar stands for: of sixty endpoints none has much, and they are to be compared with each other. */
let wholeShare = 1;

/** Whether it is another now. */
export function scaleShares(/** @type {readonly Endpoint[]} */ endpoints) {
  let most = 0;
  for (const { share } of endpoints) if (share > most) most = share;
  const next = [0.05, 0.1, 0.2, 0.35, 0.5].find((step) => step >= most) ?? 1;
  const isOther = next !== wholeShare;
  wholeShare = next;
  return isOther;
}

/** @type {NonNullable<Column['build']>} */
function buildShare(cell) {
  const bar = el('i', { 'aria-hidden': 'true' });
  const text = document.createTextNode('');
  cell.append(bar, el('span', {}, text));
  let last = -1;
  return (e) => {
    const ratio = Math.min(1, e.share / wholeShare);
    if (ratio === last) return;
    last = ratio;
    text.data = percent(e.share);
    bar.style.transform = `scaleX(${ratio})`;
  };
}

/** @type {NonNullable<Column['build']>} */
function buildAction(cell, row) {
  const button = el('button', { type: 'button', className: 'quiet' });
  button.addEventListener('click', () => confirmMove(row.id));
  cell.append(button);
  let last = '';
  return (e) => {
    const next = VERBS[verbFor(e)].title;
    if (next === last) return;
    last = next;
    setText(button, next);
    button.setAttribute('aria-label', `${next} ${e.id}`);
  };
}
