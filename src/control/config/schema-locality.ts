// The form of `locality`: requests of a key go where its data is (docs/locality.md).

import { z } from 'zod';
import { isPlace, placeNames } from '../locality/places.ts';
import type { LocalityConfig } from './config.ts';
import { parseKey } from './keyed.ts';
import { text, whole } from './leaf.ts';
import type { FileRoute } from './schema.ts';
import { didYouMean } from './suggest.ts';

/** Keys of one directory: 512 MiB. */
const MOST_KEYS = 16_000_000;

export const place = text('a region such as aws:eu-central-1, or a cloud such as aws', (value) => {
  if (isPlace(value)) return null;
  const near = didYouMean(value, placeNames());
  return near === null ? 'unknown region or cloud' : `unknown region or cloud (did you mean ${near}?)`;
});

export const locality = z
  .strictObject({
    key: text('header:NAME, cookie:NAME or path:N', (value) => {
      const key = parseKey(value);
      return key === null || key.kind === 'client' || key.kind === 'route'
        ? 'not something that names whose data it is'
        : null;
    }).describe('What of a request says whose data it is about'),
    mode: z
      .enum(['hard', 'soft'])
      .default('hard')
      .describe('hard: no endpoint is healthy there, 503; soft: then any endpoint'),
    unknown: z
      .union([z.literal('any'), place])
      .default('any')
      .describe('Where requests go whose key is missing or not in the directory: any endpoint, or those of a region'),
    directory: text('letters, digits, - and _', (value) => (/^[\w-]{1,64}$/.test(value) ? null : 'not a name'))
      .default('default')
      .describe('Name of the directory in Redis'),
    max: whole(1, MOST_KEYS)
      .default(1_000_000)
      .describe('Keys of the directory that a node holds; 22 to 43 bytes each'),
  })
  .nullable()
  .default(null)
  .describe('Requests go to the endpoints of the region (or cloud) that holds the data of their key');

export function localityOf(file: FileRoute['locality']): LocalityConfig | null {
  if (file === null) return null;
  const { mode, unknown, directory, max } = file;
  return {
    key: parseKey(file.key)!,
    isHard: mode === 'hard',
    unknown: unknown === 'any' ? null : unknown,
    directory,
    max,
  };
}
