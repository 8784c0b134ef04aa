// docs/faults.md, from the figures of a full run: the tables of faults with expected and measured side by side.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { machineOf } from '../../bench/support/machine.ts';
import { type AbsentCase, type Figure, TABLES, type Table, textOf } from './case.ts';

const FILE = fileURLToPath(new URL('../../docs/faults.md', import.meta.url));

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

/** Gives the path. */
export function writeDocument(rows: readonly Row[], absent: readonly AbsentCase[], tookS: number): string {
  writeFileSync(FILE, documentOf(rows, absent, tookS));
  return FILE;
}

function documentOf(rows: readonly Row[], absent: readonly AbsentCase[], tookS: number): string {
  const { cpu, cores, system, node, commit } = machineOf();
  const held = rows.filter(({ isHeld }) => isHeld).length;
  const parts = [
    '# Faults: what happens, and what was measured',
    'Written by `npm run faults`, which starts the real process before scripted origins, injects each fault while an open-loop ' +
      'client counts every request with its outcome and its latency from the moment it was due, and compares. Settings that ' +
      'differ from the defaults are named in the row. Limits stand behind the figures. Everything runs on one machine: latencies ' +
      'are upper bounds, counts are exact. Limits of latencies are widened by what the machine was late itself at p99, as a timer in an ' +
      'idle process tells (the last column), and a row that missed by a latency alone was measured once more.',
    `${held} of ${rows.length} rows hold, ${absent.length} are not there yet. ${new Date().toISOString().slice(0, 16)}Z, ` +
      `${cpu}, ${cores} cores, ${system}, Node ${node}, commit ${commit}, ${Math.round(tookS)} s. ` +
      '`npm run faults -- --only PATTERN` runs a part, `--quick` a short form of all.',
  ];
  for (const [table, title] of Object.entries(TABLES)) parts.push(`## ${title}\n${tableOf(table, rows, absent)}`);
  return `${parts.join('\n\n')}\n`;
}

function tableOf(table: string, rows: readonly Row[], absent: readonly AbsentCase[]): string {
  const lines = ['| fault | expected | measured | | late by |', '|---|---|---|---|---|'];
  for (const row of rows.filter((one) => one.table === table)) {
    const measured = row.error ?? row.figures.map(textOf).join('; ');
    lines.push(
      lineOf(
        `**${row.fault}**<br>${row.injected}`,
        row.expected,
        measured,
        row.isHeld ? 'holds' : '**missed**',
        `${row.noiseMs.toFixed(1)} ms`,
      ),
    );
  }
  for (const { fault, expected, absent: why } of absent.filter((one) => one.table === table)) {
    lines.push(lineOf(`**${fault}**`, expected, `not there yet: ${why}`, '–', '–'));
  }
  return lines.join('\n');
}

function lineOf(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}
