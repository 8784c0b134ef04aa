// What happened, newest first, live: filtered by level and text, held still by Pause, each opened into its fields.

import { ago, badge, count, el, setText, timeOf } from '../dom.js';

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
  const search = el('input', {
    type: 'search',
    placeholder: 'Filter: type, message, fields',
    spellcheck: false,
    autocomplete: 'off',
    'data-filter': '',
    'aria-label': 'Filter events',
    'aria-keyshortcuts': '/',
    value: query.get('filter') ?? '',
  });
  const level = el('select', { 'aria-label': 'Level' }, [
    el('option', { value: '0' }, 'Every level'),
    el('option', { value: '1' }, 'Info and above'),
    el('option', { value: '2' }, 'Warnings and errors'),
    el('option', { value: '3' }, 'Errors'),
  ]);
  const pause = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause');
  const tally = el('span', { className: 'quiet-text' });
  const list = el('ol', { className: 'events', role: 'log', 'aria-live': 'off', 'aria-label': 'Events' });
  const none = el('p', { className: 'empty' }, 'Nothing yet.');
  root.append(
    el('div', { className: 'toolbar', role: 'search' }, search, level, pause, el('span', { className: 'fill' }), tally),
    el('div', { className: 'card' }, list, none),
  );

  /** Newest first; what came while it was paused. @type {FermatEvent[]} */
  let held = [];
  let isPaused = false;
  const matches = (/** @type {FermatEvent} */ event) => {
    if (LEVELS.indexOf(event.level) < Number(level.value)) return false;
    const words = search.value.trim().toLowerCase();
    return words === '' || JSON.stringify(event).toLowerCase().includes(words);
  };
  const showTally = () => {
    none.hidden = list.childElementCount > 0;
    setText(none, store.events.length > 0 ? 'No event is like this.' : 'Nothing yet.');
    setText(tally, isPaused ? `paused, ${count(held.length)} new` : `${count(list.childElementCount)} events`);
  };
  const all = () => {
    const waiting = new Set(held);
    list.replaceChildren(
      ...store.events
        .filter((event) => !waiting.has(event) && matches(event))
        .slice(0, SHOWN)
        .map(lineOf),
    );
    showTally();
  };
  const event = (/** @type {FermatEvent} */ told) => {
    if (isPaused) held.unshift(told);
    else if (matches(told)) {
      list.prepend(lineOf(told));
      while (list.childElementCount > SHOWN) list.lastElementChild?.remove();
    }
    showTally();
  };
  pause.addEventListener('click', () => {
    isPaused = !isPaused;
    held = [];
    pause.setAttribute('aria-pressed', String(isPaused));
    setText(pause, isPaused ? 'Resume' : 'Pause');
    if (isPaused) showTally();
    else all();
  });
  search.addEventListener('input', all);
  level.addEventListener('change', all);
  all();
  const leave = [store.on('event', event), store.on('hello', () => !isPaused && all())];
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
