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
/** So many bows move, the widest; more would be unrest and cost battery. */
const MOVING = 12;

/** Elements of one place, and what was last said of it. */
export function createMark(place) {
  const arc = svg('path', { class: 'arc' });
  const flow = svg('path', { class: 'flow' });
  const isOne = place.members.length === 1;
  const group = svg(
    'g',
    { class: isOne ? 'place' : 'place is-many', role: 'button', tabindex: -1, 'data-key': keyOf(place) },
    svg('circle', { class: 'target', r: TARGET_PX }),
  );
  const mark = { place, arc, flow, group, shape: null, ring: [], number: null, badge: null, isPointed: false };
  if (isOne) {
    mark.shape = group.appendChild(svg('path', { class: 'shape', 'fill-rule': 'evenodd' }));
  } else {
    group.append(svg('circle', { class: 'plate', r: RING_PX + 2.5 }));
    mark.ring = STATES.map((state) =>
      group.appendChild(svg('circle', { class: `part is-${state}`, r: RING_PX, pathLength: 100 })),
    );
    mark.number = group.appendChild(svg('text', { class: 'number' }));
    mark.badge = group.appendChild(svg('path', { class: 'badge-shape', 'fill-rule': 'evenodd' }));
  }
  return mark;
}

/** Where it is and where its bow begins; `home` null = there is no bow, since nobody knows from where. */
export function placeMark(mark, home) {
  const { x, y } = mark.place;
  set(mark.group, 'transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  const path = home && Math.hypot(home.x - x, home.y - y) > RING_PX ? arcPath(home, mark.place) : null;
  set(mark.arc, 'd', path);
  set(mark.flow, 'd', path);
}

/** Sums over a place's endpoints. `rttMs` is the mean of what is known, by requests where there are any. */
export function summaryOf(place, endpoints) {
  const sum = { rps: 0, inflight: 0, rttMs: null, counts: {}, worst: 'healthy' };
  let weight = 0;
  let weighted = 0;
  for (const index of place.members) {
    const e = endpoints[index];
    sum.rps += e.rps;
    sum.inflight += e.inflight;
    sum.counts[e.state] = (sum.counts[e.state] ?? 0) + 1;
    if (e.networkMs === null) continue;
    weight += e.rps + 1e-6;
    weighted += (e.rps + 1e-6) * e.networkMs;
  }
  if (weight > 0) sum.rttMs = weighted / weight;
  sum.worst = STATES.find((state) => sum.counts[state] > 0) ?? 'unknown';
  return sum;
}

/** Brings a mark up to date; `totalRps` is what the edge sends to all of them. */
export function updateMark(mark, summary, totalRps) {
  const { place, shape, ring, number, badge } = mark;
  const size = place.members.length;
  if (shape) {
    set(shape, 'd', GLYPHS[summary.worst]);
    set(shape, 'class', `shape is-${summary.worst}`);
  } else {
    let done = 0;
    STATES.forEach((state, i) => {
      const length = (100 * (summary.counts[state] ?? 0)) / size;
      set(ring[i], 'stroke-dasharray', length > 0 ? `${length.toFixed(2)} 100` : '0 100');
      set(ring[i], 'stroke-dashoffset', (-done).toFixed(2));
      done += length;
    });
    setText(number, String(size));
    const isSound = summary.worst === 'healthy';
    set(badge, 'd', isSound ? null : GLYPHS[summary.worst]);
    set(badge, 'class', `badge-shape is-${summary.worst}`);
  }
  const share = totalRps > 0 ? summary.rps / totalRps : 0;
  mark.share = share;
  const width = arcWidth(share);
  const speed = rttClass(summary.rttMs) ?? 'unknown';
  const isIdle = width === 0;
  set(mark.arc, 'class', `arc ${isIdle ? 'is-idle' : `rtt-${speed}`}${mark.isPointed ? ' is-pointed' : ''}`);
  set(mark.arc, 'stroke-width', isIdle ? 1 : width);
  return { width, speed };
}

/** Lets the widest bows move, the rest stand. */
export function moveFlows(marks, looks) {
  const order = [...marks.keys()].sort((a, b) => looks[b].width - looks[a].width);
  order.forEach((at, rank) => {
    const { flow } = marks[at];
    const { width, speed } = looks[at];
    const moves = rank < MOVING && width > 0;
    set(flow, 'class', moves ? `flow rtt-${speed}` : 'flow is-still');
    if (moves) set(flow, 'stroke-width', Math.max(1.2, Math.round(width) / 2));
  });
}

/** One line of an endpoint, as the tip and the list say it. */
export function linesOf(e) {
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

/** The same as a sentence, for a screen reader. */
export function labelOf(place, summary, endpoints) {
  if (place.members.length > 1) {
    const states = STATES.filter((state) => summary.counts[state]).map((state) => `${summary.counts[state]} ${state}`);
    const where = endpoints[place.members[0]].region ?? endpoints[place.members[0]].id;
    return `${place.members.length} endpoints around ${where}: ${states.join(', ')}, ${rate(summary.rps)} requests per second, network ${ms(summary.rttMs)} ms`;
  }
  const e = endpoints[place.members[0]];
  return `${e.id}: ${linesOf(e)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}`;
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

export function otherMark(node) {
  const title = `edge ${node.node}${node.region ? `, ${node.region}` : ''}`;
  return svg('g', { class: 'other-edge' }, svg('path', { d: OTHER_EDGE }), svg('title', {}, title));
}
