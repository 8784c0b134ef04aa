// @ts-check
// Which endpoints stand together: those that would overlap on the screen are one place. Pure; found anew when the picture is
// zoomed, resized or the fleet changes, never for a tick.

/** @typedef {{ x: number, y: number, members: number[] }} Place pixels; indices of endpoints, ascending */

/** Centres closer than this, pixels, would cover one another. */
const REACH_PX = 22;

/**
 * Groups points `{ index, x, y }` (pixels) into places `{ x, y, members }`, west to east. The biggest heap takes its
 * neighbours first, so that where many are the middle stays the middle. O(n²) of distinct points in the worst case.
 * @param {{ index: number, x: number, y: number }[]} points
 * @returns {Place[]}
 */
export function placesOf(points, reachPx = REACH_PX) {
  /** @type {Map<string, Place>} */
  const spots = new Map();
  for (const { index, x, y } of points) {
    const key = `${Math.round(x)},${Math.round(y)}`;
    const spot = spots.get(key);
    if (spot) spot.members.push(index);
    else spots.set(key, { x, y, members: [index] });
  }
  /** @type {Place[]} */
  const places = [];
  for (const spot of [...spots.values()].sort((a, b) => b.members.length - a.members.length)) {
    const near = places.find((place) => Math.hypot(place.x - spot.x, place.y - spot.y) < reachPx);
    if (near) near.members.push(...spot.members);
    else places.push(spot);
  }
  for (const place of places) place.members.sort((a, b) => a - b);
  return places.sort((a, b) => a.x - b.x || a.y - b.y);
}

/** What a place stands for; keeps its element through a change of zoom. */
export function keyOf(/** @type {Place} */ place) {
  return place.members.join(' ');
}
