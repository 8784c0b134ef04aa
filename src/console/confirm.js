// Asks before an endpoint is drained or enabled: what it does, what it takes away now, then how it went, in one dialog that stays
// until it is read.

import * as api from './api.js';
import { count, el, percent, rate, setText } from './dom.js';
import { store } from './store.js';

/** @import { Endpoint } from './types.d.ts' */

/** Whether the step that makes sense for it is to enable it. */
export function isDrained(/** @type {Endpoint} */ { state }) {
  return state === 'draining';
}

/** Opens the dialog. Whoever had the focus has it again afterwards. */
export function confirmMove(/** @type {string} */ id) {
  const endpoint = store.endpointById(id);
  if (endpoint === null || document.querySelector('dialog[open]')) return;
  const isDrain = !isDrained(endpoint);
  const before = document.activeElement;
  const outcome = el('p', { role: 'status', className: 'result' });
  const act = el('button', { type: 'button', className: isDrain ? 'danger' : 'primary' }, isDrain ? 'Drain' : 'Enable');
  const close = el('button', { type: 'button' }, 'Cancel');
  const title = el('h2', { id: 'confirm-title' }, `${isDrain ? 'Drain' : 'Enable'} ${id}?`);
  const now = el('p', { className: 'quiet-text' });
  const dialog = el(
    'dialog',
    { 'aria-labelledby': 'confirm-title', className: 'confirm' },
    title,
    el('div', { className: 'cards tight' }, isDrain ? drainText(endpoint) : enableText(endpoint), now, outcome),
    el('div', { className: 'actions' }, close, act),
  );

  let isDone = false;
  let isAsking = false;
  const tell = () => {
    const e = store.endpointById(id);
    act.disabled = isAsking || e === null;
    if (e === null) return setText(now, 'It is not in the configuration any more.');
    setText(
      now,
      `Now: ${percent(e.share)} of the requests of pool ${e.pool}, ${rate(e.rps)} a second, ${count(e.inflight)} in flight.`,
    );
    if (isDone && isDrain) setText(outcome, drained(e));
  };
  act.addEventListener('click', async () => {
    isAsking = true;
    act.disabled = true;
    outcome.className = 'result';
    setText(outcome, isDrain ? 'Draining …' : 'Enabling …');
    try {
      await api.post(`/api/v1/endpoints/${encodeURIComponent(id)}/${isDrain ? 'drain' : 'enable'}`);
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
  close.addEventListener('click', () => dialog.close());
  const leave = [store.on('tick', tell), store.on('hello', tell)];
  dialog.addEventListener('close', () => {
    for (const end of leave) end();
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
  });
  tell();
  document.body.append(dialog);
  dialog.showModal();
  close.focus(); // Enter by habit changes nothing
}

/** @param {Endpoint} endpoint */
function drainText({ id, pool }) {
  const others = store.endpoints.filter((other) => other.pool === pool && other.id !== id && other.state === 'healthy');
  const preview = el(
    'a',
    { href: `#/evacuate?endpoint=${encodeURIComponent(id)}` },
    'Preview where its requests would go',
  );
  preview.addEventListener('click', () => /** @type {HTMLDialogElement | null} */ (preview.closest('dialog'))?.close());
  return [
    el(
      'p',
      {},
      'New requests go to the other endpoints of its pool. Requests under way end as they began. It stays out until it is enabled again.',
    ),
    others.length > 0
      ? el(
          'p',
          {},
          `${others.length} other healthy ${others.length === 1 ? 'endpoint takes' : 'endpoints take'} its share. `,
          preview,
        )
      : el(
          'p',
          { className: 'note bad' },
          `No other endpoint of pool ${pool} is healthy: its requests would have nowhere to go.`,
        ),
  ];
}

/** @param {Endpoint} endpoint */
function enableText({ pool }) {
  return [
    el(
      'p',
      {},
      `It becomes a candidate of pool ${pool} again, with a slow start, as soon as its probes say that it is healthy.`,
    ),
  ];
}

/** @param {Endpoint} endpoint */
function drained({ inflight, state }) {
  if (state !== 'draining') return 'Taken out: nothing new goes there.';
  return inflight === 0
    ? 'Draining: nothing new goes there, and nothing is under way.'
    : `Draining: nothing new goes there; ${count(inflight)} still under way.`;
}
