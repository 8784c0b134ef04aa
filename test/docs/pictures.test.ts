// The pictures of the docs are what tools/pictures.ts draws: nobody edits them by hand, and those of measurements follow these.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pictures } from '../../tools/pictures.ts';
import { ROOT } from '../support/docs/markdown.ts';

it.each(Object.entries(pictures()))('docs/pictures/%s is as `node tools/pictures.ts` draws it', (name, svg) => {
  expect(readFileSync(join(ROOT, 'docs/pictures', name), 'utf8')).toBe(svg);
});
