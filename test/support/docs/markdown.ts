// The pages of the documentation, as much of Markdown as their tests need: what stands in fences, and with what info string;
// headings with the anchors that GitHub gives them; links; code in the text; tables. Nothing is rendered.

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../../..');

/** ```LANGUAGE word key=value …, for example: sh needs=docker · sh exit=1 · yaml file=fermat.yaml · yaml prometheus */
export interface Info {
  /** '' when the fence says nothing. */
  readonly language: string;
  readonly words: readonly string[];
  readonly values: Readonly<Record<string, string>>;
}

export interface Block {
  readonly page: string;
  /** Of its first line of text, 1-based. */
  readonly line: number;
  readonly info: Info;
  readonly text: string;
}

export interface Heading {
  readonly level: number;
  readonly anchor: string;
  readonly line: number;
}

export interface Piece {
  readonly text: string;
  readonly line: number;
}

export interface Code extends Piece {
  /** The column of the table that it stands in, from 0; -1 outside of tables. */
  readonly column: number;
}

export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly blocks: readonly Block[];
  readonly headings: readonly Heading[];
  /** Targets of links and pictures. */
  readonly links: readonly Piece[];
  /** Lines of code that is only indented: nobody says what it is. */
  readonly indented: readonly number[];
  /** What stands in backticks in the text. */
  readonly codes: readonly Code[];
  /** Columns of every row of every table, the line under its head included. */
  readonly tables: readonly (readonly number[])[];
}

/** README*.md, CONTRIBUTING.md, and everything below docs/. */
export function docsPages(): Page[] {
  const top = readdirSync(ROOT).filter((name) => /^(README.*|CONTRIBUTING)\.md$/.test(name));
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name));
  return [...top, ...docs].sort().map((path) => pageOf(path, readFileSync(join(ROOT, path), 'utf8')));
}

/** Throws when a fence is never closed. */
export function pageOf(path: string, text: string): Page {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  const headings: Heading[] = [];
  const links: Piece[] = [];
  const codes: Code[] = [];
  const tables: number[][] = [];
  const indented: number[] = [];
  const anchors = new Map<string, number>();
  let wasRow = false;
  for (let i = 0; i < lines.length; i++) {
    const fence = /^( {0,12})(`{3,}|~{3,})\s*(.*)$/.exec(lines[i]!);
    if (fence) {
      const [, indent, mark, info] = fence as unknown as [string, string, string, string];
      const end = lines.findIndex((line, at) => at > i && line.trim() === mark);
      if (end < 0) throw new Error(`${path}:${i + 1}: a fence that is never closed`);
      const inside = lines
        .slice(i + 1, end)
        .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
      blocks.push({ page: path, line: i + 2, info: infoOf(info), text: `${inside.join('\n')}\n` });
      i = end;
      continue;
    }
    const line = lines[i]!;
    const isInList = /^\s*([-*]|\d+\.)\s/.test(
      lines.slice(0, i).findLast((before) => /^\S|^\s*[-*]\s/.test(before)) ?? '',
    );
    if (/^ {4}\S/.test(line) && lines[i - 1] === '' && !isInList) indented.push(i + 1);
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    if (heading) {
      const slug = anchorOf(heading[2]!);
      const seen = anchors.get(slug) ?? 0;
      anchors.set(slug, seen + 1);
      headings.push({ level: heading[1]!.length, anchor: seen === 0 ? slug : `${slug}-${seen}`, line: i + 1 });
    }
    const isRow = /^\s*\|.*\|\s*$/.test(line);
    if (isRow && !wasRow) tables.push([]);
    if (isRow) tables.at(-1)!.push(line.replaceAll('\\|', '').split('|').length - 2);
    wasRow = isRow;
    for (const match of line.matchAll(/(?<!`)`([^`]+)`(?!`)/g)) {
      const column = isRow ? line.slice(0, match.index).replaceAll('\\|', '').split('|').length - 2 : -1;
      codes.push({ text: match[1]!, line: i + 1, column });
    }
    links.push(...linksOf(line.replace(/(?<!`)`[^`]+`(?!`)/g, '`'), i + 1));
  }
  return { path, blocks, headings, links, indented, codes, tables };
}

function linksOf(line: string, at: number): Piece[] {
  const targets = [
    ...line.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g),
    ...line.matchAll(/\b(?:href|src|srcset)="([^"\s]+)"/g),
    ...line.matchAll(/^\s*\[[^\]]+\]:\s*(\S+)/g),
  ];
  return targets.map(([, text]) => ({ text: text!, line: at }));
}

function infoOf(text: string): Info {
  const [language = '', ...rest] = text.trim().split(/\s+/);
  const values = rest.filter((word) => word.includes('=')).map((word) => word.split(/=(.*)/s, 2) as [string, string]);
  return { language, words: rest.filter((word) => !word.includes('=')), values: Object.fromEntries(values) };
}

/** As GitHub does: lower case, no punctuation but - and _, a hyphen for each space. */
function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** The file that a block is to be saved as: `file=NAME`, or its first line `# NAME`; null when it has no name. */
export function fileNameOf({ info, text }: Block): string | null {
  return info.values.file ?? /^(?:#|\/\/)\s*([\w./-]+\.[a-z]+)\s*\n/.exec(text)?.[1] ?? null;
}

export const placeOf = ({ page, line }: Block): string => `${page}:${line}`;
