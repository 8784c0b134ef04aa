// @ts-check
// The map of the overview: this edge and the others, every endpoint with its state, what is sent where and how long the way
// is, and whose clients ask. Built when the fleet or the size changes, altered in place by every tick. One tab stop: arrow
// keys walk over the places from west to east, Enter chooses.

import { el, setText, svg } from './dom.js';
import { set } from './map/attribute.js';
import { createFlows } from './map/flows.js';
import { createFrame } from './map/frame.js';
import { createLand } from './map/land.js';
import { createLegend } from './map/legend.js';
import { createMark, homeMark, labelOf, otherMark, placeMark, summaryOf, updateMark } from './map/picture.js';
import { keyOf, placesOf } from './map/places.js';
import { project } from './map/projection.js';
import { createList, createTip } from './map/tip.js';

/** @import { Endpoint } from './types.d.ts' */
/** @import { Place } from './map/places.js' */
/** @import { Mark } from './map/picture.js' */
/** @typedef {typeof import('./store.js').store} Store */
/** @typedef {[x: number, y: number]} At units of the map's grid */

const MIN_HEIGHT_PX = 230;
const MAX_HEIGHT_PX = 600;
/** Of its width: a little higher than the world is, for the bows that rise above it. */
const ASPECT = 0.5;
const STEPS = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 });

/**
 * `onSelect(index)`: an endpoint was chosen. The caller calls `update` after every tick, inside its animation frame.
 * @param {HTMLElement} root
 * @param {{ store: Store, onSelect: (index: number) => void }} options
 */
export function createMap(root, { store, onSelect }) {
  const map = new WorldMap(root, store, onSelect);
  return { update: () => map.update(), destroy: () => map.destroy() };
}

class WorldMap {
  #store;
  #onSelect;
  #surface = svg('svg', { class: 'map-surface', role: 'group', 'aria-label': 'Map of this edge and its endpoints' });
  #back = svg('svg', { class: 'map-back', 'aria-hidden': 'true' });
  #flows = createFlows();
  /** Three pictures, so that what moves does not have the land painted again. */
  #view = el('div', { className: 'map-view' }, this.#back, this.#flows.root, this.#surface);
  #box = el('div', { className: 'map' }, this.#view);
  #land = createLand();
  #legend = createLegend();
  #arcs = svg('g', { class: 'arcs' });
  #edges = svg('g', { class: 'edges' });
  #group = svg('g', { class: 'places', role: 'group', 'aria-label': 'Endpoints; arrow keys walk over them' });
  #home = homeMark();
  #tip = createTip(this.#box);
  #frame = createFrame(this.#view, () => this.#lay());
  #list;
  #owner = new AbortController();
  /** @type {{ disconnect(): void }[]} */ #watchers = [];
  #off;
  /** What the picture was built of. @type {Endpoint[] | null} */ #endpoints = null;
  /** @type {{ index: number, at: At }[]} */ #points = [];
  /** @type {{ group: SVGGElement, at: At }[]} */ #others = [];
  /** @type {At | null} */ #homeAt = null;
  /** @type {Mark[]} */ #marks = [];
  /** Which of them Tab comes to. */ #current = 0;
  /** Which of them the tip is of. @type {Mark | null} */ #shown = null;

  /**
   * @param {HTMLElement} root
   * @param {Store} store
   * @param {(index: number) => void} onSelect
   */
  constructor(root, store, onSelect) {
    this.#store = store;
    this.#onSelect = onSelect;
    this.#back.append(this.#land.group, this.#arcs);
    this.#surface.append(this.#edges, this.#home, this.#group);
    this.#list = createList(this.#box, {
      onSelect: (e) => this.#select(e),
      onClose: () => this.#focusCurrent(),
      onZoom: (place) => this.#frame.to(place.x, place.y, 2.5),
    });
    this.#box.append(this.#buttons());
    root.append(this.#box, this.#legend.root);
    this.#listen();
    this.#watch();
    this.#off = store.on('hello', () => this.#build());
    this.#build();
  }

  update() {
    if (this.#endpoints !== this.#store.endpoints) this.#build();
    else this.#refresh();
  }

  destroy() {
    this.#off();
    this.#owner.abort();
    for (const watcher of this.#watchers) watcher.disconnect();
    this.#frame.destroy();
    this.#flows.destroy();
    this.#box.remove();
    this.#legend.root.remove();
  }

  #buttons() {
    const all = /** @type {[label: string, sign: string, run: () => void][]} */ ([
      ['Zoom in', '+', () => this.#frame.in()],
      ['Zoom out', '−', () => this.#frame.out()],
      ['Show the whole fleet', '⤢', () => this.#frame.showAll()],
    ]);
    const buttons = all.map(([label, sign, onclick]) =>
      el('button', { type: 'button', title: label, 'aria-label': label, onclick }, sign),
    );
    return el('div', { className: 'map-zoom' }, buttons);
  }

  #listen() {
    const { signal } = this.#owner;
    this.#group.addEventListener('pointerover', (event) => this.#point(this.#markAt(event)), { signal });
    this.#group.addEventListener('pointerout', () => this.#point(null), { signal });
    // Not at the group: an SVG element that listens for the focus is one more stop of Tab.
    this.#view.addEventListener('focusin', (event) => this.#point(this.#markAt(event)), { signal });
    this.#view.addEventListener('focusout', () => this.#point(null), { signal });
    this.#group.addEventListener('click', (event) => this.#choose(this.#markAt(event)), { signal });
    this.#group.addEventListener('keydown', (event) => this.#key(event), { signal });
    const elsewhere = (/** @type {Event} */ { target }) => {
      if (this.#list.isOpen() && target instanceof Node && !this.#list.contains(target)) this.#list.close();
    };
    document.addEventListener('pointerdown', elsewhere, { signal });
  }

  #watch() {
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(this.#box);
    // Bows that nobody sees need not move.
    const sight = new IntersectionObserver(([entry]) => {
      this.#flows.see(entry?.isIntersecting !== false);
    });
    sight.observe(this.#box);
    this.#watchers.push(sizes, sight);
  }

  /** The fleet is another: where everything is, then how it looks. */
  #build() {
    const { endpoints, node, fleet } = this.#store;
    this.#endpoints = endpoints;
    this.#points = endpoints.flatMap(({ index, location }) =>
      location === null ? [] : [{ index, at: project(location.latDeg, location.lonDeg) }],
    );
    this.#others = (fleet?.nodes ?? []).flatMap((other) =>
      other.location === null
        ? []
        : [{ group: otherMark(other), at: project(other.location.latDeg, other.location.lonDeg) }],
    );
    this.#edges.replaceChildren(...this.#others.map(({ group }) => group));
    this.#homeAt = node?.location ? project(node.location.latDeg, node.location.lonDeg) : null;
    const title = this.#home.querySelector('title');
    if (title && node) setText(title, `this edge, ${node.id}${node.region ? ` in ${node.region}` : ''}`);
    this.#resize();
  }

  #resize() {
    const width = this.#box.clientWidth;
    if (width === 0) return;
    const height = Math.round(Math.min(Math.max(width * ASPECT, MIN_HEIGHT_PX), MAX_HEIGHT_PX));
    this.#view.style.height = `${height}px`;
    const ats = this.#points.map(({ at }) => at);
    this.#frame.resize(width, height, this.#homeAt ? [...ats, this.#homeAt] : ats);
  }

  /** Puts everything where the view has it; places are found anew, since what overlaps is another. */
  #lay() {
    const { k, x, y } = this.#frame.view;
    const toScreen = (/** @type {At} */ [ux, uy]) => ({ x: x + k * ux, y: y + k * uy });
    const move = (/** @type {SVGElement} */ node, /** @type {At} */ at) => {
      const point = toScreen(at);
      set(node, 'transform', `translate(${point.x.toFixed(1)} ${point.y.toFixed(1)})`);
    };
    set(this.#land.group, 'transform', `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${k.toFixed(5)})`);
    this.#home.style.display = this.#homeAt ? '' : 'none';
    if (this.#homeAt) move(this.#home, this.#homeAt);
    for (const { group, at } of this.#others) move(group, at);
    this.#keep(placesOf(this.#points.map(({ index, at }) => ({ index, ...toScreen(at) }))));
    const home = this.#homeAt && toScreen(this.#homeAt);
    for (const mark of this.#marks) placeMark(mark, home);
    this.#refresh();
  }

  /** Marks of places that are still there stay, with their focus. */
  #keep(/** @type {Place[]} */ places) {
    const old = new Map(this.#marks.map((mark) => [keyOf(mark.place), mark]));
    const hadFocus = this.#group.contains(document.activeElement);
    this.#marks = places.map((place) => {
      const mark = old.get(keyOf(place));
      if (!mark) return createMark(place);
      mark.place = place;
      old.delete(keyOf(place));
      return mark;
    });
    for (const { arc, flow, group } of old.values()) for (const part of [arc, flow, group]) part.remove();
    for (const { arc, flow, group } of this.#marks) {
      if (group.isConnected) continue;
      this.#arcs.append(arc);
      this.#flows.root.append(flow);
      this.#group.append(group);
    }
    this.#walkTo(Math.min(this.#current, Math.max(0, this.#marks.length - 1)), false);
    if (hadFocus && !this.#group.contains(document.activeElement)) this.#focusCurrent();
    this.#point(null);
  }

  #refresh() {
    const { endpoints, countries } = this.#store;
    /** @type {Record<string, number>} */
    const counts = {};
    let total = 0;
    for (const e of endpoints) {
      counts[e.state] = (counts[e.state] ?? 0) + 1;
      total += e.rps;
    }
    const drawn = this.#marks.map((mark) => {
      const summary = summaryOf(mark.place, endpoints);
      // Not while it is listened to: a screen reader would say it anew each second.
      if (mark.group !== document.activeElement) set(mark.group, 'aria-label', labelOf(mark.place, summary, endpoints));
      return { mark, look: updateMark(mark, summary, total) };
    });
    this.#flows.update(drawn);
    this.#legend.update({
      counts,
      placeless: endpoints.length - this.#points.length,
      elsewhereRps: this.#land.tint(countries),
      hasOthers: this.#others.length > 0,
      hasHome: this.#homeAt !== null,
    });
    if (this.#shown) this.#tip.show(this.#shown.place, endpoints);
  }

  #markAt(/** @type {Event} */ { target }) {
    const group = target instanceof Element ? target.closest('.place') : null;
    return this.#marks.find((mark) => mark.group === group) ?? null;
  }

  /** Shows what is pointed at or focused; null = nothing is. */
  #point(/** @type {Mark | null} */ mark) {
    const next = this.#list.isOpen() ? null : mark;
    if (next === this.#shown) return;
    const look = (/** @type {Mark} */ one, /** @type {boolean} */ isPointed) => {
      one.isPointed = isPointed;
      for (const part of [one.group, one.arc]) part.classList.toggle('is-pointed', isPointed);
    };
    if (this.#shown) look(this.#shown, false);
    this.#shown = next;
    if (next === null) return this.#tip.hide();
    look(next, true);
    this.#tip.show(next.place, this.#store.endpoints);
  }

  #choose(/** @type {Mark | null} */ mark) {
    if (mark === null) return;
    this.#walkTo(this.#marks.indexOf(mark), false);
    const [first, second] = mark.place.members;
    if (second === undefined) return this.#onSelect(first ?? 0);
    this.#point(null);
    this.#list.open(mark.place, this.#store.endpoints);
  }

  /** The list may be older than the fleet: a reload gives other indices. */
  #select(/** @type {Endpoint} */ { id, pool }) {
    const now = this.#store.endpoints.find((e) => e.id === id && e.pool === pool);
    if (now) this.#onSelect(now.index);
    else this.#list.close();
  }

  #key(/** @type {KeyboardEvent} */ event) {
    const step = STEPS[event.key];
    const last = this.#marks.length - 1;
    if (step) this.#walkTo(Math.min(last, Math.max(0, this.#current + step)), true);
    else if (event.key === 'Home') this.#walkTo(0, true);
    else if (event.key === 'End') this.#walkTo(last, true);
    else if (event.key === 'Enter' || event.key === ' ') this.#choose(this.#markAt(event));
    else if (event.key === '+') this.#frame.in();
    else if (event.key === '-') this.#frame.out();
    else return;
    event.preventDefault();
  }

  /** Makes it the one that Tab comes to. */
  #walkTo(/** @type {number} */ at, /** @type {boolean} */ focuses) {
    this.#current = at;
    this.#marks.forEach(({ group }, i) => {
      set(group, 'tabindex', i === at ? 0 : -1);
    });
    if (focuses) this.#focusCurrent();
  }

  #focusCurrent() {
    this.#marks[this.#current]?.group.focus();
  }
}
