// @ts-check
// Draining or enabling several endpoints: asked once, then one POST each, a few at a time, with every failure told by name.

import { openDialog } from '../dialog.js';
import { count, el, percent } from '../dom.js';
import { move as moveOne, VERBS } from '../verbs.js';

/** @import { Endpoint } from '../types.d.ts' */
/** @import { Verb } from '../verbs.js' */

const AT_ONCE = 4;
const NAMED = 12;

/**
 * Asks. Resolves with whether it shall be done; Escape says no.
 * @param {Verb} verb
 * @param {Endpoint[]} endpoints
 * @returns {Promise<boolean>}
 */
export function confirmMove(verb, endpoints) {
  const { title, text, look } = VERBS[verb];
  const what = endpoints[0] && endpoints.length === 1 ? endpoints[0].id : `${count(endpoints.length)} endpoints`;
  const names = endpoints.slice(0, NAMED).map(({ id }) => el('li', {}, id));
  if (endpoints.length > NAMED) names.push(el('li', {}, `and ${count(endpoints.length - NAMED)} more`));
  const no = el('button', { value: 'no', className: 'quiet' }, 'Cancel');
  const yes = el('button', { value: 'yes', className: look }, `${title} ${what}`);
  const content = [
    el('p', {}, text),
    endpoints.length === 1 ? null : el('ul', {}, ...names),
    el('form', { method: 'dialog', className: 'actions' }, no, yes),
  ];
  return new Promise((resolve) => openDialog(`${title} ${what}?`, content, no, (value) => resolve(value === 'yes')));
}

/**
 * Does it, telling in `box` how far it is and what failed. Always resolves.
 * @param {Verb} verb
 * @param {Endpoint[]} endpoints
 * @param {HTMLElement} box
 */
export async function moveAll(verb, endpoints, box) {
  const { done } = VERBS[verb];
  const meter = el('progress', { max: endpoints.length, value: 0, 'aria-label': `${done} so far` });
  const line = el('p', {}, `0 of ${count(endpoints.length)} ${done}`);
  const failures = el('ul', { className: 'failures' });
  box.replaceChildren(meter, line, failures);
  const waiting = [...endpoints];
  let failed = 0;
  let ended = 0;
  const work = async () => {
    for (let e = waiting.shift(); e !== undefined; e = waiting.shift()) {
      try {
        await moveOne(verb, e.id);
      } catch (error) {
        failed++;
        failures.append(el('li', {}, `✕ ${e.id}: ${/** @type {Error} */ (error).message}`));
      }
      meter.value = ++ended;
      line.textContent = `${count(ended - failed)} of ${count(endpoints.length)} ${done}${failed > 0 ? `, ${count(failed)} failed` : ''}`;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  meter.remove();
  line.textContent = `${failed > 0 ? '▲' : '●'} ${line.textContent}`;
}

/**
 * What can be done with what is chosen, and the way back of what is draining: buttons and words.
 * @param {object} state
 * @param {number} state.all endpoints there are
 * @param {number} state.chosen
 * @param {Endpoint[]} state.serving of the chosen
 * @param {Endpoint[]} state.draining of all
 * @param {((verb: Verb, endpoints: Endpoint[]) => void) | null} state.move null = not now
 */
export function moves({ all, chosen, serving, draining, move }) {
  const button = (/** @type {Verb} */ verb, /** @type {Endpoint[]} */ which, /** @type {string} */ words) =>
    el(
      'button',
      {
        type: 'button',
        className: verb === 'drain' ? 'danger' : 'quiet',
        disabled: move === null,
        onclick: () => move?.(verb, which),
      },
      words,
    );
  const text = (/** @type {string} */ words) => el('p', { className: 'quiet-text' }, words);
  const these = serving.length === 1 ? 'this endpoint' : `these ${count(serving.length)} endpoints`;
  const parts = [];
  if (chosen === 0) parts.push(text('Nothing is chosen.'));
  else if (serving.length === 0) parts.push(text('All that is chosen is draining already.'));
  else parts.push(button('drain', serving, `Drain ${these}`));
  if (draining.length > 0) {
    const those = draining.length === 1 ? 'the one that is' : `the ${count(draining.length)} that are`;
    const share = percent(draining.length / Math.max(1, all));
    parts.push(button('enable', draining, `Enable ${those} draining`));
    parts.push(text(`${count(draining.length)} draining now (${share} of all endpoints).`));
  }
  return parts;
}
