// All that is known of one endpoint, in a drawer beside the table. What is live comes from the store; the last probe and what
// the configuration says of it are asked for when it is opened and when its state changes.

import { createChart } from '../charts.js';
import { confirmMove } from '../confirm.js';
import { ago, badge, count, el, glyphOf, ms, NONE, percent, rate, setText, timeOf } from '../dom.js';
import { VERBS, verbFor } from '../verbs.js';

/** @import { Context, Endpoint, FermatEvent, View } from '../types.d.ts' */

const EVENTS_SHOWN = 6;

/**
 * @param {HTMLElement} root
 * @param {Context} context `rest` is the endpoint's id
 * @param {boolean} isAsked somebody opened it just now: it takes the focus
 * @returns {View}
 */
export function mountDetail(root, { store, api, rest: id }, isAsked) {
  const close = el('a', { href: '#/endpoints', className: 'button', 'data-close': '', 'aria-label': 'Close' }, '✕');
  const sign = badge('unknown');
  const why = el('p', { className: 'quiet-text' });
  const act = el('button', { type: 'button', onclick: () => confirmMove(id) });
  const numbers = facts([
    'Requests/s',
    'Errors/s',
    'In flight',
    'Share',
    'RTT',
    'Server',
    'Score',
    'Requests',
    'Failures',
  ]);
  const probe = el('div', {}, el('p', { className: 'quiet-text' }, '…'));
  const about = el('dl', { className: 'props' });
  const charts = el('div', { className: 'detail-charts' });
  const events = el('ol', { className: 'brief' });
  root.append(
    el(
      'aside',
      { className: 'drawer', 'aria-label': `Endpoint ${id}` },
      el('div', { className: 'drawer-head' }, el('h2', {}, id), sign, close),
      why,
      el(
        'div',
        { className: 'actions start' },
        act,
        el('a', { className: 'button', href: `#/evacuate?endpoint=${encodeURIComponent(id)}` }, 'Preview without it'),
      ),
      numbers.list,
      charts,
      el('h3', {}, 'Last probe'),
      probe,
      el('h3', {}, 'About'),
      about,
      el('h3', {}, 'Events'),
      events,
    ),
  );
  const rtt = createChart(charts, {
    title: 'RTT',
    unit: 'ms',
    heightPx: 84,
    spanS: 300,
    isFromZero: false,
    series: [{ name: 'latest point', colour: '--accent', format: ms }],
  });
  const score = createChart(charts, {
    title: 'Score',
    unit: 'ms, lower is better',
    heightPx: 84,
    spanS: 300,
    isFromZero: false,
    series: [{ name: 'latest point', colour: '--accent', format: ms }],
  });

  let drawn = 0;
  let asked = '';
  const tick = () => {
    const e = store.endpointById(id);
    act.hidden = e === null;
    if (e === null) {
      if (store.node === null) return;
      showSign(sign, 'unknown', 'gone');
      numbers.set([]);
      return setText(why, 'There is no such endpoint (any more).');
    }
    showState(e, sign, why);
    setText(act, VERBS[verbFor(e)].title);
    numbers.set([
      rate(e.rps),
      rate(e.errorsPerSecond),
      count(e.inflight),
      percent(e.share),
      withUnit(e.networkMs),
      withUnit(e.serverMs),
      withUnit(e.scoreMs),
      count(e.requests),
      count(e.failures),
    ]);
    if (drawn !== e.historyVersion) {
      drawn = e.historyVersion;
      rtt.draw([timesOf(e.history.rttMs.length, store), e.history.rttMs]);
      score.draw([timesOf(e.history.scoreMs.length, store), e.history.scoreMs]);
    }
    if (asked === `${e.state} ${e.since}`) return;
    asked = `${e.state} ${e.since}`;
    ask(e);
  };
  const ask = async (/** @type {Endpoint} */ e) => {
    const [rows, config] = await Promise.all([
      api.get('/api/v1/endpoints').catch(() => null),
      api.get('/api/v1/config').catch(() => null),
    ]);
    if (!about.isConnected) return;
    showProbe(
      probe,
      rows && (rows.find((/** @type {Endpoint} */ row) => row.id === id && row.pool === e.pool)?.lastProbe ?? 'none'),
    );
    showAbout(
      about,
      e,
      config?.pools?.[e.pool]?.endpoints?.find((/** @type {{ id: string }} */ one) => one.id === id) ?? null,
    );
  };
  const showEvents = () => {
    const own = store.events.filter(({ endpoint }) => endpoint === id).slice(0, EVENTS_SHOWN);
    events.replaceChildren(
      ...(own.length > 0 ? own.map(eventLine) : [el('li', { className: 'quiet-text' }, 'None lately.')]),
    );
  };
  const event = (/** @type {FermatEvent} */ { endpoint }) => {
    if (endpoint === id) showEvents();
  };
  const hello = () => {
    drawn = 0;
    asked = ''; // a reload may have changed what it is
    tick();
    showEvents();
  };
  hello();
  if (isAsked) close.focus({ preventScroll: true });
  const leave = [store.on('tick', tick), store.on('hello', hello), store.on('event', event)];
  return {
    unmount() {
      for (const end of leave) end();
      rtt.destroy();
      score.destroy();
      root.replaceChildren();
    },
  };
}

/** @param {Endpoint} e @param {HTMLElement} sign @param {HTMLElement} why */
function showState(e, sign, why) {
  showSign(sign, e.state, e.state);
  setText(why, `${e.why}${e.since ? ` · for ${ago(e.since)}, since ${timeOf(e.since)}` : ''}`);
}

/** @param {HTMLElement} sign @param {string} kind @param {string} word */
function showSign(sign, kind, word) {
  if (sign.dataset.word === word) return;
  sign.dataset.word = word;
  sign.className = `badge ${kind}`;
  sign.replaceChildren(el('i', { 'aria-hidden': 'true' }, glyphOf(kind)), word);
}

/** A list of names whose values are set together. */
function facts(/** @type {string[]} */ names) {
  const cells = names.map(() => el('dd'));
  const list = el(
    'dl',
    { className: 'props numbers' },
    names.map((name, i) => el('div', {}, el('dt', {}, name), cells[i])),
  );
  const set = (/** @type {string[]} */ values) => {
    for (const [i, cell] of cells.entries()) setText(cell, values[i] ?? NONE);
  };
  return { list, set };
}

function withUnit(/** @type {number | null} */ value) {
  return value === null ? NONE : `${ms(value)} ms`;
}

/** Of so many points of a history, in seconds. @param {number} length @param {Context['store']} store */
function timesOf(length, { historyEndMs, historyStepMs }) {
  return Array.from({ length }, (_, i) => (historyEndMs - (length - 1 - i) * historyStepMs) / 1000);
}

/** @param {HTMLElement} root @param {any} probe `'none'` there was none; null = the node did not tell */
function showProbe(root, probe) {
  if (probe === null || probe === 'none') {
    const words = probe === null ? 'The node did not tell.' : 'None yet.';
    return root.replaceChildren(el('p', { className: 'quiet-text' }, words));
  }
  const verdict = probe.ok ? badge('healthy', 'ok') : badge('bad', probe.error ?? 'failed');
  const rows = [
    ['At', `${timeOf(probe.at)} (${ago(probe.at)} ago)`],
    ['Status', probe.status === null ? NONE : String(probe.status)],
    ['Connect', withUnit(probe.connectMs)],
    ['First byte', withUnit(probe.firstByteMs)],
  ];
  root.replaceChildren(el('p', {}, verdict), el('dl', { className: 'props' }, rows.map(factOf)));
}

/** @param {HTMLElement} list @param {Endpoint} e @param {any} typed as the configuration has it; null = it was found */
function showAbout(list, e, typed) {
  const place = e.location ? `${e.location.latDeg.toFixed(2)}, ${e.location.lonDeg.toFixed(2)}` : NONE;
  const labels = Object.entries(typed?.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  const rows = [
    ['Address', e.url],
    ...(e.via ? [['Over', e.via]] : []),
    ['Pool', e.pool],
    ['Region', e.region ?? NONE],
    ['Location', place],
    ['Source', e.source ?? 'configuration file'],
    ...(typed ? [['Weight', String(typed.weight)]] : []),
    ...(typed?.capacity ? [['Capacity', `${count(typed.capacity)} requests/s`]] : []),
    ['Labels', labels.join(', ') || NONE],
  ];
  list.replaceChildren(...rows.map(factOf));
}

function factOf(/** @type {string[]} */ [name = '', value = '']) {
  return el('div', {}, el('dt', {}, name), el('dd', {}, value));
}

function eventLine(/** @type {FermatEvent} */ { at, message }) {
  return el('li', {}, el('time', { dateTime: at, className: 'quiet-text' }, timeOf(at)), el('span', {}, message));
}
