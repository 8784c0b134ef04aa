// The smallest parts of the schema: one value each, checked where it stands. Built on z.any() with a check of our own,
// because zod's words for a wrong value ("Invalid input") name neither what was expected nor an example of it.

import { z } from 'zod';
import { isTooLong, parseDuration, parseSize } from './values.ts';

/** What goes into the JSON Schema for a value. */
type Json = Readonly<Record<string, unknown>>;

/**
 * A value of which `wrong` says in words what is wrong with it (null = nothing). `expected` completes "expected …" and
 * stands in the problem line and as $comment in the JSON Schema. undefined never gets to `wrong`: it is "missing".
 */
export function leaf<T>(expected: string, json: Json, wrong: (value: unknown) => string | null): z.ZodType<T, T> {
  const checked = z.any().superRefine((value, ctx) => {
    const what = value === undefined ? 'missing' : wrong(value);
    if (what !== null) ctx.addIssue({ code: 'custom', message: what, params: { expected } });
  });
  return checked.meta({ ...json, $comment: expected }) as unknown as z.ZodType<T, T>;
}

/** A string for which `wrong` finds nothing; other types are refused first. */
export function text(
  expected: string,
  wrong: (value: string) => string | null,
  json: Json = {},
): z.ZodType<string, string> {
  return leaf(expected, { type: 'string', ...json }, (value) =>
    typeof value === 'string' ? wrong(value) : 'not a string',
  );
}

/** A string of at least one character and no control characters: an identity that ends up in logs and labels. */
export function name(what: string): z.ZodType<string, string> {
  return text(what, (value) =>
    value === ''
      ? 'empty'
      : /^[^\x00-\x1f\x7f]{1,200}$/.test(value)
        ? null
        : 'control characters or more than 200 of them',
  );
}

export function duration(options: { readonly isZeroOk?: boolean } = {}): z.ZodType<string, string> {
  const isZeroOk = options.isZeroOk ?? false;
  const expected = `a duration${isZeroOk ? '' : ' above 0'} with ms, s, m or h, such as 250ms or 2s`;
  const json = { type: 'string', pattern: '^\\d+(\\.\\d+)?(ms|s|m|h)$' };
  return leaf(expected, isZeroOk ? { anyOf: [json, { const: 0 }] } : json, (value) => {
    const ms = parseDuration(value);
    if (ms === null) return whyNoDuration(value);
    // Timers count in milliseconds: less would be none, and an interval without end.
    return ms >= 1 || (ms === 0 && isZeroOk) ? null : 'too short';
  });
}

function whyNoDuration(value: unknown): string {
  if (typeof value === 'number') return 'a duration without a unit';
  return typeof value === 'string' && isTooLong(value) ? 'too long (at most 168h)' : 'not a duration';
}

/** `maxBytes`: what one buffer may hold where the size is one of a buffer. */
export function size(
  minBytes: number,
  maxBytes: number,
  expected: string,
): z.ZodType<string | number, string | number> {
  const json = {
    anyOf: [
      { type: 'integer', minimum: 0 },
      { type: 'string', pattern: '^\\d+(\\.\\d+)?(B|KiB|MiB|GiB)?$' },
    ],
  };
  return leaf(expected, json, (value) => {
    const bytes = parseSize(value);
    if (bytes === null) return 'not a size';
    return bytes < minBytes ? 'too small' : bytes > maxBytes ? 'too large' : null;
  });
}

/** A finite number in [min, max]. */
export function number(min: number, max = Number.POSITIVE_INFINITY): z.ZodType<number, number> {
  return numeric('a number', 'number', min, max, Number.isFinite);
}

export function whole(min: number, max: number): z.ZodType<number, number> {
  return numeric('a whole number', 'integer', min, max, Number.isSafeInteger);
}

function numeric(
  noun: string,
  type: string,
  min: number,
  max: number,
  isOne: (value: unknown) => boolean,
): z.ZodType<number, number> {
  const hasMax = Number.isFinite(max);
  const expected = hasMax ? `${noun} from ${min} to ${max}` : `${noun} of at least ${min}`;
  const json = { type, minimum: min, ...(hasMax ? { maximum: max } : {}) };
  return leaf(expected, json, (value) => {
    if (!isOne(value)) return `not ${noun}`;
    return (value as number) < min ? 'too small' : (value as number) > max ? 'too large' : null;
  });
}
