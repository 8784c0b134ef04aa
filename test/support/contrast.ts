// WCAG's contrast of every piece of text that a page shows, and of what charts and the map are drawn with, computed in the page from
// what the browser made of the styles. Grounds that are not opaque are laid over what is behind them; text in pictures (SVG, canvas)
// is not looked at.

import type { Page } from 'playwright-core';

export interface Poor {
  readonly text: string;
  readonly ratio: number;
  readonly colour: string;
  readonly ground: string;
  readonly where: string;
}

/**
 * What falls short of AA: 4.5, or 3 for large text (24 px, or bold from 18.66 px) and for graphics. Empty = all is well.
 * Source: WCAG 2.2, 1.4.3, 1.4.11 and "relative luminance".
 */
export async function poorContrast(page: Page): Promise<{ readonly poor: Poor[]; readonly seen: number }> {
  return page.evaluate(SCRIPT);
}

/** Runs in the page. */
const SCRIPT = `(() => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const paper = canvas.getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    let found = known.get(colour);
    if (!found) {
      paper.clearRect(0, 0, 1, 1);
      paper.fillStyle = colour;
      paper.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = paper.getImageData(0, 0, 1, 1).data;
      known.set(colour, (found = [r, g, b, a / 255]));
    }
    return found;
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] >= 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const opacityOf = (element) => {
    let opacity = 1;
    for (let e = element; e; e = e.parentElement) opacity *= Number(getComputedStyle(e).opacity);
    return opacity;
  };
  const poor = [];
  let seen = 0;
  const compare = (element, text, name, opacity, ground, least) => {
    const [r, g, b, a] = rgba(name);
    const colour = over([r, g, b, a * opacity * opacityOf(element)], ground);
    const [light, dark] = [luminance(colour), luminance(ground)].sort((x, y) => y - x);
    const ratio = (light + 0.05) / (dark + 0.05);
    seen++;
    if (ratio >= least) return;
    const where = element.tagName.toLowerCase() + '.' + [...element.classList].join('.');
    poor.push({ text: text.slice(0, 40), ratio: Math.round(100 * ratio) / 100, colour: name, ground: ground.map(Math.round).join(), where });
  };
  const judge = (element, text, style) => {
    const px = parseFloat(style.fontSize);
    const isLarge = px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700);
    compare(element, text, style.color, 1, groundOf(element), isLarge ? 3 : 4.5);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.data.trim();
    if (text === '' || element.closest('svg, script, noscript, [hidden], option') || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(':disabled')) continue;
    judge(element, text, getComputedStyle(element));
  }
  for (const input of document.querySelectorAll('input[placeholder]')) {
    if (input.checkVisibility()) judge(input, input.placeholder, getComputedStyle(input, '::placeholder'));
  }
  for (const bar of document.querySelectorAll('.load-now, .load-then, .stack i, .phase-bar .is-measured, .legend i:not(.is-dashed)')) {
    compare(bar, 'a bar', getComputedStyle(bar).backgroundColor, 1, groundOf(bar.parentElement), 3);
  }
  const land = document.querySelector('.map .land path');
  const shore = land && rgba(getComputedStyle(land).fill);
  for (const part of document.querySelectorAll('.map .arc[class*="rtt-"], .map .part')) {
    const { stroke, strokeOpacity } = getComputedStyle(part);
    compare(part, 'a line', stroke, Number(strokeOpacity), shore, 3);
  }
  for (const shape of document.querySelectorAll('.map .shape')) compare(shape, 'a sign', getComputedStyle(shape).fill, 1, shore, 3);
  return { poor, seen };
})()`;
