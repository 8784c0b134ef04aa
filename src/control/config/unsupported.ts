// Keys of the contract whose feature is not there yet. A value that asks for one is an error, never ignored: a proxy
// that quietly leaves out what it was told is worse than one that does not start. A feature that arrives deletes its line.

import { type Path, type Problem, valueAt } from './problems.ts';

interface Rule {
  /** `*` stands for every key or index. */
  readonly path: readonly string[];
  readonly expected: string;
  readonly asks: (value: unknown) => boolean;
}

const RULES: readonly Rule[] = [];

export function unsupportedIn(tree: unknown): Problem[] {
  return RULES.flatMap(({ path, expected, asks }) =>
    expand(tree, path)
      .filter((at) => asks(valueAt(tree, at)))
      .map((at) => ({ path: at, what: 'not supported yet', expected })),
  );
}

/** What is taken so far, by the key as the page names it: `pools.NAME.hedge.enabled`, `listeners[].tls`. */
export function supportedSoFar(): ReadonlyMap<string, string> {
  const lists = ['listeners', 'endpoints', 'routes'];
  const nameOf = (path: readonly string[]) =>
    path.reduce((out, part, i) => {
      if (part !== '*') return out === '' ? part : `${out}.${part}`;
      return lists.includes(path[i - 1]!) ? `${out}[]` : `${out}.NAME`;
    }, '');
  return new Map(RULES.map(({ path, expected }) => [nameOf(path), expected]));
}

/** Every real path of a tree that a pattern with `*` stands for. */
function expand(tree: unknown, pattern: readonly string[]): Path[] {
  let paths: (string | number)[][] = [[]];
  for (const part of pattern) {
    paths = paths.flatMap((path) =>
      part === '*' ? keysOf(valueAt(tree, path)).map((key) => [...path, key]) : [[...path, part]],
    );
  }
  return paths;
}

function keysOf(value: unknown): (string | number)[] {
  if (Array.isArray(value)) return [...value.keys()];
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}
