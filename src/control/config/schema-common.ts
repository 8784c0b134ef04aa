// Values that more than one part of the schema takes: a place in the catalogue, a point on the map, a file.

import { z } from 'zod';
import { findRegion, regionNames } from '../../../geoip/regions.ts';
import { countryMeant, isCountry } from './countries.ts';
import { number, text } from './leaf.ts';
import { didYouMean } from './suggest.ts';

export const region = text('a region of the catalogue, such as aws:eu-central-1', (value) => {
  if (findRegion(value) !== null) return null;
  const near = didYouMean(value, regionNames());
  return near === null ? 'unknown region' : `unknown region (did you mean ${near}?)`;
});

/** A place that data may have to stay in. */
export const residence = text(
  'a country such as DE, or a region of the catalogue such as aws:eu-central-1',
  (value) => {
    if (isCountry(value) || findRegion(value) !== null) return null;
    // The name of a region without its provider is a slip that spelling alone would not find.
    const near = countryMeant(value) ?? sameRegion(value) ?? didYouMean(value, regionNames());
    return near === null ? 'unknown country or region' : `unknown country or region (did you mean ${near}?)`;
  },
);

function sameRegion(value: string): string | null {
  return regionNames().find((name) => name.endsWith(`:${value.toLowerCase()}`)) ?? null;
}

export const location = z
  .strictObject({ lat: number(-90, 90).describe('Degrees north'), lon: number(-180, 180).describe('Degrees east') })
  .describe('Where it is; wins over the region’s own place');

export const file = text('the path of a file', (value) => (value === '' || value.includes('\0') ? 'not a path' : null));
