// @ts-check
// What is drawn of the fleet: a glyph for an endpoint that stands alone, a ring of states with a number where several stand
// together, a bow from the edge to each. Elements are made when places change and then only altered: a tick of 300 endpoints
// is some hundred comparisons.

import { ms, percent, rate, setText, svg } from '../dom.js';
import { arcPath, arcWidth, rttClass } from './arcs.js';
import { set } from './attribute.js';
import { GLYPHS, HOME, OTHER_EDGE, STATES } from './glyphs.js';
import { keyOf } from './places.js';

/** Of a place's ring. */
const RING_PX = 9;
/** A finger's or pointer's target. */
const TARGET_PX = 13;

/** @import { Endpoint, FleetView } from '../types.d.ts' */
/** @import { Place } from './places.js' */

/**
 * Sums over a place's endpoints.
 * @typedef {object} Summary
 * @property {number} rps
 * @property {number} inflight
 * @property {number | null} rttMs mean of what is known, by requests where there are any
 * @property {Record<string, number>} counts of endpoints, by state
 * @property {import('../types.d.ts').State} worst
 */

/**
 * Elements of one place, and what was last said of it.
 * @typedef {object} Mark
 * @property {Place} place
 * @property {SVGPathElement} arc
 * @property {SVGPathElement} flow
 * @property {SVGGElement} group
 * @property {{ shape: SVGPathElement } | { ring: SVGCircleElement[], number: SVGTextElement, badge: SVGPathElement }} signs of one endpoint, or of several
 * @property {Summary | null} summary
 * @property {boolean} isPointed
 */

/** @returns {Mark} */
export function createMark(/** @type {Place} */ place) {
  const arc = svg('path', { class: 'arc' });
  const flow = svg('path', { class: 'flow' });
  const isOne = place.members.length === 1;
  const group = svg(
    'g',
    { class: isOne ? 'place' : 'place is-many', role: 'button', tabindex: -1, 'data-key': keyOf(place) },
    svg('circle', { class: 'target', r: TARGET_PX }),
  );
  const add = (/** @type {SVGElement} */ part) => group.appendChild(part);
  const common = { place, arc, flow, group, summary: null, isPointed: false };
  if (isOne) {
    const shape = svg('path', { class: 'shape', 'fill-rule': 'evenodd' });
    add(shape);
    return { ...common, signs: { shape } };
  }
  add(svg('circle', { class: 'plate', r: RING_PX + 2.5 }));
  const ring = STATES.map((state) => svg('circle', { class: `part is-${state}`, r: RING_PX, pathLength: 100 }));
  const number = svg('text', { class: 'number' });
  const badge = svg('path', { class: 'badge-shape', 'fill-rule': 'evenodd' });
  for (const part of [...ring, number, badge]) add(part);
  return { ...common, signs: { ring, number, badge } };
}

/**
 * Where it is and where its bow begins; `home` null = there is no bow, since nobody knows from where.
 * @param {Mark} mark
 * @param {{ x: number, y: number } | null} home
 */
export function placeMark(mark, home) {
  const { x, y } = mark.place;
  set(mark.group, 'transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  const path = home && Math.hypot(home.x - x, home.y - y) > RING_PX ? arcPath(home, mark.place) : null;
  set(mark.arc, 'd', path);
  set(mark.flow, 'd', path);
}

/**
 * @param {Place} place
 * @param {Endpoint[]} endpoints
 */
export function summaryOf(place, endpoints) {
  /** @type {Summary} */
  const sum = { rps: 0, inflight: 0, rttMs: null, counts: {}, worst: 'healthy' };
  let weight = 0;
  let weighted = 0;
  for (const index of place.members) {
    const e = endpoints[index];
    if (!e) continue;
    sum.rps += e.rps;
    sum.inflight += e.inflight;
    sum.counts[e.state] = (sum.counts[e.state] ?? 0) + 1;
    if (e.networkMs === null) continue;
    weight += e.rps + 1e-6;
    weighted += (e.rps + 1e-6) * e.networkMs;
  }
  if (weight > 0) sum.rttMs = weighted / weight;
  sum.worst = STATES.find((state) => sum.counts[state]) ?? 'unknown';
  return sum;
}

/** @typedef {{ width: number, speed: number | 'unknown' }} Look of a bow: pixels, and its class of RTT */

/**
 * Brings a mark up to date; `totalRps` is what the edge sends to all of them.
 * @param {Mark} mark
 * @param {Summary} summary
 * @param {number} totalRps
 * @returns {Look}
 */
export function updateMark(mark, summary, totalRps) {
  mark.summary = summary;
  if ('shape' in mark.signs) {
    set(mark.signs.shape, 'd', GLYPHS[summary.worst]);
    set(mark.signs.shape, 'class', `shape is-${summary.worst}`);
  } else updateRing(mark.signs, mark.place.members.length, summary);
  const share = totalRps > 0 ? summary.rps / totalRps : 0;
  const width = arcWidth(share);
  const speed = rttClass(summary.rttMs) ?? 'unknown';
  const isIdle = width === 0;
  set(mark.arc, 'class', `arc ${isIdle ? 'is-idle' : `rtt-${speed}`}${mark.isPointed ? ' is-pointed' : ''}`);
  set(mark.arc, 'stroke-width', isIdle ? 1 : width);
  return { width, speed };
}

/**
 * @param {{ ring: SVGCircleElement[], number: SVGTextElement, badge: SVGPathElement }} signs
 * @param {number} size endpoints
 * @param {Summary} summary
 */
function updateRing({ ring, number, badge }, size, { counts, worst }) {
  let done = 0;
  ring.forEach((part, i) => {
    const length = (100 * (counts[STATES[i] ?? ''] ?? 0)) / size;
    set(part, 'stroke-dasharray', length > 0 ? `${length.toFixed(2)} 100` : '0 100');
    set(part, 'stroke-dashoffset', (-done).toFixed(2));
    done += length;
  });
  setText(number, String(size));
  set(badge, 'd', worst === 'healthy' ? null : GLYPHS[worst]);
  set(badge, 'class', `badge-shape is-${worst}`);
}

/**
 * What the tip and the label say of an endpoint.
 * @returns {[name: string, value: string][]}
 */
export function linesOf(/** @type {Endpoint} */ e) {
  return [
    ['state', `${e.state}${e.why ? `: ${e.why}` : ''}`],
    ['place', e.region ?? 'no region'],
    ['network', `${ms(e.networkMs)} ms`],
    ['server', `${ms(e.serverMs)} ms`],
    ['score', `${ms(e.scoreMs)} ms`],
    ['share', `${percent(e.share)} of ${e.pool}`],
    ['requests', `${rate(e.rps)}/s, ${e.inflight} in flight`],
  ];
}

/**
 * A place as a sentence, for a screen reader.
 * @param {Place} place
 * @param {Summary} summary
 * @param {Endpoint[]} endpoints
 */
export function labelOf(place, summary, endpoints) {
  const e = endpoints[place.members[0] ?? -1];
  if (!e) return '';
  if (place.members.length === 1) {
    const lines = linesOf(e).map(([name, value]) => `${name} ${value}`);
    return `${e.id}: ${lines.join(', ')}`;
  }
  const states = STATES.filter((state) => summary.counts[state]).map((state) => `${summary.counts[state]} ${state}`);
  const numbers = `${rate(summary.rps)} requests per second, network ${ms(summary.rttMs)} ms`;
  return `${place.members.length} endpoints around ${e.region ?? e.id}: ${states.join(', ')}, ${numbers}`;
}

export function homeMark() {
  return svg(
    'g',
    { class: 'home' },
    svg('circle', { class: 'halo', r: 25 }),
    svg('path', { class: 'lozenge', d: HOME }),
    svg('title', {}, 'this edge'),
  );
}

export function otherMark(/** @type {FleetView['nodes'][number]} */ node) {
  const title = `edge ${node.node}${node.region ? `, ${node.region}` : ''}`;
  return svg('g', { class: 'other-edge' }, svg('path', { d: OTHER_EDGE }), svg('title', {}, title));
}
