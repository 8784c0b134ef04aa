// @ts-check
// What the map says of a place: a tip while it is pointed at or focused, and a list to choose from where several endpoints
// stand together. The tip is a picture of what the place's label says to a screen reader, so it is hidden from that.

import { el, ms, percent, rate } from '../dom.js';
import { glyph, STATES } from './glyphs.js';
import { linesOf } from './picture.js';

/** @import { Endpoint } from '../types.d.ts' */
/** @import { Place } from './places.js' */

const GAP_PX = 14;
const TIP_MOST = 6;

/**
 * Worst first, then the busiest.
 * @param {Place} place
 * @param {Endpoint[]} endpoints
 */
function ordered({ members }, endpoints) {
  return members
    .flatMap((index) => endpoints[index] ?? [])
    .sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || b.rps - a.rps || a.id.localeCompare(b.id));
}

export function createTip(/** @type {HTMLElement} */ root) {
  const box = el('div', { className: 'map-tip', hidden: true, 'aria-hidden': 'true' });
  root.append(box);
  return {
    show(/** @type {Place} */ place, /** @type {Endpoint[]} */ endpoints) {
      const all = ordered(place, endpoints);
      box.replaceChildren(...(all.length === 1 ? all.flatMap(oneOf) : manyOf(all)));
      box.hidden = false;
      put(box, root, place);
    },
    hide() {
      box.hidden = true;
    },
  };
}

/** @returns {HTMLElement[]} */
function oneOf(/** @type {Endpoint} */ e) {
  const facts = linesOf(e).map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
  return [el('strong', {}, glyph(e.state), e.id), el('dl', {}, ...facts)];
}

/** @returns {HTMLElement[]} */
function manyOf(/** @type {Endpoint[]} */ all) {
  const rows = all
    .slice(0, TIP_MOST)
    .map((e) =>
      el(
        'li',
        {},
        glyph(e.state),
        el('span', {}, e.id),
        el('span', {}, `${ms(e.networkMs)} ms`),
        el('span', {}, `${rate(e.rps)}/s`),
      ),
    );
  const more = all.length - rows.length;
  const title = `${all.length} endpoints · ${rate(all.reduce((sum, e) => sum + e.rps, 0))} requests/s`;
  return [
    el('strong', {}, title),
    el('ul', {}, ...rows),
    el('p', {}, more > 0 ? `and ${more} more; Enter lists them` : 'Enter lists them'),
  ];
}

/**
 * Beside the place, on the side that has room.
 * @param {HTMLElement} box
 * @param {HTMLElement} root
 * @param {Place} place
 */
function put(box, root, { x, y }) {
  const { clientWidth, clientHeight } = root;
  const { offsetWidth, offsetHeight } = box;
  const left = x + GAP_PX + offsetWidth < clientWidth ? x + GAP_PX : Math.max(4, x - GAP_PX - offsetWidth);
  const top = Math.min(Math.max(4, y - offsetHeight / 2), Math.max(4, clientHeight - offsetHeight - 4));
  box.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

/**
 * A panel with a button for each endpoint of a place. `onClose` when it was left without a choice.
 * @param {HTMLElement} root
 * @param {{ onSelect: (endpoint: Endpoint) => void, onClose: () => void, onZoom: (place: Place) => void }} handlers
 */
export function createList(root, { onSelect, onClose, onZoom }) {
  const box = el('div', {
    className: 'map-list',
    hidden: true,
    role: 'dialog',
    'aria-label': 'Endpoints at this place',
  });
  root.append(box);
  const close = () => {
    if (box.hidden) return;
    box.hidden = true;
    onClose();
  };
  const zoom = (/** @type {Place} */ place) => {
    close();
    onZoom(place);
  };
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      close();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const buttons = /** @type {HTMLElement[]} */ ([...box.querySelectorAll('li button')]);
      const at =
        buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + (event.key === 'ArrowDown' ? 1 : -1);
      buttons[(at + buttons.length) % buttons.length]?.focus();
    }
  });
  return {
    open(/** @type {Place} */ place, /** @type {Endpoint[]} */ endpoints) {
      const rows = ordered(place, endpoints).map((e) =>
        el(
          'li',
          {},
          el(
            'button',
            { type: 'button', onclick: () => onSelect(e), title: e.why },
            glyph(e.state),
            el('span', { className: 'id' }, e.id),
            el('span', { className: 'state-word' }, e.state),
            el('span', {}, `${ms(e.networkMs)} ms`),
            el('span', {}, percent(e.share)),
          ),
        ),
      );
      const head = el(
        'div',
        { className: 'map-list-head' },
        el('strong', {}, `${rows.length} endpoints here`),
        el('button', { type: 'button', onclick: () => zoom(place) }, 'Zoom in'),
        el('button', { type: 'button', 'aria-label': 'Close', onclick: close }, '×'),
      );
      box.replaceChildren(head, el('ul', {}, ...rows));
      box.hidden = false;
      put(box, root, place);
      /** @type {HTMLElement | null} */ (box.querySelector('li button'))?.focus();
    },
    close,
    isOpen: () => !box.hidden,
    contains: (/** @type {Node} */ node) => box.contains(node),
  };
}
