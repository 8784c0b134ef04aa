// What every view builds with: elements, numbers as people read them, and nothing that knows of Fermat. Text goes in as text,
// never as markup: names come from configurations, origins and clients.

/** @typedef {Node | string | number | null | undefined | false} Child */

/** The first element that matches. Throws when there is none: the page and the script do not belong together. */
export function $(/** @type {string} */ selector, /** @type {ParentNode} */ root = document) {
  const found = root.querySelector(selector);
  if (found === null) throw new Error(`nothing matches ${selector}`);
  return /** @type {HTMLElement} */ (found);
}

/**
 * An element. Properties are set as they are (`className`, `disabled`, `onclick`); names with a dash, and `role`, are
 * attributes; `null` and `undefined` are left out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name.includes('-') || name === 'role') node.setAttribute(name, String(value));
    else Reflect.set(node, name, value);
  }
  return append(node, children);
}

/**
 * An SVG element; every property is an attribute.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return append(node, children);
}

/**
 * @template {Element} T
 * @param {T} node
 * @param {(Child | Child[])[]} children
 */
function append(node, children) {
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false && child !== '')
      node.append(/** @type {any} */ (child));
  }
  return node;
}

/** Sets text only when it is another: an equal text would still cost the browser a layout. */
export function setText(/** @type {Node} */ node, /** @type {string} */ text) {
  if (node.textContent !== text) node.textContent = text;
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
/** What is not known. */
export const NONE = '–';

/** Milliseconds to a tenth, without the unit; unknown is a dash. */
export function ms(/** @type {number | null | undefined} */ value) {
  if (value === null || value === undefined) return NONE;
  return value < 1000 ? value.toFixed(1) : tenths.format(value);
}

/** A whole number; unknown is a dash. */
export function count(/** @type {number | null | undefined} */ value) {
  if (value === null || value === undefined) return NONE;
  return value < 1000 ? value.toFixed(0) : whole.format(value);
}

/** `1 endpoint`, `2 endpoints`. */
export function counted(/** @type {number} */ value, /** @type {string} */ noun) {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** Something per second: a tenth below 1,000. */
export function rate(/** @type {number | null | undefined} */ value) {
  if (value === null || value === undefined) return NONE;
  return value < 1000 ? value.toFixed(1) : whole.format(value);
}

/** 0…1 as a percentage to a tenth. */
export function percent(/** @type {number | null | undefined} */ ratio) {
  return ratio === null || ratio === undefined ? NONE : `${(100 * ratio).toFixed(1)} %`;
}

/** Seconds as `3 d 4 h`, `2 h 5 min`, `12 min`, `41 s`. */
export function duration(/** @type {number} */ seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

let aheadMs = 0;
/** Less is the way of a tick, and not a clock that is wrong. */
const NOTABLE_MS = 5_000;

/** What time it is at the node: this machine's clock may be wrong, and then every age would be. ms since 1970 */
export function heedClock(/** @type {number} */ nodeMs) {
  const by = nodeMs - Date.now();
  if (Math.abs(by - aheadMs) > NOTABLE_MS) aheadMs = Math.abs(by) > NOTABLE_MS ? by : 0;
}

/** Now, by the node's clock. ms since 1970 */
export function nowMs() {
  return Date.now() + aheadMs;
}

/** How long a date (ISO 8601) is past, in its largest unit. */
export function ago(/** @type {string | null | undefined} */ iso) {
  if (!iso) return NONE;
  const seconds = Math.max(0, (nowMs() - Date.parse(iso)) / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** The time of day here, of a date (ISO 8601). */
export function timeOf(/** @type {string} */ iso) {
  return clock.format(Date.parse(iso));
}

const countryNames = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' });

/** Of an ISO 3166 code; '' and null are clients whose country is not known. */
export function countryName(/** @type {string | null | undefined} */ code) {
  if (!code) return 'Unknown';
  try {
    return countryNames.of(code) ?? code;
  } catch {
    return code;
  }
}

/** State in a glyph and words; the colour only underlines it. */
const GLYPHS = /** @type {Record<string, string>} */ ({
  healthy: '●',
  unhealthy: '✕',
  ejected: '▲',
  draining: '◐',
  unknown: '○',
  ready: '●',
  info: '•',
  error: '✕',
  warn: '▲',
  bad: '✕',
});

/** A state's sign; words go beside it. */
export function glyphOf(/** @type {string} */ state) {
  return GLYPHS[state] ?? '○';
}

/** A pill that says a state. */
export function badge(/** @type {string} */ state, text = state) {
  return el('span', { className: `badge ${state}` }, el('i', { 'aria-hidden': 'true' }, glyphOf(state)), text);
}

/** The body of a card for when there is nothing to show. */
export function empty(/** @type {string} */ text) {
  return el('p', { className: 'empty' }, text);
}
