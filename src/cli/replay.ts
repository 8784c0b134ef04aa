// `replay`: decides recorded decisions again, under their own configuration or another. Needs no running node.

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadConfig } from '../control/config/load.ts';
import { Alternative } from '../control/decisions/alternative.ts';
import { parseRecord, type Recorded } from '../control/decisions/parse.ts';
import { type Comparison, compare, verify } from '../control/decisions/replay.ts';
import { CliError, complain, EXIT, type ExitCode, print, printJson } from './exit.ts';
import { type Column, styled, tableOf } from './table.ts';

export interface ReplayFlags {
  readonly config?: string;
  readonly drain: readonly string[];
  readonly json?: boolean;
}

/** Of bad lines and of choices that differ, so many are shown. */
const SHOWN = 20;

interface Problem {
  readonly line: number;
  readonly what: string;
}

/** 1 when a line is bad or, under their own configuration, a choice is not reproduced. */
export async function replay(file: string, flags: ReplayFlags): Promise<ExitCode> {
  const { records, problems } = await read(file);
  for (const { line, what } of problems.slice(0, SHOWN)) complain(`${file}:${line}: ${what}`);
  if (problems.length > SHOWN) complain(`${file}: ${problems.length - SHOWN} more bad lines`);
  if (records.length === 0) throw new CliError(`${file}: holds no decision that can be replayed`);
  const isOther = flags.config !== undefined || flags.drain.length > 0;
  const isSound = isOther ? compareWith(records, problems, flags) : repeat(records, problems, flags);
  return problems.length === 0 && isSound ? EXIT.OK : EXIT.FAILED;
}

function repeat(records: readonly Recorded[], problems: readonly Problem[], { json }: ReplayFlags): boolean {
  const differences = verify(records);
  const reproduced = records.length - differences.length;
  if (json) printJson({ decisions: records.length, reproduced, differences, problems });
  else {
    for (const { id, was, is } of differences.slice(0, SHOWN)) print(`${id}  was ${was}, is ${is ?? 'nobody'}`);
    const text = `${reproduced} of ${records.length} reproduced`;
    print(styled(differences.length === 0 ? 'green' : 'red', text));
  }
  return differences.length === 0;
}

function compareWith(records: readonly Recorded[], problems: readonly Problem[], flags: ReplayFlags): boolean {
  if (flags.config === undefined) throw new CliError('--drain needs --config: of which configuration?', EXIT.USAGE);
  const loaded = loadConfig(flags.config, {});
  if (!loaded.ok) {
    for (const problem of loaded.problems) complain(problem);
    refuse(`${flags.config}: is no valid configuration`);
  }
  const other = new Alternative(loaded.config, new Set(flags.drain), records);
  const unknown = [...new Set(records.map(({ pool }) => pool))].filter((pool) => !other.knows(pool));
  if (unknown.length > 0) refuse(`${flags.config}: has no pool ${unknown.join(', ')}, which decisions were made in`);
  const result = compare(records, other);
  const unknownEndpoints = [...other.unknownEndpoints];
  const unknownRoutes = [...other.unknownRoutes];
  if (flags.json) printJson({ ...result, unknownEndpoints, unknownRoutes, problems });
  else for (const line of linesOf(result, unknownEndpoints, unknownRoutes)) print(line);
  return true;
}

function refuse(message: string): never {
  throw new CliError(message, EXIT.CONFIG);
}

async function read(file: string): Promise<{ records: Recorded[]; problems: Problem[] }> {
  const byId = new Map<string, Recorded>();
  const problems: Problem[] = [];
  const input = file === '-' ? process.stdin : createReadStream(file, 'utf8');
  let line = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (text.trim() === '') continue;
      try {
        const record = parseRecord(text);
        // Captured twice, the later one may know how it ended.
        byId.set(`${record.id} ${record.atMs}`, record);
      } catch (error) {
        problems.push({ line, what: error instanceof Error ? error.message : String(error) });
      }
    }
  } catch (error) {
    throw new CliError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
  return { records: [...byId.values()], problems };
}

const COLUMNS: readonly Column<Comparison['shares'][number]>[] = [
  { title: 'POOL', of: ({ pool }) => pool },
  { title: 'ENDPOINT', of: ({ endpoint }) => endpoint },
  { title: 'BEFORE', of: ({ before }) => percent(before), isNumber: true },
  { title: 'AFTER', of: ({ after }) => percent(after), isNumber: true },
];

function linesOf(result: Comparison, unknownEndpoints: readonly string[], unknownRoutes: readonly string[]): string[] {
  const { decisions, picks, changed, unanswered, meanMs, p99Ms, usdPerMillion, measured } = result;
  const pair = (before: number, after: number, digits: number, unit: string) =>
    `${fixed(before, digits)} → ${fixed(after, digits)} ${unit}`;
  const lines = [
    `decisions  ${decisions}, which stand for ${picks} picks`,
    `changed    ${changed} (${percent(changed / decisions)})`,
    ...(unanswered > 0 ? [styled('red', `unanswered ${unanswered}: no endpoint would have been left`)] : []),
    `mean       ${pair(meanMs.before, meanMs.after, 2, 'ms predicted to the first byte')}`,
    `p99        ${pair(p99Ms.before, p99Ms.after, 2, "ms: the predicted times with each endpoint's own spread")}`,
    `measured   mean ${fixed(measured.meanMs, 2)}, p99 ${fixed(measured.p99Ms, 2)} ms of ${measured.count} answers, before`,
    `off-policy ${offPolicyText(result)}`,
    `USD        ${pair(usdPerMillion.before, usdPerMillion.after, 2, 'per million requests')}`,
    '',
    ...tableOf(COLUMNS, result.shares),
  ];
  if (unknownEndpoints.length > 0) {
    lines.push('', `unknown to the decisions, and left out: ${unknownEndpoints.join(', ')}`);
  }
  if (unknownRoutes.length > 0) lines.push(`routes not in the configuration: ${unknownRoutes.join(', ')}`);
  return lines;
}

function offPolicyText({ offPolicy: { mean, effective, covered, isSupported } }: Comparison): string {
  const worth = `${Math.round(effective)} effective answers, ${percent(covered)} of the choices covered`;
  return isSupported ? `mean ${fixed(mean, 2)} ms (SNIPS; ${worth})` : `nothing to say: ${worth}`;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}

function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-';
}
