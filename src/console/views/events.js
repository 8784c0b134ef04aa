// What happened, newest first, live: filtered by level and text, held still by Pause, each opened into its fields.

import { ago, badge, count, counted, el, setText, timeOf } from '../dom.js';
import { Newest } from './newest.js';
import { filterBox } from './parts.js';

/** @import { Context, FermatEvent, View } from '../types.d.ts' */

const LEVELS = ['debug', 'info', 'warn', 'error'];
const KINDS = /** @type {Record<string, string>} */ ({ debug: 'unknown', info: 'info', warn: 'warn', error: 'error' });
const OWN = ['at', 'level', 'type', 'message'];
const SHOWN = 300;

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, { store, query }) {
  const search = filterBox('Filter events', 'Filter: type, message, fields', query.get('filter') ?? '');
  const level = el('select', { 'aria-label': 'Level' }, [
    el('option', { value: '0' }, 'Every level'),
    el('option', { value: '1' }, 'Info and above'),
    el('option', { value: '2' }, 'Warnings and errors'),
    el('option', { value: '3' }, 'Errors'),
  ]);
  const pause = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause');
  const tally = el('span', { className: 'quiet-text' });
  const said = el('span', { className: 'visually-hidden', role: 'status' });
  const list = el('ol', { className: 'events', 'aria-label': 'Events' });
  const none = el('p', { className: 'empty' }, 'Nothing yet.');
  const lines = new Newest(list, SHOWN, lineOf);
  const space = el('span', { className: 'fill' });
  root.append(
    el('div', { className: 'toolbar', role: 'search' }, ...[search, level, pause, space, lines.button, tally, said]),
    el('div', { className: 'card' }, list, none),
  );

  const matches = (/** @type {FermatEvent} */ event) => {
    if (LEVELS.indexOf(event.level) < Number(level.value)) return false;
    const words = search.value.trim().toLowerCase();
    return words === '' || JSON.stringify(event).toLowerCase().includes(words);
  };
  const showTally = () => {
    none.hidden = list.childElementCount > 0;
    setText(none, store.events.length > 0 ? 'No event is like this.' : 'Nothing yet.');
    setText(tally, lines.isPaused ? `paused, ${count(lines.waiting)} new` : counted(list.childElementCount, 'event'));
  };
  const all = () => {
    lines.show(store.events.filter(matches));
    showTally();
  };
  const chosen = () => {
    all();
    setText(said, list.childElementCount > 0 ? counted(list.childElementCount, 'event') : 'No event is like this');
  };
  const event = (/** @type {FermatEvent} */ told) => {
    if (matches(told)) lines.add(told);
    showTally();
  };
  const hello = () => {
    lines.heed(store.events.filter(matches), JSON.stringify);
    showTally();
  };
  const look = () => {
    lines.look();
    showTally();
  };
  pause.addEventListener('click', () => {
    lines.isPaused = !lines.isPaused;
    pause.setAttribute('aria-pressed', String(lines.isPaused));
    setText(pause, lines.isPaused ? 'Resume' : 'Pause');
    if (!lines.isPaused) lines.release();
    showTally();
  });
  search.addEventListener('input', chosen);
  level.addEventListener('change', chosen);
  all();
  const leave = [store.on('event', event), store.on('hello', hello), store.on('tick', look)];
  return {
    unmount() {
      for (const end of leave) end();
    },
  };
}

/** Closed it costs four elements; the fields are built when it is opened. */
function lineOf(/** @type {FermatEvent} */ event) {
  const { at, level, type, message } = event;
  const details = el(
    'details',
    {},
    el(
      'summary',
      {},
      el('time', { dateTime: at, title: `${at} (${ago(at)} ago)` }, timeOf(at)),
      badge(KINDS[level] ?? 'unknown', level),
      el('code', {}, type),
      el('span', { className: 'message' }, message),
    ),
  );
  details.addEventListener('toggle', () => {
    if (!details.open || details.querySelector('dl')) return;
    const fields = Object.entries(event).filter(([name]) => !OWN.includes(name));
    const rows = [['at', at], ...fields].map(([name, value]) =>
      el(
        'div',
        {},
        el('dt', {}, String(name)),
        el('dd', { className: 'mono' }, typeof value === 'string' ? value : JSON.stringify(value)),
      ),
    );
    details.append(el('dl', { className: 'props' }, rows));
  });
  return el('li', { className: level }, details);
}
