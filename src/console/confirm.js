// Asks before an endpoint is drained or enabled: what it does, what it takes away now, then how it went, in one dialog that stays
// until it is read.

import { hasDialog, openDialog } from './dialog.js';
import { count, el, percent, rate, setText } from './dom.js';
import { store } from './store.js';
import { move, VERBS, verbFor } from './verbs.js';

/** @import { Endpoint } from './types.d.ts' */

/** Opens the dialog. */
export function confirmMove(/** @type {string} */ id) {
  const endpoint = store.endpointById(id);
  if (endpoint === null || hasDialog()) return;
  const verb = verbFor(endpoint);
  const { title, look, text } = VERBS[verb];
  const isDrain = verb === 'drain';
  const outcome = el('p', { role: 'status', className: 'result' });
  const act = el('button', { type: 'button', className: look }, title);
  const close = el('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const now = el('p', { className: 'quiet-text' });

  let isDone = false;
  let isAsking = false;
  const tell = () => {
    const e = store.endpointById(id);
    act.disabled = isAsking || e === null;
    if (e === null) return setText(now, 'It is not in the configuration any more.');
    const meanwhile = !isDone && verbFor(e) !== verb ? ` It has been ${VERBS[verb].done} meanwhile.` : '';
    setText(
      now,
      `Now: ${percent(e.share)} of the requests of pool ${e.pool}, ${rate(e.rps)} a second, ${count(e.inflight)} in flight.${meanwhile}`,
    );
    if (isDone && isDrain) setText(outcome, drained(e));
  };
  act.addEventListener('click', async () => {
    isAsking = true;
    act.disabled = true;
    outcome.className = 'result';
    setText(outcome, isDrain ? 'Draining …' : 'Enabling …');
    try {
      await move(verb, id);
      isDone = true;
      outcome.className = 'result good';
      setText(
        outcome,
        isDrain
          ? 'Taken out: nothing new goes there.'
          : 'Enabled: it takes requests again as its probes and its score allow.',
      );
      act.remove();
      setText(close, 'Close');
      close.focus();
    } catch (error) {
      outcome.className = 'result failed';
      setText(outcome, `That did not work: ${/** @type {Error} */ (error).message}.`);
      isAsking = false;
      setText(act, 'Try again');
      tell();
      if (!dialog.querySelector(':focus')) act.focus(); // a button that is disabled loses it
    }
  });
  const leave = [store.on('tick', tell), store.on('hello', tell)];
  tell();
  const others = isDrain ? othersText(endpoint) : null;
  const dialog = openDialog(
    `${title} ${id}?`,
    [
      el('div', { className: 'cards tight' }, el('p', {}, text), others, now, outcome),
      el('div', { className: 'actions' }, close, act),
    ],
    close,
    () => {
      for (const end of leave) end();
    },
  );
}

/** Who is left. @param {Endpoint} endpoint */
function othersText({ id, pool }) {
  const others = store.endpoints.filter((other) => other.pool === pool && other.id !== id && other.state === 'healthy');
  if (others.length === 0) {
    const words = `No other endpoint of pool ${pool} is healthy: its requests would have nowhere to go.`;
    return el('p', { className: 'note bad' }, words);
  }
  const preview = el(
    'a',
    { href: `#/evacuate?endpoint=${encodeURIComponent(id)}` },
    'Preview where its requests would go',
  );
  preview.addEventListener('click', () => /** @type {HTMLDialogElement | null} */ (preview.closest('dialog'))?.close());
  return el(
    'p',
    {},
    `${others.length} other healthy ${others.length === 1 ? 'endpoint takes' : 'endpoints take'} its share. `,
    preview,
  );
}

/** @param {Endpoint} endpoint */
function drained({ inflight, state }) {
  if (state !== 'draining') return 'Taken out: nothing new goes there.';
  return inflight === 0
    ? 'Draining: nothing new goes there, and nothing is under way.'
    : `Draining: nothing new goes there; ${count(inflight)} still under way.`;
}
