// What was measured, kept in bench/results/faults.json row by row, and docs/faults.md written from it: the tables of faults with
// expected and measured side by side. A run of some rows replaces those; a row says itself when it was measured, and of what.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Machine, machineOf } from '../../bench/support/machine.ts';
import { type Figure, TABLES, type Table, textOf } from './case.ts';
import { ABSENT, CASES } from './cases.ts';
import { soakSection } from './soak/summary.ts';

const RESULTS = fileURLToPath(new URL('../../bench/results/faults.json', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('../../docs/faults.md', import.meta.url));

export interface Row {
  readonly table: Table;
  readonly fault: string;
  readonly injected: string;
  readonly expected: string;
  readonly figures: readonly Figure[];
  readonly isHeld: boolean;
  /** Why it could not be measured. */
  readonly error: string | null;
  /** How late a timer was at p99 meanwhile, in a process with nothing to do. */
  readonly noiseMs: number;
  readonly tookS: number;
}

interface Kept extends Row {
  /** ISO 8601. */
  readonly at: string;
  readonly commit: string;
}

interface Results {
  readonly machine: Machine;
  readonly rows: readonly Kept[];
}

/** Puts a row in the place of its earlier self, and writes the document anew. */
export function keep(row: Row): void {
  const machine = machineOf();
  const kept: Kept = { ...row, at: new Date().toISOString(), commit: machine.commit };
  const earlier = new Map((read()?.rows ?? []).map((one) => [keyOf(one), one]));
  earlier.set(keyOf(row), kept);
  // In the order of the tables; rows that are no more are dropped.
  const rows = CASES.flatMap((one) => earlier.get(keyOf(one)) ?? []);
  writeFileSync(RESULTS, `${JSON.stringify({ machine, rows } satisfies Results, null, 2)}\n`);
  writeDocument();
}

/** From what is kept; nothing without it. */
export function writeDocument(): void {
  const results = read();
  if (results !== null) writeFileSync(DOCUMENT, documentOf(results));
}

const keyOf = ({ table, fault }: { table: string; fault: string }) => `${table}: ${fault}`;

function read(): Results | null {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8')) as Results;
  } catch {
    return null; // the first run
  }
}

function documentOf({ machine: { cpu, cores, system, node }, rows }: Results): string {
  const held = rows.filter(({ isHeld }) => isHeld).length;
  const dates = rows.map(({ at }) => at.slice(0, 16)).sort();
  const commits = [...new Set(rows.map(({ commit }) => commit))].join(', ');
  const tookS = rows.reduce((sum, row) => sum + row.tookS, 0);
  const parts = [
    '# Faults: what happens, and what was measured',
    'Written by `npm run faults`, which starts the real process before scripted origins, injects each fault while an open-loop ' +
      'client counts every request with its outcome and its latency from the moment it was due, and compares. Settings that ' +
      'differ from the defaults are named in the row; limits stand behind the figures. Everything runs on one machine: latencies ' +
      'are upper bounds, counts are exact. Limits of latencies are widened by how late the machine itself was at p99, as a timer ' +
      'in an idle process tells (the last column), and a row that missed by a latency alone was measured once more.',
    `${held} of ${CASES.length} rows hold, ${ABSENT.length} are not there yet. ${dates[0]}Z to ${dates.at(-1)}Z, ${cpu}, ` +
      `${cores} cores, ${system}, Node ${node}, commit ${commits}; ${Math.round(tookS / 60)} minutes in all. ` +
      '`npm run faults -- --only PATTERN` measures some rows anew, `--quick` tries all in short and keeps nothing.',
  ];
  for (const [table, title] of Object.entries(TABLES)) parts.push(`## ${title}\n${tableOf(table, rows)}`);
  const soak = soakSection();
  if (soak !== '') parts.push(soak);
  return `${parts.join('\n\n')}\n`;
}

function tableOf(table: string, rows: readonly Kept[]): string {
  const lines = ['| fault | expected | measured | | late by |', '|---|---|---|---|---|'];
  for (const row of rows.filter((one) => one.table === table)) {
    const measured = row.error ?? row.figures.map(textOf).join('; ');
    const verdict = row.isHeld ? 'holds' : '**missed**';
    lines.push(
      lineOf(`**${row.fault}**<br>${row.injected}`, row.expected, measured, verdict, `${row.noiseMs.toFixed(1)} ms`),
    );
  }
  for (const { fault, expected, absent: why } of ABSENT.filter((one) => one.table === table)) {
    lines.push(lineOf(`**${fault}**`, expected, `not there yet: ${why}`, '–', '–'));
  }
  return lines.join('\n');
}

function lineOf(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}
