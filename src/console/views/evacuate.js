// @ts-check
// What would happen if a region, or some endpoints, were emptied: load of every other region, times by country, and whether
// anybody would be left without an answer. The node decides its recorded decisions again without them; here it is shown,
// and done: draining is one click and a confirmation away, and so is the way back.

import { count, el, empty, rate, setText } from '../dom.js';
import { glyph } from '../map/glyphs.js';
import { confirmMove, moveAll, moves } from './move.js';
import { body, card, filterBox, replaceLines } from './parts.js';
import { previewOf } from './preview.js';

/** @import { Context, Endpoint, View } from '../types.d.ts' */
/** @import { Verb } from '../verbs.js' */
/** @typedef {{ endpoints: Endpoint[], numbers: HTMLElement, bar: HTMLElement, boxes: { e: Endpoint, sign: HTMLElement }[] }} Line what a tick changes */

const PAUSE_MS = 250;
const NOWHERE = 'no region';

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, context) {
  const view = new Evacuation(root, context);
  return {
    update: (next) => view.take(next.query),
    unmount: () => view.end(),
  };
}

class Evacuation {
  #store;
  #api;
  /** @type {Set<string>} */ #regions = new Set();
  /** Ids. @type {Set<string>} */ #endpoints = new Set();
  #filter = filterBox('Filter regions and endpoints', 'Filter: region, endpoint');
  #list = el('ul', { className: 'choice' });
  #result = el('div', { className: 'preview' });
  /** Its sentence alone, for a screen reader. */
  #said = el('p', { className: 'visually-hidden', role: 'status' });
  #actions = el('div', { className: 'actions' });
  #progress = el('div', { className: 'progress', role: 'status', tabIndex: -1 });
  #turn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #offs;
  /** Regions. @type {Set<string>} */ #opened = new Set();
  /** By region. @type {Map<string, Line>} */ #lines = new Map();
  #isMoving = false;

  /**
   * @param {HTMLElement} root
   * @param {Context} context
   */
  constructor(root, { store, api, query }) {
    this.#store = store;
    this.#api = api;
    this.#filter.addEventListener('input', () => this.#hide());
    root.append(
      el(
        'div',
        { className: 'evacuate' },
        el('div', { className: 'chooser' }, card('What is to be emptied?', null, body(this.#filter), this.#list)),
        el(
          'div',
          { className: 'consequences' },
          card('Do it', null, body(this.#actions, this.#progress)),
          this.#said,
          this.#result,
        ),
      ),
    );
    this.#offs = [store.on('hello', () => this.#hello()), store.on('tick', () => this.#refresh())];
    this.#read(query);
    this.#build();
    this.#showChosen();
    this.#ask(store.node === null ? PAUSE_MS : 0); // a hello is on its way, and asks as well
  }

  /** There may be others now, and what was foretold of those that are gone is not so. */
  #hello() {
    this.#build();
    if (!this.#isMoving) this.#ask(0);
  }

  end() {
    this.#turn++;
    clearTimeout(this.#timer);
    for (const off of this.#offs) off();
  }

  take(/** @type {URLSearchParams} */ query) {
    this.#read(query);
    this.#build();
    this.#ask(0);
  }

  #read(/** @type {URLSearchParams} */ query) {
    this.#regions = new Set(query.getAll('region'));
    this.#endpoints = new Set(query.getAll('endpoint'));
  }

  /** Ids of what is chosen; several pools may have an endpoint of one region. */
  #chosen() {
    return this.#store.endpoints.filter((e) => this.#endpoints.has(e.id) || this.#regions.has(e.region ?? NOWHERE));
  }

  #build() {
    const byRegion = Map.groupBy(this.#store.endpoints, ({ region }) => region ?? NOWHERE);
    const order = [...byRegion.keys()].sort();
    this.#lines.clear();
    replaceLines(
      this.#list,
      order.map((region) => this.#region(region, byRegion.get(region) ?? [])),
    );
    if (order.length === 0) this.#list.append(el('li', { className: 'empty' }, 'This node has no endpoints.'));
    this.#hide();
    this.#refresh();
  }

  /**
   * @param {string} region
   * @param {Endpoint[]} endpoints
   */
  #region(region, endpoints) {
    const whole = el('input', {
      type: 'checkbox',
      checked: this.#regions.has(region),
      disabled: region === NOWHERE,
      'data-key': region,
    });
    const numbers = el('small');
    const bar = el('i');
    const boxes = endpoints.map((e) => {
      const box = el('input', {
        type: 'checkbox',
        checked: whole.checked || this.#endpoints.has(e.id),
        disabled: whole.checked,
        'data-key': `${region} ${e.id}`,
      });
      box.addEventListener('change', () => this.#toggle(this.#endpoints, e.id, box.checked));
      const sign = el('span', { className: 'state-sign' });
      return { e, box, sign, line: el('li', {}, el('label', {}, box, sign, el('span', { className: 'id' }, e.id))) };
    });
    whole.addEventListener('change', () => {
      for (const { e, box } of boxes) {
        box.checked = whole.checked;
        box.disabled = whole.checked;
        this.#endpoints.delete(e.id);
      }
      this.#toggle(this.#regions, region, whole.checked);
    });
    this.#lines.set(region, { endpoints, numbers, bar, boxes });
    const isOpen = this.#opened.has(region) || (boxes.some(({ box }) => box.checked) && !whole.checked);
    const inner = el('ul', { hidden: !isOpen }, ...boxes.map(({ line }) => line));
    const words = `${count(endpoints.length)} ${endpoints.length === 1 ? 'endpoint' : 'endpoints'} of ${region}`;
    const open = el(
      'button',
      { type: 'button', className: 'open', 'aria-label': words, 'aria-expanded': String(isOpen), 'data-key': words },
      count(endpoints.length),
    );
    open.addEventListener('click', () => {
      inner.hidden = !inner.hidden;
      if (inner.hidden) this.#opened.delete(region);
      else this.#opened.add(region);
      open.setAttribute('aria-expanded', String(!inner.hidden));
    });
    const line = el('label', { className: 'region-name' }, whole, el('span', { className: 'id' }, region), numbers);
    const item = el('li', { className: 'region' }, el('div', { className: 'region-line' }, bar, line, open), inner);
    item.dataset.text = `${region} ${endpoints.map(({ id }) => id).join(' ')}`.toLowerCase();
    return item;
  }

  /** A link may have chosen what is far down the list. */
  #showChosen() {
    const chosen = this.#list.querySelector('input:checked')?.closest('.region');
    if (!chosen) return;
    this.#list.scrollTop += chosen.getBoundingClientRect().top - this.#list.getBoundingClientRect().top;
  }

  #hide() {
    const wanted = this.#filter.value.trim().toLowerCase();
    for (const item of /** @type {Iterable<HTMLElement>} */ (/** @type {unknown} */ (this.#list.children)))
      item.hidden = wanted !== '' && !(item.dataset.text ?? '').includes(wanted);
  }

  #refresh() {
    const total = this.#store.endpoints.reduce((sum, e) => sum + e.rps, 0);
    for (const { endpoints, numbers, bar, boxes } of this.#lines.values()) {
      const rps = endpoints.reduce((sum, e) => sum + e.rps, 0);
      setText(numbers, `${rate(rps)}/s`);
      bar.style.width = total > 0 ? `${((100 * rps) / total).toFixed(1)}%` : '0';
      for (const { e, sign } of boxes) {
        if (sign.dataset.state === e.state) continue;
        sign.dataset.state = e.state;
        sign.replaceChildren(glyph(e.state));
        sign.title = e.state;
      }
    }
    this.#showActions();
  }

  /**
   * @param {Set<string>} set
   * @param {string} name
   * @param {boolean} isIn
   */
  #toggle(set, name, isIn) {
    if (isIn) set.add(name);
    else set.delete(name);
    const query = this.#query();
    history.replaceState(null, '', query.size > 0 ? `#/evacuate?${query}` : '#/evacuate');
    this.#ask(PAUSE_MS);
  }

  /** Without `gone`. */
  #query(/** @type {string[]} */ gone = []) {
    const query = new URLSearchParams();
    for (const region of this.#regions) if (!gone.includes(region)) query.append('region', region);
    for (const id of this.#endpoints) if (!gone.includes(id)) query.append('endpoint', id);
    return query;
  }

  /** What is chosen and is not there: a reload took it away, or the link is old. */
  #gone() {
    const { node, endpoints } = this.#store;
    if (node === null) return [];
    const there = new Set(endpoints.flatMap(({ id, region }) => [id, region ?? NOWHERE]));
    return [...this.#regions, ...this.#endpoints].filter((name) => !there.has(name));
  }

  #ask(/** @type {number} */ afterMs) {
    clearTimeout(this.#timer);
    const mine = ++this.#turn;
    this.#showActions();
    const gone = this.#gone();
    const query = this.#query(gone);
    // Kept in the address: they may come back.
    const note =
      gone.length > 0 ? [el('p', { className: 'note warn' }, `▲ Not there (any more): ${gone.join(', ')}.`)] : [];
    if (query.size === 0) {
      const words = 'Choose regions or endpoints to see what would happen without them. Nothing is changed by looking.';
      this.#result.replaceChildren(...note, empty(words));
      return;
    }
    this.#timer = setTimeout(async () => {
      this.#result.setAttribute('aria-busy', 'true');
      let content;
      try {
        const again = () => this.#ask(0);
        content = previewOf(await this.#api.get(`/api/v1/evacuation?${query}`), again);
      } catch (error) {
        content = [el('p', { className: 'empty is-bad', role: 'alert' }, `✕ ${/** @type {Error} */ (error).message}`)];
      }
      if (mine !== this.#turn) return;
      this.#result.removeAttribute('aria-busy');
      this.#result.replaceChildren(...note, ...content);
      setText(this.#said, this.#result.querySelector('.sentence')?.textContent ?? '');
    }, afterMs);
  }

  /** Rebuilt only when another number of endpoints can be moved: a tick must not take a button from under a finger. */
  #showActions() {
    const chosen = this.#chosen();
    const serving = chosen.filter(({ state }) => state !== 'draining');
    const draining = this.#store.endpoints.filter(({ state }) => state === 'draining');
    const key = `${chosen.length} ${serving.map(({ id }) => id).join()} ${draining.map(({ id }) => id).join()} ${this.#isMoving}`;
    if (this.#actions.dataset.key === key) return;
    this.#actions.dataset.key = key;
    const all = this.#store.endpoints.length;
    const move = this.#isMoving
      ? null
      : (/** @type {Verb} */ verb, /** @type {Endpoint[]} */ which) => this.#move(verb, which);
    this.#actions.replaceChildren(...moves({ all, chosen: chosen.length, serving, draining, move }));
  }

  /**
   * @param {Verb} verb
   * @param {Endpoint[]} endpoints
   */
  async #move(verb, endpoints) {
    if (!(await confirmMove(verb, endpoints))) return;
    this.#isMoving = true;
    this.#progress.focus({ preventScroll: true }); // the button is about to go
    this.#showActions();
    const mine = this.#turn;
    await moveAll(verb, endpoints, this.#progress);
    this.#isMoving = false;
    this.#showActions();
    if (mine === this.#turn) this.#ask(0);
  }
}
