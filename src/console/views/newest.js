// @ts-check
// A list with the newest on top that never moves under the hand: while the pointer is over it, something in it has the focus or
// is open, or the page is scrolled, what comes in waits behind a button that says how much it is. Otherwise it is shown at once.

import { count, el, setText } from '../dom.js';

/** Where there is no pointer that hovers, nobody can say before a tap that a tap is coming: all wait. */
const isTouched = matchMedia('(hover: none) and (pointer: coarse)');
const IN_USE = ':hover, :focus-within, :has(details[open])';

/** @template T */
export class Newest {
  /** Shows what waits; it keeps its place while there is nothing. */
  button = el('button', { type: 'button', className: 'newest', 'aria-label': 'Show the newest' }, '0 new');
  /** Nothing is shown until it is false again. */
  isPaused = false;
  #body;
  #lineOf;
  #most;
  /** Newest first. @type {T[]} */ #waiting = [];
  /** @type {unknown} */ #judgedAt = null;
  #isUsed = false;
  /** What each line says. @type {WeakMap<Element, T>} */ #items = new WeakMap();

  /**
   * @param {HTMLElement} body its children are the lines
   * @param {number} most lines
   * @param {(item: T) => HTMLElement} lineOf
   */
  constructor(body, most, lineOf) {
    this.#body = body;
    this.#most = most;
    this.#lineOf = lineOf;
    this.button.addEventListener('click', ({ detail }) => {
      scrollTo(0, 0);
      this.release();
      // By key: the button goes, and the focus with it where it wanted to.
      if (detail === 0) /** @type {HTMLElement | null} */ (body.querySelector('a, summary'))?.focus();
    });
    this.#tell();
  }

  get waiting() {
    return this.#waiting.length;
  }

  /** All anew, newest first. */
  show(/** @type {T[]} */ items) {
    this.#waiting = [];
    this.#body.replaceChildren(...items.slice(0, this.#most).map((item) => this.#build(item)));
    this.#tell();
  }

  /** One that is newer than all. */
  add(/** @type {T} */ item) {
    this.#waiting.unshift(item);
    if (this.#waiting.length > this.#most) this.#waiting.pop();
    if (this.#isHeld()) this.#tell();
    else this.release();
  }

  /**
   * All that is known, newest first, a part of which is shown: of a list in use, what is newer waits.
   * @param {T[]} items
   * @param {(item: T) => string} keyOf
   */
  heed(items, keyOf) {
    const shown = [...this.#body.children].flatMap((line) => this.#items.get(line) ?? []).map(keyOf);
    if (!this.#isHeld() || (shown.length === 0 && !this.isPaused)) return this.show(items);
    const top = items.findIndex((item) => keyOf(item) === shown[0]);
    const newer = items.slice(0, top < 0 ? this.#most : top);
    // Told in another order than they were shown, some may be below.
    this.#waiting = newer.filter((item) => !shown.includes(keyOf(item)));
    this.#tell();
  }

  /** To be called now and then: shows what waits once nobody is at it. */
  look() {
    if (this.#waiting.length > 0 && !this.#isHeld()) this.release();
    else this.#tell();
  }

  /** Shows what waits. */
  release() {
    const lines = this.#waiting.map((item) => this.#build(item));
    this.#waiting = [];
    this.#body.prepend(...lines);
    while (this.#body.childElementCount > this.#most) this.#body.lastElementChild?.remove();
    this.#tell();
  }

  /** Judged once a frame: to ask for the scroll position between two changes would lay the page out for each. */
  #isHeld() {
    if (this.isPaused || isTouched.matches) return true;
    const frame = document.timeline.currentTime;
    if (frame !== this.#judgedAt) {
      this.#judgedAt = frame;
      this.#isUsed = this.#body.matches(IN_USE) || scrollY > 0;
    }
    return this.#isUsed;
  }

  #build(/** @type {T} */ item) {
    const line = this.#lineOf(item);
    this.#items.set(line, item);
    return line;
  }

  #tell() {
    const { length } = this.#waiting;
    const isShown = length > 0 && !this.isPaused;
    this.button.style.visibility = isShown ? 'visible' : 'hidden';
    if (!isShown) return;
    const words = `${count(length)}${length === this.#most ? '+' : ''} new`;
    setText(this.button, words);
    this.button.setAttribute('aria-label', `Show ${words}`);
  }
}
