// What every dialog of the console is: named by its heading, closed by Escape, gone from the document afterwards, and the focus
// back where it was.

import { $, el } from './dom.js';

/** Whether one is open: another is not opened over it, and keys are its own. */
export function hasDialog() {
  return document.querySelector('dialog[open]') !== null;
}

/**
 * Opens a dialog with a heading over `content`. `first` has the focus: what changes nothing, since Enter comes by habit.
 * `onClose` gets the value of the button that closed it, '' after Escape.
 * @param {string} title
 * @param {import('./dom.js').Child[]} content
 * @param {HTMLElement} first
 * @param {(value: string) => void} [onClose]
 */
export function openDialog(title, content, first, onClose = () => {}) {
  const before = document.activeElement;
  const dialog = el('dialog', { 'aria-labelledby': 'dialog-title' }, el('h2', { id: 'dialog-title' }, title), content);
  dialog.addEventListener('close', () => {
    dialog.remove();
    const isThere = before instanceof HTMLElement && before.isConnected;
    // A row may have gone meanwhile: then to the page, and not to its very beginning.
    (isThere ? before : $('#main')).focus({ preventScroll: true });
    onClose(dialog.returnValue);
  });
  document.body.append(dialog);
  dialog.showModal();
  first.focus();
  return dialog;
}
