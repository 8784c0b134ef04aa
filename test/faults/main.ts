// npm run faults: every row of the tables of faults on the real process, expected beside measured. What was
// measured in full goes to docs/faults.md. Ends with 1 when a row missed.

import { parseArgs } from 'node:util';
import { type AbsentCase, type FaultCase, type Figure, holds, TABLES, type Table, textOf } from './case.ts';
import { ABSENT, CASES } from './cases.ts';
import { keep, type Row } from './document.ts';
import { listen, widened } from './noise.ts';
import { wrapped } from './text.ts';

const USAGE = 'npm run faults -- [--only PATTERN] [--quick] [--json] [--list]';
/** A case that hangs is a miss, not the end of the run. */
const CASE_TIMEOUT_MS = 180_000;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}
const hasColours = process.stdout.isTTY === true && !flags.json && process.env.NO_COLOR === undefined;
const paint = (code: number, text: string) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text);
const say = (line: string) => {
  if (!flags.json) console.log(line);
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main();
// Whatever a failed case has left behind must not keep the suite alive.
process.exit();

async function main(): Promise<number> {
  const pattern = new RegExp(flags.only ?? '', 'i');
  const isWanted = ({ fault, table }: { fault: string; table: Table }) => pattern.test(`${TABLES[table]}: ${fault}`);
  const cases = CASES.filter(isWanted);
  const absent = ABSENT.filter(isWanted);
  if (cases.length + absent.length === 0) {
    console.error(`no row matches ${flags.only}; ${USAGE}`);
    return 2;
  }
  if (flags.list) {
    for (const { table, fault } of [...cases, ...absent]) console.log(`${TABLES[table]}: ${fault}`);
    return 0;
  }
  const startedMs = performance.now();
  const rows: Row[] = [];
  for (const [i, one] of cases.entries()) {
    say(`${paint(1, `[${i + 1}/${cases.length}] ${one.fault}`)}\n${wrapped(one.injected, '  ')}`);
    let row = await measure(one);
    tell(row);
    if (isWorthAnother(row)) {
      say(`  ${paint(33, 'missed by latency alone: once more')}`);
      row = await measure(one);
      tell(row);
    }
    rows.push(row);
    if (!flags.quick) keep(row);
  }
  for (const one of absent) tellAbsent(one);
  const misses = rows.filter(({ isHeld }) => !isHeld);
  const tookS = (performance.now() - startedMs) / 1000;
  if (flags.json) console.log(JSON.stringify({ rows, absent, tookS }, null, 2));
  say(
    `\n${rows.length - misses.length} of ${rows.length} rows hold, ${absent.length} not there yet, in ${tookS.toFixed(0)} s` +
      misses.map(({ fault }) => `\n  ${paint(31, 'missed')} ${fault}`).join(''),
  );
  if (!flags.quick) say('\nWritten: docs/faults.md, bench/results/faults.json');
  return misses.length === 0 ? 0 : 1;
}

/** What a neighbour on the machine may have done, a second try tells from what we did. Counts get none. */
function isWorthAnother({ isHeld, error, figures }: Row): boolean {
  return !isHeld && error === null && figures.every((figure) => !figure.isFirm || holds(figure));
}

async function measure(one: FaultCase): Promise<Row> {
  const { table, fault, injected, expected } = one;
  const startedMs = performance.now();
  const row = { table, fault, injected, expected };
  const took = () => (performance.now() - startedMs) / 1000;
  let timer: NodeJS.Timeout | undefined;
  const noise = listen();
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not over after ${CASE_TIMEOUT_MS / 1000} s`)), CASE_TIMEOUT_MS);
    });
    const how = { isQuick: flags.quick, say: (line: string) => say(`  … ${line}`) };
    const measured = await Promise.race([one.run(how), late]);
    const noiseMs = noise();
    const figures = measured.map((figure) => widened(figure, noiseMs));
    const isHeld = figures.length > 0 && figures.every(holds);
    return { ...row, figures, isHeld, error: null, noiseMs, tookS: took() };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...row, figures: [], isHeld: false, error: why, noiseMs: noise(), tookS: took() };
  } finally {
    clearTimeout(timer);
  }
}

function tell({ expected, figures, isHeld, error, noiseMs, tookS }: Row): void {
  say(`  ${paint(2, 'expected')}\n${wrapped(expected, '    ')}\n  ${paint(2, 'measured')}`);
  for (const figure of figures) say(`    ${lineOf(figure)}`);
  if (error !== null) say(wrapped(error.slice(0, 1500), '    '));
  say(
    `  ${isHeld ? paint(32, 'holds') : paint(31, 'MISSED')} ${paint(2, `(${tookS.toFixed(1)} s; the machine late by ${noiseMs.toFixed(1)} ms)`)}\n`,
  );
}

function lineOf(figure: Figure): string {
  return holds(figure) ? textOf(figure) : paint(31, `${textOf(figure)}  ← missed`);
}

function tellAbsent({ fault, absent }: AbsentCase): void {
  say(`${paint(1, fault)}\n  ${paint(33, `not there yet: ${absent}`)}\n`);
}
