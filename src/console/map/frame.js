// @ts-check
// What part of the world is seen: pixels per unit and where the unit grid begins. Zooming by buttons, double click, pinch or
// Ctrl and the wheel (the bare wheel scrolls the page), moving by dragging; a picture that nobody moved shows the whole fleet.

import { HEIGHT, WIDTH } from './world.js';

const MAX_ZOOM = 10;
const STEP = 1.6;
/** Around what is fitted, pixels. */
const PADDING_PX = 48;
/** A fleet is shown closer only if that is worth it: else the world is. */
const WORTH = 1.25;
const CLICK_PX = 4;

/** @typedef {{ k: number, x: number, y: number, width: number, height: number }} Seen pixels per unit; where the grid begins; pixels */

/**
 * `onChange` is called after every change of the view. The caller tells the size.
 * @param {HTMLElement} surface
 * @param {() => void} onChange
 */
export function createFrame(surface, onChange) {
  /** @type {Seen} */
  const view = { k: 1, x: 0, y: 0, width: 0, height: 0 };
  let isMoved = false;
  /** @type {[x: number, y: number][]} */
  let fitted = [];

  const least = () => Math.min(view.width / WIDTH, view.height / HEIGHT);
  const clamp = () => {
    view.k = Math.min(Math.max(view.k, least()), least() * MAX_ZOOM);
    view.x = within(view.x, view.width, WIDTH * view.k);
    view.y = within(view.y, view.height, HEIGHT * view.k);
  };
  const apply = () => {
    clamp();
    surface.classList.toggle('is-zoomed', view.k > least() * 1.01);
    onChange();
  };
  const zoom = (/** @type {number} */ factor, x = view.width / 2, y = view.height / 2) => {
    const before = view.k;
    view.k = Math.min(Math.max(before * factor, least()), least() * MAX_ZOOM);
    view.x = x - ((x - view.x) * view.k) / before;
    view.y = y - ((y - view.y) * view.k) / before;
    isMoved = true;
    apply();
  };
  const showAll = () => {
    isMoved = false;
    Object.assign(view, fitOf(fitted, view, least()));
    apply();
  };

  const owner = new AbortController();
  const { signal } = owner;
  surface.addEventListener(
    'wheel',
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = surface.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 200), event.clientX - box.left, event.clientY - box.top);
    },
    { passive: false, signal },
  );
  surface.addEventListener(
    'dblclick',
    (event) => {
      const box = surface.getBoundingClientRect();
      zoom(STEP * STEP, event.clientX - box.left, event.clientY - box.top);
    },
    { signal },
  );
  dragging(surface, signal, (dx, dy) => {
    if (view.k <= least() * 1.01) return;
    view.x += dx;
    view.y += dy;
    isMoved = true;
    apply();
  });

  return {
    view,
    in: () => zoom(STEP),
    out: () => zoom(1 / STEP),
    showAll,
    /** Zooms to a point of the screen until it is `factor` times as big. */
    to: (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ factor) => {
      view.x += view.width / 2 - x;
      view.y += view.height / 2 - y;
      zoom(factor);
    },
    /**
     * `points` in units: what has to be seen unless somebody moved.
     * @param {number} width
     * @param {number} height
     * @param {[x: number, y: number][]} points
     */
    resize(width, height, points) {
      fitted = points;
      const changed = view.width !== width || view.height !== height;
      Object.assign(view, { width, height });
      if (isMoved && !changed) return apply();
      showAll();
    },
    canZoom: () => view.k < least() * MAX_ZOOM * 0.99,
    destroy: () => owner.abort(),
  };
}

/**
 * Keeps the land in sight: centred when it is smaller than the picture, else without a gap at either side.
 * @param {number} offset
 * @param {number} size
 * @param {number} content
 */
function within(offset, size, content) {
  if (content <= size) return (size - content) / 2;
  return Math.min(0, Math.max(size - content, offset));
}

/**
 * @param {[x: number, y: number][]} points
 * @param {Seen} view
 * @param {number} least
 */
function fitOf(points, { width, height }, least) {
  const world = { k: least, x: 0, y: 0 };
  if (points.length === 0 || width === 0) return world;
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const k = Math.min(
    (width - 2 * PADDING_PX) / Math.max(right - left, 1),
    (height - 2 * PADDING_PX) / Math.max(bottom - top, 1),
    least * 6,
  );
  if (k < least * WORTH) return world;
  return { k, x: width / 2 - (k * (left + right)) / 2, y: height / 2 - (k * (top + bottom)) / 2 };
}

/**
 * A pointer that is down and moves; a click that hardly moved stays a click.
 * @param {HTMLElement} surface
 * @param {AbortSignal} signal
 * @param {(dx: number, dy: number) => void} onMove pixels
 */
function dragging(surface, signal, onMove) {
  /** @type {PointerEvent | null} */
  let last = null;
  let path = 0;
  surface.addEventListener(
    'pointerdown',
    (event) => {
      if (event.button !== 0) return;
      last = event;
      path = 0;
    },
    { signal },
  );
  surface.addEventListener(
    'pointermove',
    (event) => {
      if (last === null || event.pointerId !== last.pointerId) return;
      const dx = event.clientX - last.clientX;
      const dy = event.clientY - last.clientY;
      path += Math.abs(dx) + Math.abs(dy);
      if (path < CLICK_PX) return;
      surface.setPointerCapture(event.pointerId);
      last = event;
      onMove(dx, dy);
    },
    { signal },
  );
  const end = () => {
    last = null;
  };
  surface.addEventListener('pointerup', end, { signal });
  surface.addEventListener('pointercancel', end, { signal });
}
