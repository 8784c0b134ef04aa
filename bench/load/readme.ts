// Puts the figures of bench/results/load*.json between the marks in README.md, its translation and docs/benchmarks.md, so that
// these never claim what was not measured. npm run bench:load -- readme

import { readFileSync, writeFileSync } from 'node:fs';
import { readSections, type Section } from './results.ts';
import {
  type FloodsResult,
  floodsTable,
  footnote,
  type LatencyResult,
  latencyTable,
  type MemoryResult,
  memoryTable,
  pauseLines,
  peersTable,
  scaleTable,
  scenariosTable,
  sectionTable,
  stated,
} from './tables.ts';

const READMES = [new URL('../../README.md', import.meta.url), new URL('../../README.zh-CN.md', import.meta.url)];
const DOCS = new URL('../../docs/benchmarks.md', import.meta.url);

const sections = readSections();
const latency = resultOf<LatencyResult>('load-latency');
const memory = resultOf<MemoryResult>('load-memory');
const floods = resultOf<FloodsResult>('load-floods');

if (Object.keys(sections).length > 0) {
  const overview = [...paragraph(scenariosTable(sections)), ...paragraph(scaleTable(sections)), footnote(sections)];
  for (const readme of READMES) put(readme, 'load', [...paragraph(peersTable(sections)), ...overview]);
  put(DOCS, 'load', [
    ...overview,
    '',
    ...Object.entries(sections).flatMap(([name, section]) => chapter(name, section)),
  ]);
}
if (latency) {
  for (const readme of READMES)
    put(readme, 'latency', [latencyNote(latency), '', ...latencyTable(latency), '', stated(latency)]);
  put(DOCS, 'latency', [...latencyTable(latency), '', latencyNote(latency), '', stated(latency)]);
}
if (memory) {
  for (const readme of READMES) put(readme, 'memory', memoryTable(memory));
  put(DOCS, 'memory', [...memoryTable(memory), '', stated(memory)]);
}
if (floods) put(DOCS, 'floods', [...floodsTable(floods), '', stated(floods)]);

function chapter(name: string, section: Section): string[] {
  return [`#### ${name}: ${section.title}`, '', ...sectionTable(section), '', footnote({ [name]: section }), ''];
}

/** A table with an empty line after it; nothing for nothing. */
function paragraph(lines: readonly string[]): string[] {
  return lines.length > 0 ? [...lines, ''] : [];
}

function latencyNote(result: LatencyResult): string {
  const { rate, connections, capacities } = result.terms;
  const least = Math.min(...Object.values(capacities));
  const part = Number.isFinite(least)
    ? `, ${Math.round((rate / least) * 100)} % of what the slowest C proxy carried`
    : '';
  const how = `A constant ${rate} requests/s over ${connections} connections${part}; time counts from when a request was due.`;
  return [how, ...pauseLines(result)].join(' ');
}

/** null when it has not been measured. */
function resultOf<T>(name: string): T | null {
  try {
    return JSON.parse(readFileSync(new URL(`../results/${name}.json`, import.meta.url), 'utf8'));
  } catch {
    return null;
  }
}

/** Between `<!-- bench:NAME begin -->` and its end. Throws when the page has no such place. */
function put(page: URL, name: string, lines: readonly string[]): void {
  const text = readFileSync(page, 'utf8');
  const marks = [`<!-- bench:${name} begin -->`, `<!-- bench:${name} end -->`] as const;
  const [begin, end] = [text.indexOf(marks[0]), text.indexOf(marks[1])] as const;
  if (begin < 0 || end < begin) throw new Error(`${page.pathname} lacks ${marks.join(' … ')}`);
  writeFileSync(page, `${text.slice(0, begin + marks[0].length)}\n${lines.join('\n').trim()}\n${text.slice(end)}`);
}
