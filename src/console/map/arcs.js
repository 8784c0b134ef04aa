// @ts-check
// The way from the edge to an endpoint, as a line: how it bends, how wide it is, and which of five speeds it has. Pure.

/** Upper ends of the classes of RTT, ms; the last has none. */
export const RTT_STEPS_MS = [10, 40, 100, 180];
const MIN_WIDTH_PX = 1.2;
const MAX_WIDTH_PX = 9;
/** How far the middle of a line is lifted, as a part of its length: enough to tell two that lead the same way. */
const BEND = 0.2;

/** 0…4, the quicker the lower; null = not known. */
export function rttClass(/** @type {number | null | undefined} */ ms) {
  if (ms === null || ms === undefined) return null;
  const i = RTT_STEPS_MS.findIndex((step) => ms < step);
  return i < 0 ? RTT_STEPS_MS.length : i;
}

/** By area, as widths are read; 0 of no requests at all. Pixels, in steps of a quarter so that noise changes nothing. */
export function arcWidth(/** @type {number} */ share) {
  if (!(share > 0)) return 0;
  return Math.round(4 * (MIN_WIDTH_PX + (MAX_WIDTH_PX - MIN_WIDTH_PX) * Math.sqrt(Math.min(share, 1)))) / 4;
}

/**
 * Path of a bow from one point to another, always lifted towards the top.
 * @param {{ x: number, y: number }} from
 * @param {{ x: number, y: number }} to
 */
export function arcPath(from, to) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  // Perpendicular to the line, on its upper side.
  const side = dx >= 0 ? 1 : -1;
  const cx = (from.x + to.x) / 2 + side * dy * BEND;
  const cy = (from.y + to.y) / 2 - side * dx * BEND;
  const at = (/** @type {number} */ value) => Math.round(value * 10) / 10;
  return `M${at(from.x)} ${at(from.y)}Q${at(cx)} ${at(cy)} ${at(to.x)} ${at(to.y)}`;
}
