// Keys that work in every view: `/` to the filter, `?` for the list of keys, `g` and a letter to go somewhere. None of them
// while somebody types, and none with a modifier: those are the browser's.

import { $, el } from './dom.js';

/** The letter after `g`: hash, words. */
const GOES = /** @type {Record<string, [hash: string, name: string]>} */ ({
  o: ['#/', 'Overview'],
  e: ['#/endpoints', 'Endpoints'],
  p: ['#/pools', 'Pools and routes'],
  d: ['#/decisions', 'Decisions'],
  x: ['#/explain', 'Explain'],
  v: ['#/evacuate', 'Evacuation'],
  t: ['#/events', 'Events'],
});
/** Between `g` and its letter. ms */
const PAUSE_MS = 1_500;

/** For as long as the page is there. */
export function watchKeys(/** @type {(hash: string) => void} */ go) {
  let gAtMs = -PAUSE_MS;
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const goes = event.timeStamp - gAtMs < PAUSE_MS ? GOES[event.key] : undefined;
    gAtMs = event.key === 'g' ? event.timeStamp : -PAUSE_MS;
    if (document.querySelector('dialog[open]')) return;
    if (goes) go(goes[0]);
    else if (event.key === '?') showKeys();
    else if (event.key === '/') {
      const filter = /** @type {HTMLElement | null} */ (document.querySelector('#view [data-filter]'));
      if (filter === null) return;
      filter.focus();
      event.preventDefault();
    }
  });
}

function isTyping(/** @type {EventTarget | null} */ target) {
  return target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');
}

/** The list of keys, in a dialog. */
export function showKeys() {
  if (document.querySelector('dialog[open]')) return;
  const rows = [
    ['/', 'to the filter'],
    ['Tab, Enter', 'through everything there is; Enter opens or sorts'],
    ['↑ ↓', 'from row to row'],
    ['Esc', 'closes what is open'],
    ...Object.entries(GOES).map(([letter, [, name]]) => [`g ${letter}`, name]),
    ['?', 'this list'],
  ];
  const list = rows.map(([keys, what]) => el('div', {}, el('dt', {}, el('kbd', {}, keys)), el('dd', {}, what)));
  const dialog = el(
    'dialog',
    { 'aria-label': 'Keys' },
    el('h2', {}, 'Keys'),
    el('dl', { className: 'keys' }, list),
    el('form', { method: 'dialog', className: 'actions' }, el('button', {}, 'Close')),
  );
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  $('button', dialog).focus();
}
