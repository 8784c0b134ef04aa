// @ts-check
// One shape for each state of an endpoint, so that colour is never the only sign: a full disc serves, a ring is not known yet,
// a cross is down, a triangle was put out for its failures, a half disc is leaving. Drawn around (0, 0), about 14 px across.

import { svg } from '../dom.js';

/** @typedef {import('../types.d.ts').State} State */

/** Worst first: what a place with several endpoints is judged by. */
export const STATES = /** @type {State[]} */ (['unhealthy', 'ejected', 'draining', 'unknown', 'healthy']);

export const GLYPHS = /** @type {Record<State, string>} */ ({
  healthy: 'M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z',
  unknown: 'M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0zM-3 0a3 3 0 1 1 6 0a3 3 0 1 1-6 0z',
  unhealthy: 'M-5.7-3.4-3.4-5.7 0-2.3 3.4-5.7 5.7-3.4 2.3 0 5.7 3.4 3.4 5.7 0 2.3-3.4 5.7-5.7 3.4-2.3 0z',
  ejected: 'M0-6.4 6.4 5.1H-6.4z',
  draining: 'M-5.5 0a5.5 5.5 0 1 0 11 0zM-5.5-1.2a5.5 5.5 0 0 1 11 0h-1.7a3.9 3.9 0 0 0-7.6 0z',
});

/** What the edge itself is shown as: a lozenge, and a smaller one for the other nodes of the fleet. */
export const EDGE = 'M0-8.5 8.5 0 0 8.5-8.5 0z';
/** On the map endpoints may stand at the same place: so large that it shows around them. */
export const HOME = 'M0-19 19 0 0 19-19 0z';
export const OTHER_EDGE = 'M0-6 6 0 0 6-6 0zM0-3.2-3.2 0 0 3.2 3.2 0z';

/**
 * A little picture of a state, for legends and lists; says nothing to a screen reader, the word beside it does.
 * @param {State} state
 */
export function glyph(state, className = 'glyph') {
  const path = svg('path', { d: GLYPHS[state] ?? GLYPHS.unknown, 'fill-rule': 'evenodd' });
  return svg('svg', { class: `${className} is-${state}`, viewBox: '-8 -8 16 16', 'aria-hidden': 'true' }, path);
}
