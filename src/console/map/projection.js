// @ts-check
// Where a place lies on the map: Equal Earth (Šavrič, Patterson, Jenny 2018, "The Equal Earth map projection", eq. 7 to 10),
// with the very parameters that the land was drawn with. d3 is not needed in the browser; a test holds the two together.

import { PROJECTION } from './world.js';

const A1 = 1.340264;
const A2 = -0.081106;
const A3 = 0.000893;
const A4 = 0.003796;
const M = Math.sqrt(3) / 2;
const RADIANS = Math.PI / 180;

/**
 * Units of the map's own grid (0…WIDTH, 0…HEIGHT); any finite degrees.
 * @param {number} latDeg
 * @param {number} lonDeg
 * @returns {[x: number, y: number]}
 */
export function project(latDeg, lonDeg) {
  const lambda = ((((lonDeg - PROJECTION.lonDeg + 180) % 360) + 360) % 360) * RADIANS - Math.PI;
  const l = Math.asin(M * Math.sin(latDeg * RADIANS));
  const l2 = l * l;
  const l6 = l2 * l2 * l2;
  const x = (lambda * Math.cos(l)) / (M * (A1 + 3 * A2 * l2 + l6 * (7 * A3 + 9 * A4 * l2)));
  const y = l * (A1 + A2 * l2 + l6 * (A3 + A4 * l2));
  return [PROJECTION.x + PROJECTION.scale * x, PROJECTION.y - PROJECTION.scale * y];
}
