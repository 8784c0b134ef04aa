// The land, one path a country, so that it can be tinted by what its people ask. Shared by the big map and the small one.

import { countryName, setText, svg } from '../dom.js';
import { set } from './attribute.js';
import { LAND } from './world.js';

/** Lower ends of the tints, as parts of all requests/s; below the first there is none. */
export const TINT_STEPS = [0, 0.02, 0.05, 0.1, 0.25];

/** 0 = no requests, 1…5 by the country's part of all. */
export function tintOf(share) {
  if (!(share > 0)) return 0;
  return TINT_STEPS.filter((step) => share >= step).length;
}

export function createLand() {
  const group = svg('g', { class: 'land' });
  const paths = new Map();
  for (const [code, d] of Object.entries(LAND)) {
    const path = svg('path', { d });
    if (code) {
      path.dataset.country = code;
      path.append(svg('title', {}, countryName(code)));
      paths.set(code, path);
    }
    group.append(path);
  }
  let tinted = new Set();
  return {
    group,
    /** `countries`: [code, requests/s] each. Gives requests/s from places that the map has no land for. */
    tint(countries) {
      const total = countries.reduce((sum, [, rps]) => sum + rps, 0);
      const now = new Set();
      let elsewhere = 0;
      for (const [code, rps] of countries) {
        const path = paths.get(code);
        if (!path) {
          elsewhere += rps;
          continue;
        }
        const share = total > 0 ? rps / total : 0;
        set(path, 'class', `tint-${tintOf(share)}`);
        setText(path.firstChild, `${countryName(code)}: ${rps.toFixed(1)} requests/s (${(100 * share).toFixed(1)} %)`);
        now.add(code);
      }
      for (const code of tinted) {
        if (now.has(code)) continue;
        const path = paths.get(code);
        set(path, 'class', null);
        setText(path.firstChild, countryName(code));
      }
      tinted = now;
      return elsewhere;
    },
  };
}
