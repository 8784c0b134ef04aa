// @ts-check
// Dots that run along the bows, the quicker the shorter the way: the widest ones only. A picture of their own above the land, moved
// some times a second by a timer: as an animation of the style sheet they had the whole map painted sixty times a second,
// half a core where there is no graphics card. Nothing moves while nobody sees it, or for who wants no motion.

import { svg } from '../dom.js';
import { set } from './attribute.js';

/** @import { Look, Mark } from './picture.js' */

/** More would be unrest. */
const MOVING = 12;
const STEP_MS = 150;
/** From dot to dot; as in map.css. */
const GAP_PX = 13.1;
/** What a dot takes for that way, by class of RTT. */
const PACES_MS = [900, 1500, 2400, 3600, 5500];

export function createFlows() {
  const root = svg('svg', { class: 'map-flows', 'aria-hidden': 'true' });
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  /** @type {{ flow: SVGPathElement, paceMs: number }[]} */
  let moving = [];
  let isSeen = true;
  const timer = setInterval(() => {
    if (!isSeen || still.matches || document.hidden) return;
    const nowMs = performance.now();
    for (const { flow, paceMs } of moving) {
      set(flow, 'stroke-dashoffset', (-GAP_PX * ((nowMs / paceMs) % 1)).toFixed(1));
    }
  }, STEP_MS);
  return {
    root,
    /** @param {{ mark: Mark, look: Look }[]} drawn */
    update(drawn) {
      const order = drawn.toSorted((a, b) => b.look.width - a.look.width);
      moving = [];
      for (const { mark, look } of order) {
        const { flow } = mark;
        const moves = moving.length < MOVING && look.width > 0;
        set(flow, 'class', moves ? `flow rtt-${look.speed}` : 'flow is-still');
        if (!moves) continue;
        set(flow, 'stroke-width', Math.max(1.2, Math.round(look.width) / 2));
        const paceMs = PACES_MS[look.speed === 'unknown' ? PACES_MS.length - 1 : look.speed] ?? STEP_MS;
        moving.push({ flow, paceMs });
      }
    },
    /** Whether the map is in sight. */
    see(/** @type {boolean} */ isInSight) {
      isSeen = isInSight;
    },
    destroy: () => clearInterval(timer),
  };
}
