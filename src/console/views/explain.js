// @ts-check
// What would happen to a request, without sending it: the verdict in words, where the client is and where it would be sent,
// and every candidate with its terms. The question is in the hash, so an answer can be passed on as a link.

import { count, countryName, el, empty, ms, percent, svg } from '../dom.js';
import { rttClass } from '../map/arcs.js';
import { smallMap } from '../map/small.js';
import { body, card, facts } from './parts.js';
import { partsOfCandidate, termsTable } from './terms.js';

/** @import { Context, View } from '../types.d.ts' */
/** @import { Explanation } from '../../control/types.ts' */
/** @typedef {import('../api.js').ApiError} ApiError */
/** @typedef {[name: string, title: string, placeholder: string, width: string]} Field */

const FIELDS = /** @type {Field[]} */ ([
  ['client', 'Client address', '203.0.113.7 or 2001:db8::7', 'wide'],
  ['host', 'Host', 'any', 'wide'],
  ['path', 'Path', '/', 'wide'],
  ['method', 'Method', 'GET', 'narrow'],
  ['key', 'Key of its data', 'none', 'wide'],
]);

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, context) {
  const view = new Explain(root, context);
  return {
    update: (next) => view.take(next.query),
    unmount: () => view.end(),
  };
}

class Explain {
  #context;
  /** @type {Map<string, HTMLInputElement>} */ #inputs = new Map();
  /** @type {Map<string, HTMLElement>} */ #problems = new Map();
  #answer = el('div', { className: 'answer' });
  /** The sentence alone, for a screen reader: the table is long. */
  #said = el('p', { className: 'visually-hidden', role: 'status' });
  #button = el('button', { className: 'primary' }, 'Explain');
  #turn = 0;

  /**
   * @param {HTMLElement} root
   * @param {Context} context
   */
  constructor(root, context) {
    this.#context = context;
    const form = el(
      'form',
      { className: 'question', noValidate: true },
      ...FIELDS.map((field) => this.#field(field)),
      this.#button,
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#ask();
    });
    root.append(card('Which request?', 'nothing is sent', body(form)), this.#said, this.#answer);
    this.take(context.query);
  }

  end() {
    this.#turn++;
  }

  /** What the hash asks is asked. */
  take(/** @type {URLSearchParams} */ query) {
    for (const [name, input] of this.#inputs) input.value = query.get(name) ?? '';
    if (query.get('client')) return void this.#load(query);
    this.#answer.replaceChildren(
      empty('Name a client’s address to see where its request would go, and why. Nothing is sent to any endpoint.'),
    );
    this.#inputs.get('client')?.focus({ preventScroll: true });
  }

  #field(/** @type {Field} */ [name, title, placeholder, width]) {
    const input = el('input', {
      name,
      placeholder,
      autocomplete: 'off',
      spellcheck: false,
      'aria-describedby': `problem-${name}`,
    });
    if (name === 'client') input.setAttribute('data-filter', '');
    if (name === 'client') input.required = true;
    const problem = el('span', { className: 'problem', id: `problem-${name}`, hidden: true });
    this.#inputs.set(name, input);
    this.#problems.set(name, problem);
    return el('label', { className: width }, title, input, problem);
  }

  #ask() {
    const query = new URLSearchParams();
    for (const [name, input] of this.#inputs) if (input.value.trim()) query.set(name, input.value.trim());
    if (!query.get('client')) return this.#refuse('client', 'a client address is needed');
    const hash = `#/explain?${query}`;
    if (location.hash === hash) this.#load(query);
    else this.#context.navigate(hash);
  }

  async #load(/** @type {URLSearchParams} */ query) {
    const mine = ++this.#turn;
    this.#clear();
    this.#answer.setAttribute('aria-busy', 'true'); // and no button is disabled: it would lose the focus
    try {
      const answer = await this.#context.api.get(`/api/v1/explain?${query}`);
      if (mine === this.#turn) this.#answer.replaceChildren(...contentOf(answer, query, this.#context.store));
    } catch (error) {
      if (mine !== this.#turn) return;
      // `path: expected to begin with "/"`: a problem of a field names it first.
      const { status, message } = /** @type {ApiError} */ (error);
      const [, name = '', text = ''] = /^(\w+): (.*)$/s.exec(message) ?? [];
      if (status === 400 && this.#inputs.has(name)) this.#refuse(name, text);
      else this.#answer.replaceChildren(el('p', { className: 'empty is-bad', role: 'alert' }, `✕ ${message}`));
    } finally {
      if (mine === this.#turn) {
        this.#answer.removeAttribute('aria-busy');
        this.#said.textContent = this.#answer.querySelector('.sentence')?.textContent ?? '';
      }
    }
  }

  #clear() {
    for (const [name, problem] of this.#problems) {
      problem.hidden = true;
      this.#inputs.get(name)?.removeAttribute('aria-invalid');
    }
  }

  #refuse(/** @type {string} */ name, /** @type {string} */ text) {
    this.#clear();
    const input = this.#inputs.get(name);
    const problem = this.#problems.get(name);
    if (!input || !problem) return;
    problem.textContent = `✕ ${text}`;
    problem.hidden = false;
    input.setAttribute('aria-invalid', 'true');
    input.focus();
    this.#answer.replaceChildren(empty('Nothing to show: the question has a mistake.'));
  }
}

/**
 * @param {Explanation} answer
 * @param {URLSearchParams} query
 * @param {Context['store']} store
 */
function contentOf(answer, query, store) {
  const picture = pictureOf(answer, store);
  const words = el('div', {}, sentenceOf(answer, query), factsOf(answer));
  const verdict = card('What would happen', null, body(el('div', { className: 'with-map' }, words, picture)));
  if (answer.candidates.length === 0) return [verdict];
  const rows = rowsOf(answer);
  const heading = rows.length === 1 ? 'The one candidate' : `${count(rows.length)} candidates`;
  const table = termsTable(rows, {
    shareTitle: 'Share',
    caption: 'Candidates with the terms of their score, in ms',
  });
  const note =
    'Share: what part of such requests each would get, by the selector’s own code. Waiting and errors are told apart by estimate.';
  return [
    verdict,
    card(
      heading,
      'what one more request is expected to take, ms',
      table,
      body(el('p', { className: 'quiet-text' }, note)),
    ),
  ];
}

/**
 * @param {Explanation} answer
 * @param {URLSearchParams} query
 */
function sentenceOf({ cohort, route, pool, policy, chosen, candidates, note, mode }, query) {
  const who = [cohort.city, cohort.country ? countryName(cohort.country) : null].filter(Boolean).join(', ');
  const winner = candidates.find(({ id }) => id === chosen);
  const parts = [
    'A request of ',
    el('b', {}, query.get('client') ?? ''),
    ` (${who || 'a place that GeoIP does not know'}) takes route `,
    el('b', {}, route),
  ];
  if (pool !== null) parts.push(` to pool ${pool} (${policy})`);
  if (winner) {
    const verb = mode === 'redirect' ? ' and is sent on to ' : ', where most go to ';
    parts.push(verb, el('b', {}, winner.id), winner.region ? ` in ${winner.region}` : '');
    if (winner.scoreMs !== null) parts.push(`, which is expected to take ${ms(winner.scoreMs)} ms`);
    if (winner.share < 0.995) parts.push(` and gets ${percent(winner.share)} of them`);
  } else if (pool !== null && chosen === null) parts.push(', where nobody can take it');
  parts.push(note ? `: ${note}.` : '.');
  return el('p', { className: 'sentence' }, ...parts);
}

function factsOf(/** @type {Explanation} */ { cohort, mode, residency, candidates, locality }) {
  const inBand = candidates.filter(({ role }) => role === 'band').length;
  return facts([
    ['cohort', cohort.key],
    [
      'place',
      cohort.lat === null || cohort.lon === null ? 'unknown' : `${cohort.lat.toFixed(2)}, ${cohort.lon.toFixed(2)}`,
    ],
    ['mode', mode],
    ['in the band', candidates.length > 0 ? `${count(inBand)} of ${count(candidates.length)}` : null],
    ['residency', residency.join(', ')],
    ['locality', locality?.mode],
  ]);
}

/**
 * @param {Explanation} answer
 * @param {Context['store']} store
 */
function pictureOf({ cohort, chosen, candidates, mode }, store) {
  const client = cohort.lat === null || cohort.lon === null ? null : { latDeg: cohort.lat, lonDeg: cohort.lon };
  const places = new Map(store.endpoints.map((e) => [e.id, e.location]));
  const placed = candidates.flatMap(({ id, state }) => {
    const place = places.get(id);
    return place ? [{ ...place, id, state, isChosen: id === chosen }] : [];
  });
  if (client === null && placed.length === 0) return null;
  const winner = candidates.find(({ id }) => id === chosen);
  const picture = smallMap({
    client,
    edge: store.node?.location ?? null,
    chosen: chosen === null ? null : (places.get(chosen) ?? null),
    candidates: placed,
    rttMs: winner?.networkMs ?? null,
    isDirect: mode === 'redirect',
    label: `Map: the client, this edge, and ${chosen ?? 'no endpoint'} with the way between them`,
  });
  const legend = el(
    'ul',
    { className: 'small-map-key', 'aria-hidden': 'true' },
    client === null
      ? el('li', {}, 'The client’s place is not known.')
      : key('client', svg('circle', { class: 'client', cx: 9, cy: 5, r: 3.5 })),
    mode === 'redirect' || client === null
      ? null
      : key('to this edge', svg('path', { class: 'arc to-edge', d: 'M1 5H17' })),
    chosen === null
      ? null
      : key(
          'to the chosen endpoint',
          svg('path', { class: `arc rtt-${rttClass(winner?.networkMs) ?? 'unknown'}`, d: 'M1 5H17' }),
        ),
  );
  return el('figure', { className: 'small-map-box' }, picture, legend);
}

/**
 * @param {string} text
 * @param {SVGElement} shape
 */
function key(text, shape) {
  return el('li', {}, svg('svg', { class: 'small-map sign', viewBox: '0 0 18 10' }, shape), text);
}

function rowsOf(/** @type {Explanation} */ { candidates, chosen }) {
  const order = { band: 0, overflow: 1, out: 2 };
  // Who cannot be chosen may look quick: last.
  const rank = (/** @type {typeof candidates[number]} */ c) => (c.id === chosen ? -1 : c.healthy ? order[c.role] : 3);
  return candidates
    .toSorted((a, b) => rank(a) - rank(b) || (a.scoreMs ?? Infinity) - (b.scoreMs ?? Infinity))
    .map((c) => ({
      id: c.id,
      region:
        [c.region, c.distanceKm === null ? null : `${count(c.distanceKm)} km`].filter(Boolean).join(' · ') || null,
      role: c.role,
      why: c.state === 'healthy' ? null : c.state,
      parts: partsOfCandidate(c),
      scoreMs: c.scoreMs,
      inflight: c.inflight,
      share: c.share,
      isChosen: c.id === chosen,
      isCompared: false,
    }));
}
