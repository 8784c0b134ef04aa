// Keys that work in every view: `/` to the filter, `?` for the list of keys, `g` and a letter to go somewhere. None of them
// while somebody types, and none with a modifier: those are the browser's. Whoever speaks to the computer, or hits keys by
// mistake, turns them off (WCAG 2.1.4); this browser remembers it.

import { hasDialog, openDialog } from './dialog.js';
import { el } from './dom.js';

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
const STORED = 'fermat-keys';
/** Boxes to tick take no text. */
const TYPED_IN = 'input:not([type="checkbox"]), textarea, select, [contenteditable]';

/** For as long as the page is there. */
export function watchKeys(/** @type {(hash: string) => void} */ go) {
  let gAtMs = -PAUSE_MS;
  show(!isStoredOff());
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !hasKeys() || isTyping(event.target)) return;
    const goes = event.timeStamp - gAtMs < PAUSE_MS ? GOES[event.key] : undefined;
    gAtMs = event.key === 'g' ? event.timeStamp : -PAUSE_MS;
    if (hasDialog()) return;
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

/** Whether single keys do something. */
export function hasKeys() {
  return document.documentElement.dataset.keys !== 'off';
}

function isTyping(/** @type {EventTarget | null} */ target) {
  return target instanceof HTMLElement && target.matches(TYPED_IN);
}

function isStoredOff() {
  try {
    return localStorage.getItem(STORED) === 'off';
  } catch {
    return false; // no storage: until the page is left
  }
}

function turn(/** @type {boolean} */ isOn) {
  try {
    if (isOn) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, 'off');
  } catch {
    // as above
  }
  show(isOn);
}

function show(/** @type {boolean} */ isOn) {
  document.documentElement.dataset.keys = isOn ? 'on' : 'off';
  for (const filter of document.querySelectorAll('#view [data-filter]')) {
    if (isOn) filter.setAttribute('aria-keyshortcuts', '/');
    else filter.removeAttribute('aria-keyshortcuts');
  }
}

/** The list of keys, in a dialog, and the switch for those that are one letter or sign. */
export function showKeys() {
  if (hasDialog()) return;
  const rows = [
    ['Tab, Enter', 'through everything there is; Enter opens or sorts'],
    ['↑ ↓', 'from row to row'],
    ['Esc', 'closes what is open'],
    ['/', 'to the filter'],
    ...Object.entries(GOES).map(([letter, [, name]]) => [`g ${letter}`, name]),
    ['?', 'this list'],
  ];
  const list = rows.map(([keys, what]) => el('div', {}, el('dt', {}, el('kbd', {}, keys)), el('dd', {}, what)));
  const box = el('input', { type: 'checkbox', checked: hasKeys() });
  box.addEventListener('change', () => turn(box.checked));
  const close = el('button', {}, 'Close');
  openDialog(
    'Keys',
    [
      el('dl', { className: 'keys' }, list),
      el('label', { className: 'switch' }, box, 'Keys without a modifier: /, ? and g do something'),
      el('form', { method: 'dialog', className: 'actions' }, close),
    ],
    close,
  );
}
