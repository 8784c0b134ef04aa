// @ts-check
// The live stream of decisions: where requests go, one by one, as the node tells of them (some ten a second; all of them are
// in /metrics). Filters are kept while the page is there and said in the hash; each line opens into its terms.

import { badge, count, counted, countryName, el, ms, setText, timeOf } from '../dom.js';
import { tellWhole, walk } from '../rows.js';
import { openDecision } from './decision.js';
import { Newest } from './newest.js';
import { filterBox, scroller, tableOf } from './parts.js';

/** @import { Context, Decision, View } from '../types.d.ts' */

const ROWS = 200;
const TITLES = [
  ['Time'],
  ['Endpoint'],
  ['Region'],
  ['Client'],
  ['Route'],
  ['Pool'],
  ['Role'],
  ['Expected', 'num'],
  ['Took ms', 'num'],
  ['Outcome'],
];
const OUTCOMES = [
  ['', 'Every outcome'],
  ['ok', 'Answered'],
  ['failed', 'Failed'],
  ['explore', 'Explorations'],
];
const ALL_POOLS = ['', 'Every pool'];
/** What comes back from a decision that was opened. */
const kept = { q: '', pool: '', outcome: '' };

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, context) {
  if (context.rest) return { unmount: openDecision(root, context, context.rest) };
  const { query } = context;
  for (const name of /** @type {const} */ (['q', 'pool', 'outcome']))
    kept[name] = query.get(name) ?? (query.size > 0 ? '' : kept[name]);
  // Links from elsewhere name what they are about.
  for (const name of ['endpoint', 'country']) kept.q = query.get(name) ?? kept.q;
  const stream = new Stream(root, context);
  return { unmount: () => stream.end() };
}

class Stream {
  #store;
  #navigate;
  #table = tableOf('stream', 'Decisions, newest first', TITLES, []);
  #body = /** @type {HTMLTableSectionElement} */ (this.#table.tBodies[0]);
  #tally = el('span', { className: 'quiet-text' });
  /** Told to those who do not see it when the filter is another, not with every line that comes. */
  #said = el('span', { className: 'visually-hidden', role: 'status' });
  #none = el('p', { className: 'empty' });
  #pause = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause');
  #pool = select('Pool', (pool) => this.#filter({ pool }));
  #list = new Newest(this.#body, ROWS, rowOf);
  #offs;

  /**
   * @param {HTMLElement} root
   * @param {Context} context
   */
  constructor(root, { store, navigate }) {
    this.#store = store;
    this.#navigate = navigate;
    const text = filterBox('Filter decisions', 'Filter: endpoint, region, country, route', kept.q);
    text.addEventListener('input', () => this.#filter({ q: text.value }));
    const outcome = select('Outcome', (value) => this.#filter({ outcome: value }));
    fill(outcome, OUTCOMES, kept.outcome);
    this.#pause.addEventListener('click', () => this.#toggle());
    const space = el('span', { className: 'fill' });
    root.append(
      el(
        'div',
        { className: 'toolbar', role: 'search' },
        ...[text, this.#pool, outcome, this.#pause, space, this.#list.button, this.#tally, this.#said],
      ),
      el('section', { className: 'card' }, scroller('Decisions', this.#table), this.#none),
    );
    this.#body.addEventListener('click', (event) => this.#click(event));
    this.#body.addEventListener('keydown', walk);
    this.#body.addEventListener('pointerover', tellWhole);
    this.#offs = [
      store.on('decision', (/** @type {Decision} */ decision) => this.#take(decision)),
      store.on('hello', () => this.#hello()),
      store.on('tick', () => this.#look()),
    ];
    this.#fillPools();
    this.#render();
  }

  end() {
    for (const off of this.#offs) off();
  }

  #hello() {
    this.#fillPools();
    this.#list.heed(this.#store.decisions.filter(fits), ({ id }) => id);
    this.#tell();
  }

  #fillPools() {
    fill(this.#pool, [ALL_POOLS, ...this.#store.pools.map(({ name }) => [name, name])], kept.pool);
  }

  #filter(/** @type {Partial<typeof kept>} */ change) {
    Object.assign(kept, change);
    const query = new URLSearchParams(Object.entries(kept).filter(([, value]) => value));
    history.replaceState(null, '', query.size > 0 ? `#/decisions?${query}` : '#/decisions');
    this.#render();
    const shown = this.#body.rows.length;
    setText(this.#said, shown === 0 ? 'No decision is like this' : counted(shown, 'decision'));
  }

  #toggle() {
    const isPaused = !this.#list.isPaused;
    this.#list.isPaused = isPaused;
    this.#pause.setAttribute('aria-pressed', String(isPaused));
    setText(this.#pause, isPaused ? 'Resume' : 'Pause');
    if (!isPaused) this.#list.release();
    this.#tell();
  }

  #take(/** @type {Decision} */ decision) {
    if (!fits(decision)) return;
    this.#list.add(decision);
    this.#tell();
  }

  #look() {
    this.#list.look();
    this.#tell();
  }

  #render() {
    this.#list.show(this.#store.decisions.filter(fits));
    this.#tell();
  }

  #tell() {
    const shown = this.#body.rows.length;
    this.#none.hidden = shown > 0;
    const isAny = this.#store.decisions.length > 0;
    setText(this.#none, isAny ? 'No decision is like this.' : 'Nothing yet: decisions come with requests.');
    const { isPaused, waiting } = this.#list;
    setText(this.#tally, isPaused ? `paused, ${count(waiting)} new` : `the last ${count(shown)}`);
  }

  #click(/** @type {MouseEvent} */ { target }) {
    if (!(target instanceof Element) || target.closest('a') || getSelection()?.isCollapsed === false) return;
    const id = target.closest('tr')?.dataset.id;
    if (id) this.#navigate(`#/decisions/${encodeURIComponent(id)}`);
  }
}

/**
 * @param {string} title
 * @param {(value: string) => void} onChange
 */
function select(title, onChange) {
  const input = el('select', { 'aria-label': title });
  input.addEventListener('change', () => onChange(input.value));
  return input;
}

/**
 * A choice that is no longer there stays one, so that a filter does not change by itself.
 * @param {HTMLSelectElement} input
 * @param {string[][]} options key and text
 * @param {string} chosen
 */
function fill(input, options, chosen) {
  const all = chosen && !options.some(([key]) => key === chosen) ? [...options, [chosen, chosen]] : options;
  input.replaceChildren(...all.map(([key, text]) => el('option', { value: key }, text)));
  input.value = chosen;
}

function isSettled(/** @type {string | null} */ outcome) {
  return outcome !== null && outcome !== 'pending';
}

function fits(/** @type {Decision} */ { pool, outcome, endpoint, region, country, route, role }) {
  if (kept.pool && pool !== kept.pool) return false;
  if (kept.outcome === 'ok' && outcome !== 'ok') return false;
  if (kept.outcome === 'failed' && (outcome === 'ok' || !isSettled(outcome))) return false;
  if (kept.outcome === 'explore' && role !== 'explore') return false;
  if (!kept.q) return true;
  const place = country ? `${country} ${countryName(country)}` : '';
  const text = `${endpoint} ${region ?? ''} ${route} ${place} ${outcome ?? ''}`.toLowerCase();
  const words = kept.q.toLowerCase().split(/\s+/);
  return words.every((word) => text.includes(word));
}

function rowOf(/** @type {Decision} */ d) {
  const href = `#/decisions/${encodeURIComponent(d.id)}`;
  const kind = !isSettled(d.outcome) ? 'unknown' : d.outcome === 'ok' ? 'healthy' : 'unhealthy';
  const words = isSettled(d.outcome)
    ? `${d.outcome?.replaceAll('_', ' ')}${d.status ? ` ${d.status}` : ''}`
    : 'under way';
  const row = el(
    'tr',
    {},
    el('td', { className: 'when' }, el('time', { dateTime: d.at, title: d.at }, timeOf(d.at))),
    el('th', { scope: 'row', className: 'what' }, el('a', { href, title: 'Why did it go there?' }, d.endpoint)),
    el('td', { className: 'wide' }, d.region ?? '–'),
    el('td', { className: 'who' }, d.country ? countryName(d.country) : '–'),
    el('td', { className: 'wide' }, d.route),
    el('td', { className: 'wide' }, d.pool),
    el('td', { className: 'role' }, d.role),
    el('td', { className: 'num wide' }, ms(d.scoreMs)),
    el('td', { className: 'num took' }, ms(d.tookMs)),
    el('td', { className: 'how' }, badge(kind, words)),
  );
  row.dataset.id = d.id;
  return row;
}
