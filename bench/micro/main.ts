// Runs every other file of this folder, one after another and each in a process of its own, so that no bench meets a heap or
// inline caches that another has left. A file that exports `bench()` is asked for its figures; any other is simply run.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { commandOf, machineOf } from '../support/machine.ts';
import { tableOf, writeResult } from '../support/report.ts';

/** What `export async function bench()` of a file gives, a line each. */
interface Figure {
  readonly name: string;
  readonly nsPerOp: number;
  readonly note?: string;
  /** Expected 0, where it is said at all. */
  readonly bytesPerOp?: number;
  /** ns; above it the bench fails. */
  readonly limitNs?: number;
}

const FOLDER = fileURLToPath(new URL('./', import.meta.url));
/** Less than this is the measurement's own: an object or two of a round. */
const NOISE_BYTES = 0.01;
const MARK = 'MICRO-BENCH ';

/** Imports a file and prints its figures behind a mark, whatever else it prints. */
const runner = (file: string) => `
  const { bench } = await import(${JSON.stringify(pathToFileURL(FOLDER + file).href)});
  if (typeof bench === 'function') console.log('${MARK}' + JSON.stringify(await bench()));
`;

const wanted = process.argv.slice(2).filter((name) => !name.startsWith('--'));
const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.ts') && name !== 'main.ts')
  .filter((name) => wanted.length === 0 || wanted.includes(name.replace('.ts', '')));
const results: Record<string, { figures: Figure[]; output: string }> = {};
for (const file of files) {
  const run = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', runner(file)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (run.status !== 0) process.exitCode = 1;
  const lines = run.stdout.split('\n');
  const marked = lines.find((line) => line.startsWith(MARK));
  const output = lines
    .filter((line) => !line.startsWith(MARK))
    .join('\n')
    .trim();
  const figures = marked ? (JSON.parse(marked.slice(MARK.length)) as Figure[]) : [];
  results[file] = { figures, output };
  if (output) console.log(`${file}\n${output}\n`);
}

const rows = Object.entries(results).flatMap(([file, { figures }]) =>
  figures.map(({ name, nsPerOp, note }) => [`${file.replace('.ts', '')}: ${name}`, nsPerOp.toFixed(1), note ?? '']),
);
for (const { name, nsPerOp, bytesPerOp = 0, limitNs = Infinity } of Object.values(results).flatMap((r) => r.figures)) {
  if (nsPerOp <= limitNs && bytesPerOp <= NOISE_BYTES) continue;
  console.error(`${name}: expected ≤ ${limitNs} ns and nothing allocated, got ${nsPerOp} ns and ${bytesPerOp} bytes`);
  process.exitCode = 1;
}
if (rows.length > 0) console.log(tableOf(['what', 'ns/op', 'note'], rows));
const result = {
  at: new Date().toISOString(),
  command: commandOf('bench/micro/main.ts'),
  machine: machineOf(),
  results,
};
console.log(`\nRaw figures: ${writeResult('micro', result)}`);
