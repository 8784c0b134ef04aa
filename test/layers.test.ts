// Who may import whom (DESIGN.md section 3), read from the imports themselves. A layer that reaches where it may not
// fails here with file and line, not in a review.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** Layer → layers of ours it may import, itself included. `clock` is the one clock. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  clock: [],
  core: ['core'],
  wire: ['wire'],
  geoip: ['geoip', 'core'],
  data: ['data', 'core', 'wire', 'geoip', 'clock'],
  control: ['control', 'core', 'geoip', 'clock'],
};
/** main, worker, cli and what stands beside them wire things up; nobody may lean on them in turn. */
const WIRING = 'wiring';

/** Pure layers use nothing that touches the outside: no modules of Node, no packages, no timers, clock or chance. */
const PURE = ['core', 'wire'];
const IMPURE =
  /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch|process|performance|console|Date\.now|new Date|Math\.random|crypto)\b(?!['"`:])/;
/** Buffer is bytes, not I/O. */
const PURE_MODULES = ['node:buffer'];

interface Import {
  readonly file: string;
  readonly line: number;
  readonly layer: string;
  readonly specifier: string;
  /** The layer imported; null for a package or a module of Node. */
  readonly target: string | null;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

function layerOf(file: string): string {
  const [top, second = ''] = file.split('/');
  if (top === 'geoip') return 'geoip';
  if (file === 'src/clock.ts') return 'clock';
  return second in MAY_IMPORT ? second : WIRING;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]|\brequire\(\s*['"]([^'"]+)['"]/g;

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(IMPORT)].map((match) => {
    const specifier = (match[1] ?? match[2] ?? match[3] ?? match[4])!;
    const isOurs = specifier.startsWith('.');
    const path = relative(ROOT, resolve(ROOT, dirname(file), specifier));
    const line = text.slice(0, match.index + match[0].length).split('\n').length;
    return { file, line, layer: layerOf(file), specifier, target: isOurs ? layerOf(path) : null };
  });
}

/** Code without comments and the contents of strings, so that words in prose are not taken for calls. */
function codeOf(file: string): string[] {
  return readFileSync(join(ROOT, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .split('\n')
    .map((line) => line.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, "''").replace(/\/\/.*$/, ''));
}

const files = [...sourceFiles('src'), ...sourceFiles('geoip')];
const imports = files.flatMap(importsOf);
const told = (list: readonly Import[]) => list.map((i) => `${i.file}:${i.line} imports ${i.specifier}`);

describe('layers', () => {
  it('has sources to look at', () => {
    expect(files.length).toBeGreaterThan(5);
    expect(imports.length).toBeGreaterThan(5);
  });

  it('lets every layer import only the layers below it', () => {
    const wrong = imports.filter(
      (i) => i.target !== null && i.layer !== WIRING && !MAY_IMPORT[i.layer]!.includes(i.target),
    );
    expect(told(wrong)).toEqual([]);
  });

  it('keeps packages and modules of Node out of the pure layers', () => {
    const wrong = imports.filter(
      (i) => PURE.includes(i.layer) && i.target === null && !PURE_MODULES.includes(i.specifier),
    );
    expect(told(wrong)).toEqual([]);
  });

  it('keeps timers, clocks, chance and the process out of the pure layers', () => {
    const wrong = files
      .filter((file) => PURE.includes(layerOf(file)))
      .flatMap((file) =>
        codeOf(file).flatMap((line, n) => (IMPURE.test(line) ? [`${file}:${n + 1} ${line.trim()}`] : [])),
      );
    expect(wrong).toEqual([]);
  });

  it('imports our own files by their .ts names', () => {
    // What browsers load is JavaScript, also where its types are told.
    const ours = imports.filter(({ file }) => !file.startsWith('src/console/'));
    const wrong = ours.filter((i) => i.target !== null && !/\.(?:ts|json)$/.test(i.specifier));
    expect(told(wrong)).toEqual([]);
  });

  it('exports nothing by default', () => {
    const wrong = files.filter((file) => codeOf(file).some((line) => /^\s*export default\b/.test(line)));
    expect(wrong).toEqual([]);
  });
});
