// @ts-check
// The land, one path a country, so that it can be tinted by what its people ask. Shared by the big map and the small one.

import { countryName, setText, svg } from '../dom.js';
import { set } from './attribute.js';
import { LAND } from './world.js';

/** Lower ends of the tints, as parts of all requests/s; below the first there is none. */
export const TINT_STEPS = [0, 0.02, 0.05, 0.1, 0.25];

/** 0 = no requests, 1…5 by the country's part of all. */
export function tintOf(/** @type {number} */ share) {
  if (!(share > 0)) return 0;
  return TINT_STEPS.filter((step) => share >= step).length;
}

export function createLand() {
  const group = svg('g', { class: 'land' });
  /** @type {Map<string, { path: SVGPathElement, title: SVGTitleElement }>} */
  const paths = new Map();
  for (const [code, d] of Object.entries(LAND)) {
    const path = svg('path', { d });
    if (code) {
      path.dataset.country = code;
      const title = svg('title', {}, countryName(code));
      path.append(title);
      paths.set(code, { path, title });
    }
    group.append(path);
  }
  /** @type {Set<string>} */
  let tinted = new Set();
  return {
    group,
    /**
     * Gives requests/s from places that the map has no land for.
     * @param {[code: string, requestsPerSecond: number][]} countries
     */
    tint(countries) {
      const total = countries.reduce((sum, [, rps]) => sum + rps, 0);
      /** @type {Set<string>} */
      const now = new Set();
      let elsewhere = 0;
      for (const [code, rps] of countries) {
        const country = paths.get(code);
        if (!country) {
          elsewhere += rps;
          continue;
        }
        const share = total > 0 ? rps / total : 0;
        set(country.path, 'class', `tint-${tintOf(share)}`);
        setText(country.title, `${countryName(code)}: ${rps.toFixed(1)} requests/s (${(100 * share).toFixed(1)} %)`);
        now.add(code);
      }
      for (const code of tinted) {
        if (now.has(code)) continue;
        const country = paths.get(code);
        if (!country) continue;
        set(country.path, 'class', null);
        setText(country.title, countryName(code));
      }
      tinted = now;
      return elsewhere;
    },
  };
}
