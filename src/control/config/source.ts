// One configuration as it was written: text to a plain tree, with the place of every key and value kept beside it. YAML's own
// toJS is not used: it knows no places, expands aliases as far as it is told to, and leaves the environment out.
// What the values mean is not known here.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLParseError,
  type YAMLWarning,
} from 'yaml';
import { type Environment, substitute } from './environment.ts';
import { HIDDEN, isSecret, type Path, type Problem, SYNTAX } from './problems.ts';

/** Values with every alias expanded; 4,096 endpoints with ten keys each are well below. */
const MAX_NODES = 200_000;
const MAX_DEPTH = 32;

/** Where a value stands, and its children by key. Offsets into the text. */
interface Place {
  readonly at: number;
  readonly keyAt: number;
  /** The value has been through the environment: what it is read as may change with what is expected. */
  readonly isSubstituted: boolean;
  readonly children: Map<string | number, Place>;
}

export interface Source {
  readonly tree: unknown;
  /** 1-based. The nearest place known: of the parent where the path leads nowhere. */
  placeOf(path: Path, isKey: boolean): { readonly line: number; readonly col: number };
  /** 1-based. */
  placeAt(offset: number): { readonly line: number; readonly col: number };
  isSubstituted(path: Path): boolean;
}

export interface Parsed {
  readonly source: Source;
  /** With problems, the tree is what could be read of it. */
  readonly problems: readonly Problem[];
  /** The text is not even YAML: the tree means nothing. */
  readonly isBroken: boolean;
}

/** YAML or JSON. Never throws. */
export function parseSource(text: string, env: Environment): Parsed {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false, strict: true });
  // After the first one, a parser only tells how it lost its way.
  const syntax = [...doc.errors.slice(0, 1), ...doc.warnings].map((error) => syntaxProblem(text, error));
  const reader = new Reader(doc, env);
  const root = doc.errors.length > 0 || doc.contents === null ? null : reader.read();
  return {
    source: sourceOf(root?.value, root?.place ?? null, lines),
    problems: [...syntax, ...reader.problems],
    isBroken: doc.errors.length > 0 || reader.isStopped,
  };
}

/** The parser's words where they are about its own API. */
const SYNTAX_WORDS: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'several documents in one file',
  RESOURCE_EXHAUSTION: 'nested too deep',
};

/** Keys in what stands on a line before the place of an error. */
const KEYS = /([\w-]+)["']?\s*:/g;

function keyOf(match: RegExpMatchArray): string {
  return match[1]!;
}

function syntaxProblem(text: string, error: YAMLParseError | YAMLWarning): Problem {
  const start = error.pos[0];
  const line = text
    .slice(start, start + 200)
    .split('\n', 1)[0]!
    .trim();
  const got = line === '' ? 'the end of the line' : JSON.stringify(line.length > 40 ? `${line.slice(0, 37)}…` : line);
  const isVariable = text[start - 1] === '$' && text[start] === '{';
  const hint = isVariable ? ' (variables inside { } or [ ] need quotes)' : '';
  const said = error.message.replace(/\s+/g, ' ');
  // A token that begins with `@`, `!` or `*` and has no quotes is no text to YAML, but a secret all the same.
  const isHidden = isSecret([...text.slice(text.lastIndexOf('\n', start - 1) + 1, start).matchAll(KEYS)].map(keyOf));
  const what = `${SYNTAX_WORDS[error.code] ?? (isHidden ? said.replace(/: .*/, '') : said)}${hint}`;
  return { path: [SYNTAX], what, expected: 'YAML or JSON', got: isHidden ? HIDDEN : got, offset: start };
}

function sourceOf(tree: unknown, root: Place | null, lines: LineCounter): Source {
  const placeAt = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), col: Math.max(1, col) };
  };
  const find = (path: Path): { place: Place | null; isExact: boolean } => {
    let place = root;
    for (const part of path) {
      const child = place?.children.get(part);
      if (child === undefined) return { place, isExact: false };
      place = child;
    }
    return { place, isExact: true };
  };
  return {
    tree,
    placeAt,
    placeOf: (path, isKey) => {
      const { place, isExact } = find(path);
      if (place === null) return placeAt(0);
      return placeAt(isExact && !isKey ? place.at : place.keyAt);
    },
    isSubstituted: (path) => {
      const { place, isExact } = find(path);
      return isExact && place?.isSubstituted === true;
    },
  };
}

interface Read {
  readonly value: unknown;
  readonly place: Place;
}

/** Thrown and caught in this file only: the document is too large to go on. */
class TooMuch extends Error {}

class Reader {
  readonly problems: Problem[] = [];
  isStopped = false;
  readonly #doc: Document;
  readonly #env: Environment;
  readonly #anchors = new Map<string, unknown>();
  #nodes = 0;

  constructor(doc: Document, env: Environment) {
    this.#doc = doc;
    this.#env = env;
  }

  read(): Read | null {
    try {
      return this.#node(this.#doc.contents, [], 0, 0);
    } catch (error) {
      if (!(error instanceof TooMuch)) throw error;
      this.isStopped = true;
      return null;
    }
  }

  #node(node: unknown, path: Path, keyAt: number, fallbackAt: number): Read {
    const at = offsetOf(node) ?? fallbackAt;
    if (++this.#nodes > MAX_NODES || path.length > MAX_DEPTH) this.#stop(path, at);
    if (isAlias(node)) return this.#alias(node, path, keyAt, at);
    const anchor = (node as { anchor?: string } | null)?.anchor;
    if (anchor !== undefined) this.#anchors.set(anchor, node);
    const place = { at, keyAt, isSubstituted: false, children: new Map<string | number, Place>() };
    if (isMap(node)) return { value: this.#map(node, path, place.children), place };
    if (isSeq(node)) {
      const value = node.items.map((item, i) => {
        const read = this.#node(item, [...path, i], offsetOf(item) ?? at, at);
        place.children.set(i, read.place);
        return read.value;
      });
      return { value, place };
    }
    const value = isScalar(node) ? node.value : null;
    if (typeof value !== 'string') return { value: value ?? null, place };
    const text = this.#substituted(value, path, at);
    return { value: text, place: { ...place, isSubstituted: text !== value } };
  }

  #alias(node: Alias, path: Path, keyAt: number, at: number): Read {
    const target = this.#anchors.get(node.source);
    if (target !== undefined) return this.#node(target, path, keyAt, at);
    this.problems.push({
      path,
      what: 'unknown alias',
      expected: 'an anchor set before it',
      got: isSecret(path) ? HIDDEN : `*${node.source}`,
      offset: at,
    });
    return { value: null, place: { at, keyAt, isSubstituted: false, children: new Map() } };
  }

  #map(map: YAMLMap, path: Path, places: Map<string | number, Place>): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    const own = new Set<string>();
    for (const pair of map.items as Pair[]) {
      const keyAt = offsetOf(pair.key) ?? 0;
      const key = this.#key(pair.key, path, keyAt);
      if (key === null) continue;
      const read = this.#node(pair.value, key === '<<' ? path : [...path, key], keyAt, keyAt);
      if (key === '<<') {
        this.#merge(read, path, keyAt, out, places);
        continue;
      }
      if (own.has(key)) {
        this.problems.push({
          path: [...path, key],
          what: 'duplicate key',
          expected: 'each key once',
          got: JSON.stringify(key),
          offset: keyAt,
        });
        continue;
      }
      own.add(key);
      out[key] = read.value;
      places.set(key, read.place);
    }
    return out;
  }

  /** YAML 1.1's `<<: *base`: what is written beside it wins, wherever it stands. */
  #merge(read: Read, path: Path, at: number, out: Record<string, unknown>, places: Map<string | number, Place>): void {
    const bases = Array.isArray(read.value) ? read.value : [read.value];
    for (const [i, base] of bases.entries()) {
      if (typeof base !== 'object' || base === null || Array.isArray(base)) {
        this.problems.push({
          path: [...path, '<<'],
          what: 'nothing to merge',
          expected: 'mappings',
          got: JSON.stringify(base),
          offset: at,
        });
        continue;
      }
      const place = Array.isArray(read.value) ? read.place.children.get(i) : read.place;
      for (const [key, value] of Object.entries(base)) {
        if (Object.hasOwn(out, key)) continue;
        out[key] = value;
        places.set(key, place!.children.get(key)!);
      }
    }
  }

  #key(node: unknown, path: Path, at: number): string | null {
    const value = isScalar(node) ? (typeof node.value === 'string' ? node.value : (node.source ?? '')) : null;
    if (value !== null && value !== '' && value !== '__proto__') return value;
    this.problems.push({
      path,
      what: 'not a key',
      expected: 'a name',
      got: value === null ? 'something else' : JSON.stringify(value),
      offset: at,
    });
    return null;
  }

  #substituted(value: string, path: Path, at: number): string {
    const { text, unset, malformed } = substitute(value, this.#env);
    for (const variable of unset) {
      this.problems.push({
        path,
        what: `variable ${variable} is not set`,
        expected: `a value, or a default as in \${${variable}:-…}`,
        got: 'nothing',
        offset: at,
      });
    }
    for (const written of malformed) {
      this.problems.push({
        path,
        what: 'not a variable',
        expected: '$NAME in braces, with :-default if need be',
        got: JSON.stringify(written),
        offset: at,
      });
    }
    return text;
  }

  #stop(path: Path, at: number): never {
    const isDeep = path.length > MAX_DEPTH;
    this.problems.push({
      path: path.slice(0, 4),
      what: isDeep ? 'nested too deep' : 'too many values',
      expected: isDeep ? `at most ${MAX_DEPTH} levels` : `at most ${MAX_NODES}, aliases expanded`,
      got: 'more',
      offset: at,
    });
    throw new TooMuch();
  }
}

function offsetOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null)?.range?.[0];
}
