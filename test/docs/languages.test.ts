// The README in other languages says what the English one says: the same headings, code, tables and links, in the same order.

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { docsPages, type Page, ROOT } from '../support/docs/markdown.ts';

const TRANSLATED = /^README\.([a-z]{2}(?:-[A-Z]{2})?)\.md$/;

/** Each page names the other one at its top. */
const shapeOf = ({ headings, blocks, tables, links }: Page) => ({
  headings: headings.map(({ level }) => level),
  code: blocks.map(({ info, text }) => ({ info, text })),
  tables,
  links: links.map(({ text }) => text).filter((target) => !/^README/.test(target)),
});

describe('README in other languages', () => {
  const pages = docsPages();
  const english = pages.find(({ path }) => path === 'README.md')!;

  for (const name of readdirSync(ROOT).filter((name) => TRANSLATED.test(name))) {
    it(`${name} is in step with README.md`, () => {
      const page = pages.find(({ path }) => path === name)!;
      expect(shapeOf(page)).toEqual(shapeOf(english));
      expect(page.links.map(({ text }) => text)).toContain('README.md');
      expect(english.links.map(({ text }) => text)).toContain(name);
    });
  }
});
