// Series over time (uPlot) and sparklines (a bare canvas: a table has two in each row, and uPlot would build a hundred nodes for
// each). Both take their colours from the page's palette, anew when the theme changes.

import { el, setText, timeOf } from './dom.js';

/** @typedef {{ name: string, colour: string, format: (value: number | null | undefined) => string, fill?: boolean, dashed?: boolean }} Series dashed: told from the other by more than its colour */
/** @typedef {{ title: string, unit: string, series: Series[], heightPx?: number, spanS?: number, isFromZero?: boolean }} ChartOptions */

/** A palette's colour by its name, as the page has it now. */
export function colourOf(/** @type {string} */ name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * A card with its series' present values as the legend (no live region: they change each second), and the values under the pointer while it is over the chart. `draw`
 * takes parallel arrays, times (s) first; as often as wanted, it draws only when what it is given is new.
 * @param {HTMLElement} root
 * @param {ChartOptions} options
 */
export function createChart(root, { title, unit, series, heightPx = 96, spanS = 600, isFromZero = true }) {
  const values = series.map(() => el('span', { className: 'value' }, '–'));
  const legend = series.map(({ name, colour, dashed }, i) => {
    const swatch = el('i', { 'aria-hidden': 'true', className: dashed ? 'is-dashed' : '' });
    swatch.style.setProperty('--series', `var(${colour})`);
    return el('div', {}, values[i], el('span', { className: 'quiet-text' }, swatch, name));
  });
  const when = el('small');
  const plotRoot = el('div', { className: 'plot', 'aria-hidden': 'true' });
  plotRoot.style.height = `${heightPx}px`;
  const card = el(
    'section',
    { className: 'card chart' },
    el(
      'div',
      { className: 'card-head' },
      el('h2', {}, title),
      el('small', {}, unit),
      el('span', { className: 'fill' }),
      when,
    ),
    el('div', { className: 'legend' }, legend),
    plotRoot,
  );
  root.append(card);

  /** @type {uPlot | null} */ let plot = null;
  /** @type {any} */ let data = [[], ...series.map(() => [])];

  const tell = (/** @type {number | null | undefined} */ at) => {
    const index = at ?? data[0].length - 1;
    setText(when, at === null || at === undefined ? '' : timeOf(new Date(1000 * data[0][at]).toISOString()));
    series.forEach(({ format }, i) => {
      const output = values[i];
      if (output) setText(output, format(data[i + 1][index]));
    });
  };
  const build = () => {
    plot?.destroy();
    plot = new uPlot(
      optionsOf({ series, width: plotRoot.clientWidth || 300, height: heightPx, spanS, isFromZero }, tell),
      data,
      plotRoot,
    );
  };
  const observer = new ResizeObserver(() => {
    const width = plotRoot.clientWidth;
    if (plot && width > 0 && Math.abs(plot.width - width) >= 1) plot.setSize({ width, height: heightPx });
  });
  build();
  observer.observe(plotRoot);
  addEventListener('fermat:theme', build);

  return {
    draw(/** @type {any} */ next) {
      data = next;
      // At once and not in a microtask after it, so that it is part of what an update is measured to cost.
      const chart = plot;
      chart?.batch(() => chart.setData(data));
      tell(plot?.cursor.idx);
    },
    destroy() {
      observer.disconnect();
      removeEventListener('fermat:theme', build);
      plot?.destroy();
      card.remove();
    },
  };
}

/**
 * @param {{ series: Series[], width: number, height: number, spanS: number, isFromZero: boolean }} chart
 * @param {(index: number | null | undefined) => void} tell
 * @returns {uPlot.Options}
 */
function optionsOf({ series, width, height, spanS, isFromZero }, tell) {
  const ink = colourOf('--ink-2');
  const grid = { stroke: colourOf('--line'), width: 1 };
  const axis = { stroke: ink, grid, ticks: { show: false }, font: '11px system-ui, sans-serif', gap: 4 };
  return {
    width,
    height,
    pxAlign: 1,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    padding: [6, 24, 0, 0],
    scales: {
      x: { time: true, range: (_, min, max) => spanOf(min, max, spanS) },
      y: { range: (_, min, max) => (isFromZero ? [0, topOf(max)] : aroundOf(min, max)) },
    },
    axes: [
      {
        ...axis,
        size: 22,
        space: 70,
        values: (_, splits) => splits.map(tickOf),
      },
      { ...axis, size: 44, space: 22 },
    ],
    series: [
      {},
      ...series.map(({ name, colour, fill, dashed }) => ({
        label: name,
        stroke: colourOf(colour),
        width: 1.5,
        points: { show: false },
        ...(dashed ? { dash: [4, 3] } : {}),
        ...(fill ? { fill: `${colourOf(colour)}1f` } : {}),
      })),
    ],
    hooks: { setCursor: [(self) => tell(self.cursor.idx)] },
  };
}

/** The newest at the right edge; at first a minute, so that a fresh page is not an empty one, in the end `spanS`. */
function spanOf(/** @type {number | null} */ min, /** @type {number | null} */ max, /** @type {number} */ spanS) {
  const end = max ?? 0;
  const known = end - (min ?? end);
  const span = SPANS_S.find((one) => one >= known) ?? spanS;
  return /** @type {[number, number]} */ ([end - Math.min(span, spanS), end]);
}

const SPANS_S = [60, 120, 300, 600];

/** A level that hardly moves is shown as that, and not as mountains. */
function aroundOf(/** @type {number | null} */ min, /** @type {number | null} */ max) {
  const top = max ?? 1;
  const middle = (top + (min ?? 0)) / 2;
  const half = Math.max(0.6 * (top - (min ?? 0)), 0.1 * middle, 0.5);
  return /** @type {[number, number]} */ ([Math.max(0, middle - half), middle + half]);
}

/** A whole minute without its seconds. */
function tickOf(/** @type {number} */ at) {
  const time = timeOf(new Date(1000 * at).toISOString());
  return time.endsWith(':00') ? time.slice(0, 5) : time;
}

/** A round number above the highest value, so that the scale does not breathe with every tick. */
function topOf(/** @type {number | null} */ max) {
  if (max === null || !(max > 0)) return 1;
  const step = 10 ** Math.floor(Math.log10(max));
  for (const factor of [1, 1.5, 2, 3, 4, 5, 7.5, 10]) if (factor * step >= max * 1.05) return factor * step;
  return 20 * step;
}

const SPARK = { width: 60, height: 20, pad: 2 };

/** A canvas for a sparkline; decoration, since the number beside it says the same. */
export function sparkCanvas() {
  const canvas = el('canvas', { className: 'spark', 'aria-hidden': 'true' });
  const ratio = Math.min(devicePixelRatio || 1, 3);
  canvas.width = SPARK.width * ratio;
  canvas.height = SPARK.height * ratio;
  return canvas;
}

/** Of rows that have just been made. @type {(() => void)[]} */
const waiting = [];
/** A canvas that is drawn for the first time costs a seventh of a millisecond, and a screenful of rows has eighty. */
const A_FRAME = 24;

/** Draws in one of the next frames, a few in each: the rows are there first, and no frame is late for all their pictures. */
export function drawSoon(/** @type {() => void} */ draw) {
  if (waiting.push(draw) === 1) requestAnimationFrame(() => requestAnimationFrame(drawSome));
}

function drawSome() {
  for (const draw of waiting.splice(0, A_FRAME)) draw();
  if (waiting.length > 0) requestAnimationFrame(drawSome);
}

/**
 * Draws anew what is in `points` (oldest first; null is a gap), the newest at the right edge. A flat line is in the middle;
 * less than a tenth of the level is noise, not a mountain.
 * @param {HTMLCanvasElement} canvas
 * @param {readonly (number | null)[]} points
 * @param {string} colour
 * @param {number} kept how many points are the whole width; of fewer at first it is less
 */
export function drawSpark(canvas, points, colour, kept = Math.max(points.length, 20)) {
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.clearRect(0, 0, canvas.width, canvas.height);
  let min = Infinity;
  let max = -Infinity;
  for (const value of points) {
    if (value === null) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (max === -Infinity) return;
  const ratio = canvas.width / SPARK.width;
  const span = Math.max(max - min, 0.1 * max, 0.1);
  const base = (min + max - span) / 2;
  const stepPx = (SPARK.width - 2 * SPARK.pad) / (kept - 1);
  const firstPx = SPARK.width - SPARK.pad - stepPx * (points.length - 1);
  const heightPx = SPARK.height - 2 * SPARK.pad;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.beginPath();
  let isOpen = false;
  for (let i = 0; i < points.length; i++) {
    const value = points[i];
    if (value === null || value === undefined) {
      isOpen = false;
      continue;
    }
    const x = firstPx + i * stepPx;
    const y = SPARK.pad + heightPx * (1 - (value - base) / span);
    if (isOpen) context.lineTo(x, y);
    else context.moveTo(x, y);
    isOpen = true;
  }
  context.strokeStyle = colour;
  context.lineWidth = 1.25;
  context.lineJoin = 'round';
  context.stroke();
  context.setTransform(1, 0, 0, 1, 0, 0);
}
