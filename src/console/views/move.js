// @ts-check
// Draining or enabling several endpoints: asked once, then one POST each, a few at a time, with every failure told by name.

import { count, el } from '../dom.js';

/** @import { Endpoint } from '../types.d.ts' */
/** @typedef {'drain' | 'enable'} Verb */

const AT_ONCE = 4;
const NAMED = 12;
const WORDS = {
  drain: {
    title: 'Drain',
    done: 'drained',
    text: 'No new requests go there; those in flight are finished. It holds until they are enabled again or the node restarts.',
  },
  enable: {
    title: 'Enable',
    done: 'enabled',
    text: 'They get requests again once their probes say that they are well.',
  },
};

/**
 * Asks. Resolves with whether it shall be done; Escape says no.
 * @param {Verb} verb
 * @param {Endpoint[]} endpoints
 * @returns {Promise<boolean>}
 */
export function confirmMove(verb, endpoints) {
  const { title, text } = WORDS[verb];
  const what = endpoints[0] && endpoints.length === 1 ? endpoints[0].id : `${count(endpoints.length)} endpoints`;
  const names = endpoints.slice(0, NAMED).map(({ id }) => el('li', {}, id));
  if (endpoints.length > NAMED) names.push(el('li', {}, `and ${count(endpoints.length - NAMED)} more`));
  const dialog = el(
    'dialog',
    { className: 'confirm', 'aria-label': `${title} ${what}?` },
    el('h2', {}, `${title} ${what}?`),
    el('p', {}, text),
    endpoints.length === 1 ? null : el('ul', {}, ...names),
    el(
      'form',
      { method: 'dialog', className: 'actions' },
      el('button', { value: 'no', className: 'quiet' }, 'Cancel'),
      el('button', { value: 'yes', className: verb === 'drain' ? 'danger' : '' }, `${title} ${what}`),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector('button')?.focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
  });
}

/**
 * Does it, telling in `box` how far it is and what failed. Always resolves.
 * @param {import('../types.d.ts').Context['api']} api
 * @param {Verb} verb
 * @param {Endpoint[]} endpoints
 * @param {HTMLElement} box
 */
export async function moveAll(api, verb, endpoints, box) {
  const { done } = WORDS[verb];
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
        await api.post(`/api/v1/endpoints/${encodeURIComponent(e.id)}/${verb}`);
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
