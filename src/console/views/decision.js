// @ts-check
// One decision, opened: why the request went there in words, then every candidate with its terms, what happened, and what a
// better choice would have saved. The record is what the pick saw, to the bit; docs/routing-decisions.md has its fields.

import { count, countryName, el, empty, ms, percent, timeOf } from '../dom.js';
import { body, card, facts } from './parts.js';
import { partsOfRecord, termsTable } from './terms.js';

/** @import { Context } from '../types.d.ts' */
/** @import { DecisionRecord } from '../../control/decisions/record.ts' */
/** @typedef {import('../api.js').ApiError} ApiError */

/** Settled soon, as a rule. */
const AGAIN_MS = 2000;
const AGAIN_MOST = 15;

/**
 * Shows decision `id` in `root`; gives what ends it.
 * @param {HTMLElement} root
 * @param {Pick<Context, 'api'>} context
 * @param {string} id
 */
export function openDecision(root, { api }, id) {
  const box = el('div', { className: 'decision' }, empty('Loading the decision …'));
  root.append(el('p', { className: 'back' }, el('a', { href: '#/decisions' }, '← All decisions')), box);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isOver = false;
  let asked = 0;
  const load = async () => {
    try {
      const record = await api.get(`/api/v1/decisions/${encodeURIComponent(id)}`);
      if (isOver) return;
      box.replaceChildren(...contentOf(record));
      if (record.outcome === 'pending' && ++asked < AGAIN_MOST) timer = setTimeout(load, AGAIN_MS);
    } catch (error) {
      if (!isOver) box.replaceChildren(failureOf(/** @type {ApiError} */ (error), id));
    }
  };
  load();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/**
 * @param {ApiError} error
 * @param {string} id
 */
function failureOf(error, id) {
  if (error.status !== 404) return el('p', { className: 'empty is-bad', role: 'alert' }, `✕ ${error.message}`);
  return empty(`Decision ${id} is gone: the node keeps the newest 1,024 only, and none from before its last start.`);
}

function contentOf(/** @type {DecisionRecord} */ record) {
  const rows = rowsOf(record);
  const why = card('Why did this request go there?', null, body(sentenceOf(record), factsOf(record)));
  const table = termsTable(rows, {
    shareTitle: 'Propensity',
    caption: 'Candidates with the terms of their score, in ms',
  });
  const heading = rows.length === 1 ? 'The one candidate' : `${count(rows.length)} candidates`;
  return [
    el('div', { className: 'two' }, why, card('What happened', null, body(happenedOf(record)))),
    card(heading, 'what one more request was expected to take, ms', table, body(rule(record))),
  ];
}

/** The chosen first, then who was compared, the rest as ranked. */
function rowsOf(/** @type {DecisionRecord} */ { candidates, endpoint, drawn, replay }) {
  const eligible = replay.head.eligible ?? candidates.length;
  const rank = (/** @type {{ id: string }} */ { id }) => (id === endpoint ? 0 : drawn.includes(id) ? 1 : 2);
  return candidates
    .map((c, at) => ({ c, at }))
    .sort((a, b) => rank(a.c) - rank(b.c) || a.at - b.at)
    .map(({ c, at }) => ({
      id: c.id,
      region: regionText(c),
      role: c.role,
      why: c.isDraining ? 'draining' : at >= eligible ? 'not eligible' : c.isCold ? 'not heard of yet' : null,
      parts: partsOfRecord(c),
      scoreMs: c.liveMs,
      inflight: c.inflight,
      share: c.propensity,
      isChosen: c.id === endpoint,
      isCompared: drawn.includes(c.id),
    }));
}

/** @param {{ region: string | null, distanceKm: number | null }} candidate */
function regionText({ region, distanceKm }) {
  const far = distanceKm === null ? '' : `${count(distanceKm)} km`;
  return [region, far].filter(Boolean).join(' · ') || 'no region';
}

/** In plain words; names are set apart, so that they can be found in the table. */
function sentenceOf(/** @type {DecisionRecord} */ record) {
  const { endpoint, region, route, pool, candidates, predictedMs, outcome } = record;
  const from = record.country ? ` from ${countryName(record.country)}` : '';
  const band = candidates.filter(({ role }) => role === 'band').length;
  return el(
    'p',
    { className: 'sentence' },
    `At ${timeOf(record.at)} a request${from} on route `,
    el('b', {}, route),
    ' went to ',
    el('b', {}, endpoint),
    region ? ` in ${region}, ` : ', ',
    reasonOf(record),
    `. It was expected to take ${ms(predictedMs)} ms`,
    candidates.length > 1
      ? `; ${count(band)} of ${count(candidates.length)} candidates of pool ${pool} were in the band of the quickest`
      : '',
    '. ',
    outcome === 'pending' ? 'It is still under way.' : endOf(record),
    regretOf(record),
  );
}

const REASONS = /** @type {Record<string, (record: DecisionRecord) => string>} */ ({
  'only one left': () => 'the only one that was left to ask',
  'least live score of the drawn': ({ drawn }) => `the quickest of the ${drawn.length} that chance drew to be compared`,
  'overflow better than the band': () =>
    'which is outside the band, but was to be quicker than those that were drawn from it',
  'next best': () => 'the best of those that had not been tried',
  'least in flight of the drawn': ({ drawn }) =>
    `which had the fewest requests in flight of the ${drawn.length} that were drawn`,
  'least peak of the drawn': ({ drawn }) => `which had the least peak latency of the ${drawn.length} that were drawn`,
  'its turn': () => 'since it was its turn',
  'drawn by weight': () => 'drawn by weight',
  nearest: () => 'the nearest one',
  sticky: () => 'since requests with this key stay there',
  exploration: ({ settings }) =>
    `to find out how it does: ${percent(settings.exploreRatio)} of requests go to one that is not the best`,
  panic: () => 'although it is not healthy: too few are, and it does answer',
  trial: () => 'as a trial: none answers, and each may show once a second whether it is back',
});

function reasonOf(/** @type {DecisionRecord} */ record) {
  return REASONS[record.reason]?.(record) ?? record.reason;
}

function endOf(/** @type {DecisionRecord} */ { outcome, status, firstByteMs, totalMs, connectMs }) {
  const took = firstByteMs ?? totalMs ?? connectMs;
  const time = took === null ? '' : ` after ${ms(took)} ms`;
  if (outcome === 'ok') return `It answered ${status ?? ''}${time}.`;
  return `It ended in ${outcome.replaceAll('_', ' ')}${status ? ` (${status})` : ''}${time}.`;
}

function regretOf(/** @type {DecisionRecord} */ { best, endpoint, regretMs, bestMs }) {
  if (best === endpoint || regretMs < 0.05) return ' No candidate was expected to be quicker.';
  return ` ${best} was expected to be ${ms(regretMs)} ms quicker (${ms(bestMs)} ms): that is the regret.`;
}

function factsOf(/** @type {DecisionRecord} */ record) {
  return facts([
    ['client', countryName(record.country)],
    ['cohort', record.cohort],
    ['pool', `${record.pool} (${record.policy})`],
    ['residency', record.residency.join(', ')],
    ['role', record.role],
    ['propensity', percent(record.propensity)],
    ['regret', `${ms(record.regretMs)} ms`],
    ['node', record.node],
    ['decision', record.id],
  ]);
}

/** Phases on one scale with what was expected. */
function happenedOf(/** @type {DecisionRecord} */ record) {
  const { outcome, status, connectMs, firstByteMs, totalMs, predictedMs, bytes, stalledMs } = record;
  if (outcome === 'pending') return el('p', { className: 'quiet-text' }, 'Under way; this page asks again.');
  const mostMs = Math.max(predictedMs, totalMs ?? 0, firstByteMs ?? 0, connectMs ?? 0, 0.1);
  const line = (/** @type {string} */ title, /** @type {number | null} */ value, /** @type {string} */ kind) => {
    if (value === null) return null;
    const bar = el('i', { className: kind });
    bar.style.width = `${(100 * value) / mostMs}%`;
    return el(
      'div',
      { className: 'phase' },
      el('span', {}, title),
      el('div', { className: 'phase-bar' }, bar),
      el('b', {}, `${ms(value)} ms`),
    );
  };
  const isGood = outcome === 'ok';
  const facts = [`${isGood ? '●' : '✕'} ${outcome.replaceAll('_', ' ')}`];
  if (status) facts.push(`status ${status}`);
  if (bytes !== null) facts.push(`${count(bytes)} bytes`);
  if (stalledMs) facts.push(`the worker itself stood still for ${ms(stalledMs)} ms`);
  return el(
    'div',
    { className: 'phases' },
    el('p', { className: isGood ? 'outcome is-good' : 'outcome is-bad' }, facts.join(' · ')),
    line('expected', predictedMs, 'is-expected'),
    line('connected', connectMs, 'is-measured'),
    line('first byte', firstByteMs, 'is-measured'),
    line('whole', totalMs, 'is-measured'),
  );
}

function rule(/** @type {DecisionRecord} */ { settings }) {
  const { bandRatio, bandMs, policy, exploreRatio } = settings;
  if (policy !== 'fastest') return el('p', { className: 'quiet-text' }, `Policy ${policy}. Times in ms.`);
  return el(
    'p',
    { className: 'quiet-text' },
    `Band: up to best × ${(1 + bandRatio).toFixed(2)} + ${ms(bandMs)} ms. Overflow: the next three. ${percent(exploreRatio)} of requests explore. Propensity: how likely each was to be chosen in this state. Times in ms.`,
  );
}
