// @ts-check
// A small, still map for one answer: where the client is, the edge, the candidates, and the way that its request would take.

import { svg } from '../dom.js';
import { arcPath, rttClass } from './arcs.js';
import { EDGE, GLYPHS } from './glyphs.js';
import { createLand } from './land.js';
import { project } from './projection.js';
import { HEIGHT, WIDTH } from './world.js';

/** Least part of the world that is shown, units across; its height is half of that. */
const LEAST_WIDTH = 560;
/** Around what has to be seen, units. */
const MARGIN = 90;
/** Signs are drawn for a picture so many units across, and grow with it. */
const SIGN_WIDTH = 560;

/** @import { LatLon, State } from '../types.d.ts' */
/** @typedef {{ x: number, y: number }} Point in units */

/**
 * @param {object} answer
 * @param {LatLon | null} answer.client
 * @param {LatLon | null} answer.edge
 * @param {LatLon | null} answer.chosen
 * @param {(LatLon & { id: string, state: State, isChosen: boolean })[]} answer.candidates
 * @param {number | null} answer.rttMs of the chosen one's network
 * @param {boolean} answer.isDirect the client goes there itself
 * @param {string} answer.label the picture in words
 */
export function smallMap({ client, edge, chosen, candidates, rttMs, isDirect, label }) {
  const at = (/** @type {LatLon | null} */ point) => {
    if (!point) return null;
    const [x, y] = project(point.latDeg, point.lonDeg);
    return { x, y };
  };
  const [clientAt, edgeAt, chosenAt] = [at(client), at(edge), at(chosen)];
  const view = viewOf([clientAt, edgeAt, chosenAt].filter((point) => point !== null));
  const scale = view.width / SIGN_WIDTH;
  const viewBox = `${view.x} ${view.y} ${view.width} ${view.width / 2}`;
  const picture = svg('svg', { class: 'small-map', viewBox, role: 'img', 'aria-label': label });
  picture.append(createLand().group);
  const way = (/** @type {Point | null} */ from, /** @type {Point | null} */ to, /** @type {string} */ className) => {
    if (from && to && Math.hypot(from.x - to.x, from.y - to.y) > 8) {
      picture.append(svg('path', { class: className, d: arcPath(from, to), 'vector-effect': 'non-scaling-stroke' }));
    }
  };
  for (const candidate of candidates.toSorted((a, b) => Number(a.isChosen) - Number(b.isChosen))) {
    const [x, y] = project(candidate.latDeg, candidate.lonDeg);
    const path = svg('path', {
      d: GLYPHS[candidate.state] ?? GLYPHS.unknown,
      'fill-rule': 'evenodd',
      class: `dot is-${candidate.state}${candidate.isChosen ? ' is-chosen' : ''}`,
    });
    path.setAttribute(
      'transform',
      `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${((candidate.isChosen ? 1.25 : 0.85) * scale).toFixed(2)})`,
    );
    path.append(svg('title', {}, candidate.id));
    picture.append(path);
  }
  if (!isDirect) way(clientAt, edgeAt, 'arc to-edge');
  way(isDirect ? clientAt : edgeAt, chosenAt, `arc rtt-${rttClass(rttMs) ?? 'unknown'}`);
  if (edgeAt && !isDirect) picture.append(sign('home', svg('path', { class: 'lozenge', d: EDGE }), edgeAt, scale));
  if (clientAt) picture.append(sign('client-sign', svg('circle', { class: 'client', r: 5.5 }), clientAt, scale));
  return picture;
}

/**
 * @param {string} className
 * @param {SVGElement} shape
 * @param {Point} at
 * @param {number} scale
 */
function sign(className, shape, { x, y }, scale) {
  return svg(
    'g',
    { class: className, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${scale.toFixed(2)})` },
    shape,
  );
}

/** The part of the world that has all of `points` in it, twice as wide as high; the whole when there is nothing to see. */
function viewOf(/** @type {Point[]} */ points) {
  if (points.length === 0) return { x: 0, y: 0, width: WIDTH };
  const [left, right] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  const [top, bottom] = [Math.min(...points.map(({ y }) => y)), Math.max(...points.map(({ y }) => y))];
  const wanted = Math.max(right - left + 2 * MARGIN, 2 * (bottom - top + 2 * MARGIN), LEAST_WIDTH);
  const width = Math.min(WIDTH, wanted);
  const x = Math.min(Math.max(0, (left + right - width) / 2), WIDTH - width);
  const y = Math.min(Math.max(0, (top + bottom - width / 2) / 2), Math.max(0, HEIGHT - width / 2));
  return { x: Math.round(x), y: Math.round(y), width: Math.round(width) };
}
