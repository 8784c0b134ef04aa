// What is wrong with a configuration, and how it is said: `file:line:col path: what, expected …, got …`. One shape for what
// zod finds, what the parser finds and what the cross checks find.

import type { z } from 'zod';
import { isSecretField } from './redact.ts';
import { didYouMean } from './suggest.ts';

export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  readonly what: string;
  readonly expected: string;
  /** Left out: the value at the path is shown. */
  readonly got?: string;
  /** The key itself is meant, not its value. */
  readonly isKey?: boolean;
  /** Offset into the file, where the path alone does not tell. */
  readonly offset?: number;
}

/** Stands for a path where the text has no meaning yet. */
export const SYNTAX = '(syntax)';

/** `pools.shop.endpoints[0].url`; the whole file is `(file)`. */
export function pathText(path: Path): string {
  let out = '';
  for (const part of path) {
    if (typeof part === 'number') out += `[${part}]`;
    else if (part === SYNTAX || /^[\w-]+$/.test(part)) out += out === '' ? part : `.${part}`;
    else out += `[${JSON.stringify(part)}]`;
  }
  return out || '(file)';
}

export function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** What stands in problem lines for a value that nobody else is to read. */
export const HIDDEN = 'a value not shown';

const SECRET_KEYS: ReadonlySet<unknown> = new Set([
  'token',
  'otherToken',
  'secret',
  'otherSecret',
  'password',
  'redis',
]);

/** Whether what stands at a path of the file is a secret, or holds one. */
export function isSecret(path: Path): boolean {
  const key = path.at(-1);
  return (
    SECRET_KEYS.has(key) ||
    (path.at(-2) === 'set' && isSecretField(String(key))) ||
    (path[0] === 'state' && key === 'url')
  );
}

/** A value as problem lines show it: short, on one line, without secrets. */
export function gotText(tree: unknown, path: Path): string {
  const value = valueAt(tree, path);
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (null)';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (isSecret(path)) return HIDDEN;
  if (typeof value !== 'string') return String(value);
  const shown = value.replace(/\/\/.*@/, '//***@').replace(/(:\/\/[^?]*\?).*/s, '$1***');
  return JSON.stringify(shown.length > 60 ? `${shown.slice(0, 57)}…` : shown);
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'a string',
  boolean: 'true or false',
};

/** `keysAt` gives the keys that would be right at a path, for the suggestion. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], keysAt: (path: Path) => readonly string[]): Problem[] {
  return issues.flatMap((issue) => {
    const path = issue.path as Path;
    if (issue.code === 'invalid_union') return problemsOf(nearest(issue), keysAt);
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, keysAt(path)));
    return [valueProblem(issue, path)];
  });
}

/** Of the forms that a value may have, what is wrong with the one that it is an attempt at. */
function nearest({ errors, path, input }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] {
  const isOfType = (issues: readonly z.core.$ZodIssue[]) =>
    !issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0);
  const issues = errors.find(isOfType) ?? errors[0] ?? [];
  return issues.map((issue) => ({ input, ...issue, path: [...path, ...issue.path] }) as z.core.$ZodIssue);
}

function unknownKey(path: Path, key: string, known: readonly string[]): Problem {
  const near = didYouMean(key, known);
  const hint = near === null ? '' : ` (did you mean ${near}?)`;
  return {
    path: [...path, key],
    what: `unknown key${hint}`,
    expected: `one of ${known.join(', ')}`,
    got: JSON.stringify(key),
    isKey: true,
  };
}

function valueProblem(issue: z.core.$ZodIssue, path: Path): Problem {
  switch (issue.code) {
    case 'invalid_type': {
      const expected = TYPE_NAMES[issue.expected] ?? issue.expected;
      return { path, what: issue.input === undefined ? 'missing' : 'wrong type', expected };
    }
    case 'invalid_value': {
      const values = issue.values.map(String);
      const near = typeof issue.input === 'string' ? didYouMean(issue.input, values) : null;
      // `minVersion: 1.2` is a number to YAML.
      const isUnquoted = typeof issue.input === 'number' && values.includes(String(issue.input));
      const hint = near !== null ? ` (did you mean ${near}?)` : isUnquoted ? ' (a number: it needs quotes)' : '';
      return {
        path,
        what: `${issue.input === undefined ? 'missing' : 'unknown value'}${hint}`,
        expected: `one of ${values.join(', ')}`,
      };
    }
    case 'too_small':
      return { path, what: 'too few', expected: `at least ${issue.minimum}` };
    case 'custom':
      return { path, what: issue.message, expected: String(issue.params?.expected) };
    default:
      return { path, what: issue.message, expected: 'another value' };
  }
}
