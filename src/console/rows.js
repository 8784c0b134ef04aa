// What rows of every table do: the arrows walk over them, and what is cut is told whole.

/** The arrows go from a row's link to the next one's. For `keydown`. */
export function walk(/** @type {KeyboardEvent} */ event) {
  const row = event.target instanceof Element ? event.target.closest('tr') : null;
  const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
  const link = next?.querySelector('a');
  if (!link) return;
  event.preventDefault();
  link.focus();
}

/** The pointer is told the whole of a cell that is cut, where its title is nothing else. For `pointerover`. */
export function tellWhole(/** @type {Event} */ { target }) {
  const cell = target instanceof Element ? target.closest('td') : null;
  if (cell === null || (cell.title !== '' && cell.dataset.whole !== cell.title)) return;
  const parts = [cell, ...cell.querySelectorAll('a')];
  cell.title = parts.some((part) => part.scrollWidth > part.clientWidth) ? (cell.textContent ?? '') : '';
  cell.dataset.whole = cell.title;
}
