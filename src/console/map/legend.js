// @ts-check
// What the signs of the map mean, and what it could not show: endpoints without a place, requests from countries too small
// for its scale.

import { count, el, rate, setText, svg } from '../dom.js';
import { RTT_STEPS_MS } from './arcs.js';
import { EDGE, glyph, OTHER_EDGE, STATES } from './glyphs.js';
import { TINT_STEPS } from './land.js';

export function createLegend() {
  const states = new Map(STATES.toReversed().map((state) => [state, el('b', {}, '0')]));
  const note = el('p', { className: 'map-note' });
  const otherEdges = item('other edges', sign(OTHER_EDGE, 'other-edge'));
  const root = el(
    'div',
    { className: 'map-legend' },
    el(
      'ul',
      { 'aria-label': 'Places' },
      item('this edge', sign(EDGE, 'home')),
      otherEdges,
      ...[...states].map(([state, number]) => item(state, glyph(state), number)),
    ),
    el('ul', { 'aria-label': 'Network, ms' }, el('li', { className: 'legend-title' }, 'network ms'), ...speeds()),
    el(
      'ul',
      { 'aria-label': 'Clients, share of requests' },
      el('li', { className: 'legend-title' }, 'clients'),
      ...tints(),
    ),
    note,
  );
  return {
    root,
    /**
     * @param {object} facts
     * @param {Record<string, number>} facts.counts of endpoints, by state
     * @param {number} facts.placeless endpoints without a place
     * @param {number} facts.elsewhereRps requests/s from where the map has no land
     * @param {boolean} facts.hasOthers other edges are on the map
     * @param {boolean} facts.hasHome this edge is
     */
    update({ counts, placeless, elsewhereRps, hasOthers, hasHome }) {
      for (const [state, number] of states) {
        setText(number, count(counts[state] ?? 0));
        const line = number.parentElement;
        if (line) line.hidden = !counts[state] && state !== 'healthy';
      }
      otherEdges.hidden = !hasOthers;
      const notes = [];
      if (!hasHome) notes.push('Where this edge stands is not known: set node.region.');
      if (placeless > 0)
        notes.push(`${count(placeless)} ${placeless === 1 ? 'endpoint has' : 'endpoints have'} no known place.`);
      if (elsewhereRps >= 0.05)
        notes.push(`${rate(elsewhereRps)} requests/s are from places that are too small for this map or unknown.`);
      setText(note, notes.join(' '));
      note.hidden = notes.length === 0;
    },
  };
}

/**
 * @param {string} text
 * @param {Element} picture
 * @param {HTMLElement | null} number
 */
function item(text, picture, number = null) {
  return el('li', {}, picture, number, text);
}

/**
 * @param {string} path
 * @param {string} className
 */
function sign(path, className) {
  return svg(
    'svg',
    { class: `glyph ${className}`, viewBox: '-10 -10 20 20', 'aria-hidden': 'true' },
    svg('path', { d: path, class: 'lozenge' }),
  );
}

function speeds() {
  return [...RTT_STEPS_MS, null].map((step, i) => {
    const line = svg(
      'svg',
      { class: 'speed', viewBox: '0 0 18 6', 'aria-hidden': 'true' },
      svg('path', { class: `arc rtt-${i}`, d: 'M1 3H17', 'stroke-width': 3.5 }),
    );
    return item(step === null ? `≥ ${RTT_STEPS_MS.at(-1)}` : `< ${step}`, line);
  });
}

function tints() {
  return TINT_STEPS.map((step, i) => {
    const swatch = svg(
      'svg',
      { class: 'swatch', viewBox: '0 0 14 10', 'aria-hidden': 'true' },
      svg('rect', { class: `tint-${i + 1}`, width: 14, height: 10, rx: 2 }),
    );
    return item(step === 0 ? '> 0' : `≥ ${100 * step} %`, swatch);
  });
}
