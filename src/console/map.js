// The map of the overview: this edge and the others, every endpoint with its state, what is sent where and how long the way
// is, and whose clients ask. Built when the fleet or the size changes, altered in place by every tick. One tab stop: arrow
// keys walk over the places from west to east, Enter chooses.

import { el, svg } from './dom.js';
import { set } from './map/attribute.js';
import { createFrame } from './map/frame.js';
import { createLand } from './map/land.js';
import { createLegend } from './map/legend.js';
import {
  createMark,
  homeMark,
  labelOf,
  moveFlows,
  otherMark,
  placeMark,
  summaryOf,
  updateMark,
} from './map/picture.js';
import { keyOf, placesOf } from './map/places.js';
import { project } from './map/projection.js';
import { createList, createTip } from './map/tip.js';
import { HEIGHT, WIDTH } from './map/world.js';

const MIN_HEIGHT_PX = 230;
const MAX_HEIGHT_PX = 560;

/**
 * `onSelect(index)`: an endpoint was chosen; null = the choice was taken back. The caller calls `update` after every tick,
 * inside its animation frame.
 */
export function createMap(root, { store, onSelect }) {
  const map = new WorldMap(root, store, onSelect);
  return { update: () => map.update(), destroy: () => map.destroy() };
}

class WorldMap {
  #store;
  #onSelect;
  #box;
  #surface;
  #land = createLand();
  #legend = createLegend();
  #arcs = svg('g', { class: 'arcs', 'aria-hidden': 'true' });
  #edges = svg('g', { class: 'edges' });
  #group = svg('g', { class: 'places', role: 'group', 'aria-label': 'Endpoints; arrow keys walk over them' });
  #home = homeMark();
  #frame;
  #tip;
  #list;
  #owner = new AbortController();
  #watchers = [];
  #off;
  /** Of the built picture. */
  #endpoints = null;
  #points = [];
  #marks = [];
  #current = 0;
  #shown = null;

  constructor(root, store, onSelect) {
    this.#store = store;
    this.#onSelect = onSelect;
    this.#surface = svg('svg', {
      class: 'map-surface',
      role: 'group',
      'aria-label': 'Map of this edge and its endpoints',
    });
    this.#surface.append(this.#land.group, this.#arcs, this.#edges, this.#home, this.#group);
    this.#box = el('div', { className: 'map' }, this.#surface);
    this.#tip = createTip(this.#box);
    this.#list = createList(this.#box, {
      onSelect: (index) => this.#onSelect(index),
      onClose: () => this.#focusCurrent(),
      onZoom: (place) => this.#zoomTo(place),
    });
    this.#frame = createFrame(this.#surface, () => this.#lay());
    this.#box.append(this.#buttons());
    root.append(this.#box, this.#legend.root);
    this.#listen();
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
    this.#box.remove();
    this.#legend.root.remove();
  }

  #buttons() {
    const button = (label, text, run) =>
      el('button', { type: 'button', title: label, 'aria-label': label, onclick: run }, text);
    return el(
      'div',
      { className: 'map-zoom' },
      button('Zoom in', '+', () => this.#frame.in()),
      button('Zoom out', '−', () => this.#frame.out()),
      button('Show the whole fleet', '⤢', () => this.#frame.showAll()),
    );
  }

  #listen() {
    const { signal } = this.#owner;
    const placeAt = (event) => event.target.closest?.('.place') ?? null;
    this.#group.addEventListener('pointerover', (event) => this.#point(placeAt(event)), { signal });
    this.#group.addEventListener('pointerout', () => this.#point(null), { signal });
    this.#group.addEventListener('focusin', (event) => this.#point(placeAt(event)), { signal });
    this.#group.addEventListener('focusout', () => this.#point(null), { signal });
    this.#group.addEventListener('click', (event) => this.#choose(placeAt(event)), { signal });
    this.#group.addEventListener('keydown', (event) => this.#key(event), { signal });
    document.addEventListener(
      'pointerdown',
      (event) => {
        if (this.#list.isOpen() && !this.#list.contains(event.target)) this.#list.close();
      },
      { signal },
    );
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(this.#box);
    // Bows that nobody sees need not move.
    const sight = new IntersectionObserver(([entry]) => this.#box.classList.toggle('is-away', !entry.isIntersecting));
    sight.observe(this.#box);
    this.#watchers.push(sizes, sight);
  }

  /** The fleet is another: where everything is, then how it looks. */
  #build() {
    const { endpoints, node, fleet } = this.#store;
    this.#endpoints = endpoints;
    this.#points = endpoints
      .filter(({ location }) => location !== null)
      .map(({ index, location }) => ({ index, at: project(location.latDeg, location.lonDeg) }));
    this.#edges.replaceChildren();
    for (const other of fleet?.nodes ?? []) {
      if (other.location === null) continue;
      const mark = otherMark(other);
      mark.at = project(other.location.latDeg, other.location.lonDeg);
      this.#edges.append(mark);
    }
    this.#home.at = node?.location ? project(node.location.latDeg, node.location.lonDeg) : null;
    this.#home.lastChild.textContent = `this edge, ${node?.id ?? ''}${node?.region ? ` in ${node.region}` : ''}`;
    this.#resize();
  }

  #resize() {
    const width = this.#box.clientWidth;
    if (width === 0) return;
    const height = Math.round(Math.min(Math.max((width * HEIGHT) / WIDTH, MIN_HEIGHT_PX), MAX_HEIGHT_PX));
    this.#surface.style.height = `${height}px`;
    const ats = [...this.#points, this.#home].map(({ at }) => at).filter(Boolean);
    this.#frame.resize(width, height, ats);
  }

  /** Puts everything where the view has it; places are found anew, since what overlaps is another. */
  #lay() {
    const { k, x, y } = this.#frame.view;
    const toScreen = ([ux, uy]) => ({ x: x + k * ux, y: y + k * uy });
    this.#land.group.setAttribute('transform', `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${k.toFixed(5)})`);
    const home = this.#home.at ? toScreen(this.#home.at) : null;
    this.#home.style.display = home ? '' : 'none';
    if (home) this.#home.setAttribute('transform', `translate(${home.x.toFixed(1)} ${home.y.toFixed(1)})`);
    for (const mark of this.#edges.children) {
      const at = toScreen(mark.at);
      mark.setAttribute('transform', `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})`);
    }
    const places = placesOf(this.#points.map(({ index, at }) => ({ index, ...toScreen(at) })));
    this.#keep(places);
    for (const mark of this.#marks) placeMark(mark, home);
    this.#refresh();
  }

  /** Marks of places that are still there stay, with their focus. */
  #keep(places) {
    const old = new Map(this.#marks.map((mark) => [keyOf(mark.place), mark]));
    const focused = this.#group.contains(document.activeElement);
    this.#marks = places.map((place) => {
      const mark = old.get(keyOf(place));
      if (!mark) return createMark(place);
      mark.place = place;
      old.delete(keyOf(place));
      return mark;
    });
    for (const mark of old.values()) for (const part of [mark.arc, mark.flow, mark.group]) part.remove();
    for (const mark of this.#marks) {
      if (mark.group.isConnected) continue;
      this.#arcs.append(mark.arc, mark.flow);
      this.#group.append(mark.group);
    }
    this.#current = Math.min(this.#current, Math.max(0, this.#marks.length - 1));
    this.#marks.forEach(({ group }, i) => {
      set(group, 'tabindex', i === this.#current ? 0 : -1);
    });
    if (focused && !this.#group.contains(document.activeElement)) this.#focusCurrent();
    this.#point(null);
  }

  #refresh() {
    const { endpoints, countries, fleet } = this.#store;
    const counts = {};
    let total = 0;
    for (const e of endpoints) {
      counts[e.state] = (counts[e.state] ?? 0) + 1;
      total += e.rps;
    }
    const looks = this.#marks.map((mark) => {
      mark.summary = summaryOf(mark.place, endpoints);
      return updateMark(mark, mark.summary, total);
    });
    moveFlows(this.#marks, looks);
    for (const mark of this.#marks) set(mark.group, 'aria-label', labelOf(mark.place, mark.summary, endpoints));
    const elsewhereRps = this.#land.tint(countries);
    const placeless = endpoints.length - this.#points.length;
    const hasOthers = (fleet?.nodes ?? []).some(({ location }) => location !== null);
    this.#legend.update({ counts, placeless, elsewhereRps, hasOthers, hasHome: this.#home.at !== null });
    if (this.#shown) this.#tip.show(this.#shown.place, endpoints);
  }

  #markOf(group) {
    return this.#marks.find((mark) => mark.group === group) ?? null;
  }

  #point(group) {
    const mark = group && !this.#list.isOpen() ? this.#markOf(group) : null;
    if (mark === this.#shown) return;
    const look = (one, isPointed) => {
      one.isPointed = isPointed;
      for (const part of [one.group, one.arc]) part.classList.toggle('is-pointed', isPointed);
    };
    if (this.#shown) look(this.#shown, false);
    this.#shown = mark;
    if (mark === null) return this.#tip.hide();
    look(mark, true);
    this.#tip.show(mark.place, this.#store.endpoints);
  }

  #choose(group) {
    const mark = group && this.#markOf(group);
    if (!mark) return;
    this.#walkTo(this.#marks.indexOf(mark), false);
    if (mark.place.members.length === 1) return this.#onSelect(mark.place.members[0]);
    this.#point(null);
    this.#list.open(mark.place, this.#store.endpoints);
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const last = this.#marks.length - 1;
    if (step) this.#walkTo(Math.min(last, Math.max(0, this.#current + step)), true);
    else if (event.key === 'Home') this.#walkTo(0, true);
    else if (event.key === 'End') this.#walkTo(last, true);
    else if (event.key === 'Enter' || event.key === ' ') this.#choose(event.target.closest('.place'));
    else if (event.key === '+') this.#frame.in();
    else if (event.key === '-') this.#frame.out();
    else return;
    event.preventDefault();
  }

  #walkTo(at, focuses) {
    if (this.#marks.length === 0) return;
    this.#marks[this.#current]?.group.setAttribute('tabindex', '-1');
    this.#current = at;
    this.#marks[at].group.setAttribute('tabindex', '0');
    if (focuses) this.#marks[at].group.focus();
  }

  #focusCurrent() {
    this.#marks[this.#current]?.group.focus();
  }

  #zoomTo(place) {
    this.#list.close();
    this.#frame.to(place.x, place.y, 2.5);
  }
}
