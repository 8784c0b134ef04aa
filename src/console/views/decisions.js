// The live stream of decisions: where requests go, one by one, as the node tells of them (some ten a second; all of them are
// in /metrics). Filters are kept while the page is there and said in the hash; each line opens into its terms.

import { badge, count, countryName, el, ms, setText, timeOf } from '../dom.js';
import { openDecision } from './decision.js';

const ROWS = 200;
/** What comes back from a decision that was opened. */
const kept = { q: '', pool: '', outcome: '', isPaused: false };

export function mount(root, context) {
  if (context.rest) {
    const close = openDecision(root, context, context.rest);
    return { unmount: close };
  }
  for (const name of ['q', 'pool', 'outcome']) if (context.query.has(name)) kept[name] = context.query.get(name);
  // Links from elsewhere name what they are about.
  for (const name of ['endpoint', 'country']) if (context.query.has(name)) kept.q = context.query.get(name);
  const stream = new Stream(root, context);
  return { unmount: () => stream.end() };
}

class Stream {
  #store;
  #navigate;
  #body = el('tbody');
  #note = el('p', { className: 'note', role: 'status' });
  #pause = el('button', { type: 'button', className: 'quiet' });
  #pool;
  #missed = 0;
  #offs;

  constructor(root, { store, navigate }) {
    this.#store = store;
    this.#navigate = navigate;
    this.#pool = select('Pool', [['', 'all pools']], kept.pool, (value) => this.#filter({ pool: value }));
    this.#fillPools();
    const text = el('input', {
      type: 'search',
      value: kept.q,
      placeholder: 'endpoint, region, country, route',
      'data-filter': '',
      autocomplete: 'off',
      spellcheck: false,
    });
    text.addEventListener('input', () => this.#filter({ q: text.value }));
    const outcome = select(
      'Outcome',
      [
        ['', 'all outcomes'],
        ['ok', 'answered'],
        ['failed', 'failed'],
        ['explore', 'explorations'],
      ],
      kept.outcome,
      (value) => this.#filter({ outcome: value }),
    );
    this.#pause.addEventListener('click', () => this.#toggle());
    const titles = [
      'Time',
      'Endpoint',
      'Region',
      'Client',
      'Route',
      'Pool',
      'Role',
      'Expected ms',
      'Took ms',
      'Outcome',
    ];
    const head = el(
      'tr',
      {},
      ...titles.map((title) => el('th', { scope: 'col', className: title.endsWith('ms') ? 'num' : '' }, title)),
    );
    const table = el(
      'table',
      { className: 'stream' },
      el('caption', { className: 'sr' }, 'Decisions, newest first'),
      el('thead', {}, head),
      this.#body,
    );
    root.append(
      el(
        'section',
        { className: 'card' },
        el(
          'div',
          { className: 'toolbar' },
          el('label', { className: 'grow' }, 'Filter', text),
          this.#pool.label,
          outcome.label,
          this.#pause,
        ),
        this.#note,
        el('div', { className: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Decisions' }, table),
      ),
    );
    this.#body.addEventListener('click', (event) => this.#click(event));
    this.#body.addEventListener('keydown', (event) => walk(event));
    this.#offs = [
      store.on('decision', (decision) => this.#take(decision)),
      store.on('hello', () => {
        this.#fillPools();
        this.#render();
      }),
    ];
    this.#showPause();
    this.#render();
  }

  end() {
    for (const off of this.#offs) off();
  }

  #fillPools() {
    this.#pool.fill([['', 'all pools'], ...this.#store.pools.map(({ name }) => [name, name])]);
  }

  #filter(change) {
    Object.assign(kept, change);
    const query = new URLSearchParams(
      Object.entries({ q: kept.q, pool: kept.pool, outcome: kept.outcome }).filter(([, value]) => value),
    );
    history.replaceState(null, '', query.size > 0 ? `#/decisions?${query}` : '#/decisions');
    this.#render();
  }

  #toggle() {
    kept.isPaused = !kept.isPaused;
    this.#missed = 0;
    this.#showPause();
    if (!kept.isPaused) this.#render();
  }

  #showPause() {
    setText(this.#pause, kept.isPaused ? '▶ Go on' : '❚❚ Pause');
    this.#pause.setAttribute('aria-pressed', String(kept.isPaused));
  }

  #take(decision) {
    if (!fits(decision)) return;
    if (kept.isPaused) {
      this.#missed++;
      return this.#tell();
    }
    if (this.#body.querySelector('.empty')) this.#body.replaceChildren();
    this.#body.prepend(rowOf(decision));
    if (this.#body.rows.length > ROWS) this.#body.lastElementChild.remove();
    this.#tell();
  }

  #render() {
    const rows = this.#store.decisions.filter(fits).map(rowOf);
    const none = el(
      'tr',
      {},
      el(
        'td',
        { className: 'empty', colSpan: 10 },
        this.#store.decisions.length > 0
          ? 'None of the last decisions fits the filter.'
          : 'No decision yet: they come with the first requests.',
      ),
    );
    this.#body.replaceChildren(...(rows.length > 0 ? rows : [none]));
    this.#tell();
  }

  #tell() {
    const shown = this.#body.querySelector('.empty') ? 0 : this.#body.rows.length;
    const paused = kept.isPaused ? `paused${this.#missed > 0 ? `, ${count(this.#missed)} newer` : ''}` : 'live';
    setText(
      this.#note,
      `${count(shown)} shown, ${paused}. The node tells of up to ten a second; open one to see why it went there.`,
    );
  }

  #click(event) {
    if (event.target.closest('a') || !getSelection().isCollapsed) return;
    const id = event.target.closest('tr')?.dataset.id;
    if (id) this.#navigate(`#/decisions/${encodeURIComponent(id)}`);
  }
}

function select(title, options, value, onChange) {
  const input = el('select', { 'aria-label': title });
  const fill = (all) => {
    const chosen = input.value || value;
    input.replaceChildren(...all.map(([key, text]) => el('option', { value: key }, text)));
    if (chosen && !all.some(([key]) => key === chosen)) input.append(el('option', { value: chosen }, chosen));
    input.value = chosen;
  };
  fill(options);
  input.addEventListener('change', () => onChange(input.value));
  return { label: el('label', {}, title, input), fill };
}

function fits(decision) {
  const { pool, outcome, endpoint, region, country, route, role } = decision;
  if (kept.pool && pool !== kept.pool) return false;
  if (kept.outcome === 'ok' && outcome !== 'ok') return false;
  if (kept.outcome === 'failed' && (outcome === 'ok' || !isSettled(outcome))) return false;
  if (kept.outcome === 'explore' && role !== 'explore') return false;
  if (!kept.q) return true;
  const text =
    `${endpoint} ${region ?? ''} ${route} ${country ?? ''} ${countryName(country)} ${outcome ?? ''}`.toLowerCase();
  return kept.q
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function isSettled(outcome) {
  return outcome !== null && outcome !== 'pending';
}

function rowOf(d) {
  const href = `#/decisions/${encodeURIComponent(d.id)}`;
  const words = isSettled(d.outcome)
    ? `${d.outcome.replaceAll('_', ' ')}${d.status ? ` ${d.status}` : ''}`
    : 'under way';
  const kind = !isSettled(d.outcome) ? 'unknown' : d.outcome === 'ok' ? 'healthy' : 'unhealthy';
  const row = el(
    'tr',
    {},
    el('td', {}, el('time', { dateTime: d.at, title: d.at }, timeOf(d.at))),
    el('th', { scope: 'row' }, el('a', { href, title: 'Why did it go there?' }, d.endpoint)),
    el('td', {}, d.region ?? '–'),
    el('td', {}, d.country ? countryName(d.country) : '–'),
    el('td', {}, d.route),
    el('td', {}, d.pool),
    el('td', {}, d.role),
    el('td', { className: 'num' }, ms(d.scoreMs)),
    el('td', { className: 'num' }, ms(d.tookMs)),
    el('td', {}, badge(kind, words)),
  );
  row.dataset.id = d.id;
  return row;
}

/** ↑ and ↓ from line to line. */
function walk(event) {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
  const link = step && event.target.closest('tr')?.[step]?.querySelector('a');
  if (!link) return;
  event.preventDefault();
  link.focus();
}
