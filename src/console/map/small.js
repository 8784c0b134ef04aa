// A small, still map for one answer: where the client is, the edge, the candidates, and the way that its request would take.

import { svg } from '../dom.js';
import { arcPath, rttClass } from './arcs.js';
import { EDGE, GLYPHS } from './glyphs.js';
import { createLand } from './land.js';
import { project } from './projection.js';
import { HEIGHT, WIDTH } from './world.js';

/** Signs are drawn in units of the map's grid, so they are made this much bigger. */
const SIGN = 3;

/**
 * `points`: `{ client, edge, chosen }` each `{ latDeg, lonDeg } | null`, `candidates`: `{ latDeg, lonDeg, state, isChosen, id }`;
 * `rttMs` of the chosen one's network. `label` says the picture in words.
 */
export function smallMap({ client, edge, chosen, candidates, rttMs, isDirect, label }) {
  const at = (point) => {
    if (!point) return null;
    const [x, y] = project(point.latDeg, point.lonDeg);
    return { x, y };
  };
  const [clientAt, edgeAt, chosenAt] = [at(client), at(edge), at(chosen)];
  const picture = svg('svg', {
    class: 'small-map',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    'aria-label': label,
  });
  picture.append(createLand().group);
  const way = (from, to, className) => {
    if (from && to && Math.hypot(from.x - to.x, from.y - to.y) > 8) {
      picture.append(svg('path', { class: className, d: arcPath(from, to), 'vector-effect': 'non-scaling-stroke' }));
    }
  };
  for (const candidate of candidates.toSorted((a, b) => Number(a.isChosen) - Number(b.isChosen))) {
    const point = at(candidate);
    const path = svg('path', {
      d: GLYPHS[candidate.state] ?? GLYPHS.unknown,
      'fill-rule': 'evenodd',
      class: `dot is-${candidate.state}${candidate.isChosen ? ' is-chosen' : ''}`,
    });
    path.setAttribute(
      'transform',
      `translate(${point.x.toFixed(1)} ${point.y.toFixed(1)}) scale(${candidate.isChosen ? SIGN * 1.3 : SIGN * 0.8})`,
    );
    path.append(svg('title', {}, candidate.id));
    picture.append(path);
  }
  if (!isDirect) way(clientAt, edgeAt, 'arc to-edge');
  way(isDirect ? clientAt : edgeAt, chosenAt, `arc rtt-${rttClass(rttMs) ?? 'unknown'}`);
  if (edgeAt && !isDirect) picture.append(sign('home', svg('path', { class: 'lozenge', d: EDGE }), edgeAt));
  if (clientAt) picture.append(sign('client-sign', svg('circle', { class: 'client', r: 5.5 }), clientAt));
  return picture;
}

function sign(className, shape, { x, y }) {
  return svg('g', { class: className, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${SIGN})` }, shape);
}
