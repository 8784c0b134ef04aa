// @ts-check
// What the explaining views are put together from: cards, facts, tables that may be wider than the screen.

import { badge, count, el, glyphOf, setText } from '../dom.js';
import { hasKeys } from '../keys.js';

/** @typedef {import('../dom.js').Child} Child */

/**
 * A card; `aside` is said small beside its title, null = nothing. Children follow the head as they are.
 * @param {string} title
 * @param {string | null} aside
 * @param {...Child} children
 */
export function card(title, aside, ...children) {
  const head = el(
    'div',
    { className: 'card-head' },
    el('h2', {}, title),
    aside === null ? null : el('small', {}, aside),
  );
  return el('section', { className: 'card' }, head, ...children);
}

/**
 * What a list is filtered with; `/` leads to it.
 * @param {string} label
 * @param {string} placeholder
 * @param {string} [value]
 */
export function filterBox(label, placeholder, value = '') {
  return el('input', {
    type: 'search',
    placeholder,
    value,
    spellcheck: false,
    autocomplete: 'off',
    'data-filter': '',
    'aria-label': label,
    'aria-keyshortcuts': hasKeys() ? '/' : null,
  });
}

/**
 * How many of them are healthy, as a cell of a table; gives what brings it up to date.
 * @param {HTMLTableCellElement} cell
 * @returns {(row: { healthy: number, endpoints: number }) => void}
 */
export function buildHealth(cell) {
  const sign = badge('unknown', '');
  const glyph = /** @type {Element} */ (sign.firstElementChild);
  const word = sign.appendChild(document.createTextNode(''));
  cell.append(sign);
  return ({ healthy, endpoints }) => {
    const next = `${count(healthy)} of ${count(endpoints)}`;
    if (next === word.data) return;
    word.data = next;
    const kind = healthy === 0 ? 'bad' : healthy < endpoints ? 'warn' : 'healthy';
    sign.className = `badge ${kind}`;
    setText(glyph, glyphOf(kind));
  };
}

/** What stands in a card with room around it. */
export function body(/** @type {Child[]} */ ...children) {
  return el('div', { className: 'card-body' }, ...children);
}

/** Names and values; those without a value are left out. */
export function facts(/** @type {[name: string, value: string | null | undefined][]} */ all) {
  const items = all.filter(([, value]) => value !== null && value !== undefined && value !== '');
  const pairs = items.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
  return el('dl', { className: 'facts' }, ...pairs);
}

/**
 * A table with a caption for those who do not see it. `titles`: `[title, class?, words for them?]` each; on a phone lines become blocks and
 * `data-title` of a cell says what it is.
 * @param {string} className
 * @param {string} caption
 * @param {string[][]} titles
 * @param {HTMLTableRowElement[]} rows
 */
export function tableOf(className, caption, titles, rows) {
  const head = titles.map(([title, kind = '', hidden]) =>
    el(
      'th',
      { scope: 'col', className: kind },
      title,
      hidden && el('span', { className: 'visually-hidden' }, ` ${hidden}`),
    ),
  );
  return el(
    'table',
    { className },
    el('caption', { className: 'visually-hidden' }, caption),
    el('thead', {}, el('tr', {}, ...head)),
    el('tbody', {}, ...rows),
  );
}

/**
 * A way to see a wide table on a narrow screen, by keyboard too.
 * @param {string} label
 * @param {...Child} children
 */
export function scroller(label, ...children) {
  return el('div', { className: 'scroll', tabIndex: 0, role: 'region', 'aria-label': label }, ...children);
}

/**
 * First `shown` of the rows, the others on demand. Gives the button, or null when there are no others.
 * @param {HTMLTableElement} table
 * @param {HTMLTableRowElement[]} rows
 * @param {number} shown
 * @param {string} words
 */
export function rest(table, rows, shown, words) {
  const tbody = table.tBodies[0];
  tbody?.replaceChildren(...rows.slice(0, shown));
  if (rows.length <= shown) return null;
  const button = el('button', { type: 'button', className: 'quiet more' }, words);
  button.addEventListener('click', () => {
    tbody?.append(...rows.slice(shown));
    button.remove();
    rows[shown]?.scrollIntoView({ block: 'nearest' });
  });
  return button;
}

/**
 * Puts other lines in a list, in the place and with the focus that it had. What can have it says which it is by `data-key`.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} lines
 */
export function replaceLines(list, lines) {
  const { activeElement } = document;
  const key =
    activeElement instanceof HTMLElement && list.contains(activeElement) ? activeElement.dataset.key : undefined;
  const { scrollTop } = list;
  list.replaceChildren(...lines);
  const same = key === undefined ? null : list.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (same instanceof HTMLElement) same.focus({ preventScroll: true });
  list.scrollTop = scrollTop;
}
