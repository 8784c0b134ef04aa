// Puts the figures of bench/results/load*.json between the marks in README.md and docs/benchmarks.md, so that these never
// claim what was not measured. npm run bench:load -- readme

import { readFileSync, writeFileSync } from 'node:fs';
import { readSections, type Sections } from './results.ts';
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

const README = new URL('../../README.md', import.meta.url);
const DOCS = new URL('../../docs/benchmarks.md', import.meta.url);
const BEGIN = '<!-- bench:load begin -->';
const END = '<!-- bench:load end -->';

const sections = readSections();
const latency = resultOf<LatencyResult>('load-latency');
const memory = resultOf<MemoryResult>('load-memory');
const floods = resultOf<FloodsResult>('load-floods');
if (Object.keys(sections).length === 0) {
  console.error('bench/results/load.json has no figures: npm run bench:load');
  process.exit(1);
}

put(README, [
  ...paragraph(peersTable(sections)),
  ...paragraph(scenariosTable(sections)),
  ...paragraph(scaleTable(sections)),
  footnote(sections),
  ...paragraph(latency ? ['', ...latencyTable(latency), '', latencyNote(latency)] : []),
  ...paragraph(memory ? [...memoryTable(memory)] : []),
]);
put(DOCS, [
  ...paragraph(scenariosTable(sections)),
  ...paragraph(scaleTable(sections)),
  ...Object.entries(sections).flatMap(([name, section]) => [
    `### ${name}: ${section.title}`,
    '',
    ...sectionTable(section),
    '',
    footnote({ [name]: section } as Sections),
    '',
  ]),
  ...(latency ? ['### latency', '', ...latencyTable(latency), '', latencyNote(latency), '', stated(latency), ''] : []),
  ...(memory ? ['### memory', '', ...memoryTable(memory), '', stated(memory), ''] : []),
  ...(floods ? ['### floods', '', ...floodsTable(floods), '', stated(floods), ''] : []),
]);

/** A table with an empty line after it; nothing for nothing. */
function paragraph(lines: readonly string[]): string[] {
  return lines.length > 0 ? [...lines, ''] : [];
}

function latencyNote(result: LatencyResult): string {
  const { rate, connections } = result.terms;
  const how = `A constant ${rate} requests/s over ${connections} connections, half of what the slowest C proxy carries; time counts from when a request was due.`;
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

function put(file: URL, lines: readonly string[]): void {
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)] as const;
  if (begin < 0 || end < begin) throw new Error(`${file.pathname} lacks ${BEGIN} … ${END}`);
  const between = lines.join('\n').trim();
  writeFileSync(file, `${text.slice(0, begin + BEGIN.length)}\n${between}\n${text.slice(end)}`);
}
