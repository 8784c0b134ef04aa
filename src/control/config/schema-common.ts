// Values that more than one part of the schema takes: a place in the catalogue, a point on the map, a file.

import { z } from 'zod';
import { findRegion, regionNames } from '../../../geoip/regions.ts';
import { number, text } from './leaf.ts';
import { didYouMean } from './suggest.ts';

export const region = text('a region of the catalogue, such as aws:eu-central-1', (value) => {
  if (findRegion(value) !== null) return null;
  const near = didYouMean(value, regionNames());
  return near === null ? 'unknown region' : `unknown region (did you mean ${near}?)`;
});

export const location = z
  .strictObject({ lat: number(-90, 90).describe('Degrees north'), lon: number(-180, 180).describe('Degrees east') })
  .describe('Where it is; wins over the region’s own place');

export const file = text('the path of a file', (value) => (value === '' || value.includes('\0') ? 'not a path' : null));
