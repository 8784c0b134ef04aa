// A table of many live rows: sorted by any column, changed in place, and of more than a screenful only what is in sight is in the
// document. A row is one element for as long as it is shown, so that focus and selection outlive every update; a cell's text
// is compared with what was last written, not with the document, which would be slow to ask.

import { el } from './dom.js';
import { tellWhole, walk } from './rows.js';

/**
 * @template R
 * @typedef {object} Column
 * @property {string} id also the class of its cells: `col-ID`
 * @property {string} title
 * @property {boolean} [hidden] its title is for those who do not see the table
 * @property {boolean} [num] right-aligned, and sorted from the greatest first
 * @property {(row: R) => string} [text] what it says
 * @property {(row: R) => number | string | null | undefined} [sort] by what; absent = it is not sorted by. null is always last
 * @property {(cell: HTMLTableCellElement, row: R) => (row: R) => void} [build] instead of text: makes the content once, gives what updates it
 * @property {boolean} [timed] changes with time alone
 */

/** Up to so many rows are all in the document: the browser's own search finds them. */
const WHOLE = 150;
/** Rows beyond the edges of what is in sight, so that scrolling does not show holes. */
const MARGIN = 15;
/** Rows do not trade places under the reader's eyes more often, and not at all under the hand. ms */
const RESORT_MS = 3_000;
/** `many-2` before `many-10`; made once: it takes longer than all it is used for. */
const NAMES = new Intl.Collator('en', { numeric: true });

/** @template R */
export class Table {
  element;
  /** Sorted and filtered. @type {R[]} */ rows = [];
  /** @type {Column<R>[]} */ #columns;
  /** @type {(row: R) => string | number} */ #keyOf;
  /** @type {Map<string | number, Line<R>>} */ #lines = new Map();
  #body = el('tbody');
  #above = spacer();
  #below = spacer();
  /** @type {Map<string, HTMLTableCellElement>} */ #heads = new Map();
  #sort = { id: '', isDescending: false };
  #sortedAtMs = 0;
  #rowPx = 34;
  #first = 0;
  #last = 0;
  #frame = 0;
  /** @type {string | number | null} */ #selected = null;
  #onScroll = () => {
    if (this.#frame === 0 && this.rows.length > WHOLE) this.#frame = requestAnimationFrame(() => this.#slide());
  };
  #onResize = () => {
    this.#measure();
    this.#render();
  };

  /**
   * @param {{ label: string, columns: Column<R>[], keyOf: (row: R) => string | number, sort: string, className?: string }} options
   */
  constructor({ label, columns, keyOf, sort, className = '' }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    const heads = columns.map((column) => this.#head(column));
    this.element = el(
      'table',
      { 'aria-label': label, className },
      el('thead', {}, el('tr', {}, heads)),
      this.#above,
      this.#body,
      this.#below,
    );
    this.#body.addEventListener('keydown', walk);
    this.element.addEventListener('pointerover', tellWhole);
    addEventListener('scroll', this.#onScroll, { passive: true });
    addEventListener('resize', this.#onResize);
    this.#sort = { id: sort, isDescending: columns.find(({ id }) => id === sort)?.num ?? false };
    this.#showSort();
  }

  destroy() {
    removeEventListener('scroll', this.#onScroll);
    removeEventListener('resize', this.#onResize);
    cancelAnimationFrame(this.#frame);
    this.element.remove();
  }

  /** All rows that are to be shown; sorted here. */
  setRows(/** @type {R[]} */ rows) {
    this.rows = [...rows];
    this.#order();
    // A table that begins shows what is in sight; what is around that has time until the frame after.
    const isNew = this.#lines.size === 0;
    this.#measure(isNew ? 0 : MARGIN);
    this.#render();
    if (isNew) this.#frame = requestAnimationFrame(() => (this.#frame = requestAnimationFrame(() => this.#slide())));
  }

  /** The rows are the same objects, and what they say has changed; `isChanged` spares the others. */
  refresh(/** @type {(row: R) => boolean} */ isChanged) {
    const now = performance.now();
    if (now - this.#sortedAtMs >= RESORT_MS && !this.isHeld) {
      const before = this.rows.slice();
      this.#order();
      if (before.some((row, i) => row !== this.rows[i])) this.#render();
    }
    for (const line of this.#lines.values()) line.update(isChanged(line.row));
  }

  /** Somebody is about to click a row: none may come, go or move. */
  get isHeld() {
    return this.#body.matches(':hover, :focus-within');
  }

  /** Colours, canvases: everything is drawn anew. */
  redraw() {
    this.#lines.clear();
    this.#body.replaceChildren();
    this.#render();
  }

  select(/** @type {string | number | null} */ key) {
    this.#line(this.#selected)?.classList.remove('selected');
    this.#selected = key;
    this.#line(key)?.classList.add('selected');
  }

  /** To the link of that row, if it is in the document. */
  focus(/** @type {string | number} */ key) {
    /** @type {HTMLElement | null | undefined} */ (this.#line(key)?.querySelector('a'))?.focus();
  }

  #line(/** @type {string | number | null} */ key) {
    return key === null ? undefined : this.#lines.get(key)?.element;
  }

  #head(/** @type {Column<R>} */ column) {
    const { id, title, num, sort, hidden } = column;
    const head = el('th', { scope: 'col', className: `col-${id}${num ? ' num' : ''}` });
    if (sort) head.append(el('button', { type: 'button', onclick: () => this.#sortBy(column) }, title));
    else head.append(hidden ? el('span', { className: 'visually-hidden' }, title) : title);
    this.#heads.set(id, head);
    return head;
  }

  #sortBy(/** @type {Column<R>} */ { id, num }) {
    const isSame = this.#sort.id === id;
    this.#sort = { id, isDescending: isSame ? !this.#sort.isDescending : (num ?? false) };
    this.#showSort();
    this.#order();
    this.#render();
  }

  #showSort() {
    for (const [id, head] of this.#heads) {
      if (id === this.#sort.id) head.setAttribute('aria-sort', this.#sort.isDescending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
  }

  #order() {
    this.#sortedAtMs = performance.now();
    const by = this.#columns.find(({ id }) => id === this.#sort.id)?.sort;
    if (!by) return;
    const sign = this.#sort.isDescending ? -1 : 1;
    const keyed = this.rows.map((row) => ({ row, key: by(row), tie: this.#keyOf(row) }));
    keyed.sort((a, b) => compare(a.key, b.key, sign) || compare(a.tie, b.tie, 1));
    this.rows = keyed.map(({ row }) => row);
  }

  #measure(margin = MARGIN) {
    const px = Number.parseFloat(getComputedStyle(this.element).getPropertyValue('--row'));
    if (px > 0) this.#rowPx = px;
    const { length } = this.rows;
    if (length <= WHOLE) {
      this.#first = 0;
      this.#last = length;
      return;
    }
    const top = /** @type {HTMLElement} */ (this.element.tHead).getBoundingClientRect().bottom;
    const first = Math.floor(-top / this.#rowPx) - margin;
    this.#first = Math.max(0, Math.min(first, length - 1));
    this.#last = Math.min(length, Math.ceil((innerHeight - top) / this.#rowPx) + margin);
    this.#last = Math.max(this.#last, Math.min(length, this.#first + 2 * margin));
  }

  #slide() {
    this.#frame = 0;
    const { 0: first, 1: last } = [this.#first, this.#last];
    this.#measure();
    if (first !== this.#first || last !== this.#last) this.#render();
  }

  /** Puts the lines that are in sight in their places; those that stay are not touched unless their order is another. */
  #render() {
    const shown = this.rows.slice(this.#first, this.#last);
    const keys = new Set(shown.map(this.#keyOf));
    for (const [key, line] of this.#lines) {
      if (keys.has(key)) continue;
      line.element.remove();
      this.#lines.delete(key);
    }
    const focused = document.activeElement;
    let place = this.#body.firstElementChild;
    shown.forEach((row, i) => {
      const key = this.#keyOf(row);
      let line = this.#lines.get(key);
      if (line === undefined) {
        line = new Line(this.#columns, row);
        line.element.classList.toggle('selected', key === this.#selected);
        this.#lines.set(key, line);
      } else if (line.row !== row) {
        line.row = row;
        line.update(true);
      }
      line.element.setAttribute('aria-rowindex', String(this.#first + i + 2));
      if (line.element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(line.element, place);
    });
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.#body.contains(focused)) {
      focused.focus({ preventScroll: true }); // moving an element takes its focus
    }
    this.element.setAttribute('aria-rowcount', String(this.rows.length + 1));
    setHeight(this.#above, this.#first * this.#rowPx);
    setHeight(this.#below, (this.rows.length - this.#last) * this.#rowPx);
  }
}

/** One row in the document. @template R */
class Line {
  element = el('tr');
  row;
  /** @type {((isChanged: boolean) => void)[]} */ #updates = [];

  /** @param {Column<R>[]} columns @param {R} row */
  constructor(columns, row) {
    this.row = row;
    for (const column of columns) {
      const isName = column === columns[0];
      const className = `col-${column.id}${column.num ? ' num' : ''}`;
      const cell = el('td', { className, role: isName ? 'rowheader' : null });
      this.element.append(cell);
      this.#updates.push(this.#updateOf(column, cell));
    }
    this.update(true);
  }

  update(/** @type {boolean} */ isChanged) {
    for (const update of this.#updates) update(isChanged);
  }

  /** @param {Column<R>} column @param {HTMLTableCellElement} cell @returns {(isChanged: boolean) => void} */
  #updateOf({ build, text, timed }, cell) {
    if (build) {
      const update = build(cell, this.row);
      return (isChanged) => (isChanged || timed) && update(this.row);
    }
    if (!text) return () => {};
    const node = document.createTextNode('');
    cell.append(node);
    let last = '';
    return (isChanged) => {
      if (!isChanged && !timed) return;
      const next = text(this.row);
      if (next === last) return;
      last = next;
      node.data = next;
    };
  }
}

/** null and undefined after everything, whichever way it goes. @param {any} a @param {any} b @param {number} sign */
function compare(a, b, sign) {
  const isNone = a === null || a === undefined;
  if (isNone || b === null || b === undefined) return isNone === (b === null || b === undefined) ? 0 : isNone ? 1 : -1;
  if (typeof a === 'string') return sign * NAMES.compare(a, String(b));
  return sign * (a - b);
}

function spacer() {
  return el('tbody', { className: 'spacer', 'aria-hidden': 'true' }, el('tr', {}, el('td')));
}

function setHeight(/** @type {HTMLElement} */ body, /** @type {number} */ px) {
  const cell = body.querySelector('td');
  const height = `${px}px`;
  body.hidden = px === 0;
  if (cell && cell.style.height !== height) cell.style.height = height;
}
