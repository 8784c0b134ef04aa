// W3C Trace Context as its level 1 and 2 have it: what is valid, what is refused, and who decides what is traced.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isSampled,
  isTracestate,
  NO_PARENT,
  parentFlags,
  parentIdAt,
  SpanAllowance,
  type TracingSpec,
  traceIdAt,
  traceparentOf,
} from '../../src/core/trace.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const flagsOf = (text: string): number => parentFlags(text, 0, text.length);

const hex = (chars: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: chars, maxLength: chars });
const id = (chars: number): fc.Arbitrary<string> => hex(chars).filter((text) => !/^0+$/.test(text));

/** What the recommendation says, as a grammar. */
const VALID = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;
function isValid(text: string): boolean {
  if (!VALID.test(text)) return false;
  return text.length === 55 || (!text.startsWith('00') && text[55] === '-');
}

describe('traceparent', () => {
  it('is read back as it was written, wherever it stands', () => {
    fc.assert(
      fc.property(
        id(32),
        id(16),
        fc.integer({ min: 0, max: 3 }),
        fc.string(),
        fc.string(),
        (trace, span, flags, a, b) => {
          const text = traceparentOf(trace, span, flags);
          const at = a.length;
          const within = a + text + b;
          expect(parentFlags(within, at, at + text.length)).toBe(flags);
          expect([traceIdAt(within, at), parentIdAt(within, at)]).toEqual([trace, span]);
        },
      ),
    );
  });

  it('of any text at all is valid exactly where the recommendation says so', () => {
    const near = fc
      .tuple(hex(2), hex(32), hex(16), hex(2), fc.constantFrom('', '-', '-x', 'x', ' '))
      .map(([version, trace, span, flags, rest]) => `${version}-${trace}-${span}-${flags}${rest}`);
    const edited = fc
      .tuple(near, fc.nat(56), fc.string({ maxLength: 2 }), fc.nat(2))
      .map(([text, at, put, cut]) => text.slice(0, at) + put + text.slice(at + cut));
    fc.assert(
      fc.property(fc.oneof(fc.string(), near, edited), (text) => {
        const flags = flagsOf(text);
        expect(flags !== NO_PARENT).toBe(isValid(text));
        if (flags !== NO_PARENT) expect(flags).toBe(Number.parseInt(text.slice(53, 55), 16) & 3);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a version that never is', `ff-${TRACE}-${SPAN}-01`],
    ['capital letters', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['a capital version', `0A-${TRACE}-${SPAN}-01`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['more than version 00 has', `00-${TRACE}-${SPAN}-01-what`],
    ['less', `00-${TRACE}-${SPAN}-0`],
    ['no dash before what a later version adds', `01-${TRACE}-${SPAN}-01x`],
    ['other separators', `00_${TRACE}_${SPAN}_01`],
    ['nothing', ''],
  ])('with %s is no traceparent', (_, text) => {
    expect(flagsOf(text)).toBe(NO_PARENT);
  });

  it.each([
    ['not sampled', `00-${TRACE}-${SPAN}-00`, 0],
    ['sampled', `00-${TRACE}-${SPAN}-01`, 1],
    ['flags that nobody knows', `00-${TRACE}-${SPAN}-fd`, 1],
    ['a random trace id', `00-${TRACE}-${SPAN}-03`, 3],
    ['a later version', `cc-${TRACE}-${SPAN}-01`, 1],
    ['a later version with more to say', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, 1],
  ])('with %s is read', (_, text, flags) => {
    expect(flagsOf(text)).toBe(flags);
  });
});

describe('tracestate', () => {
  const members = (n: number): string => Array.from({ length: n }, (_, i) => `k${i}=v`).join(',');

  it.each([
    ['nothing', ''],
    ['a member', 'rojo=00f067aa0ba902b7'],
    ['several, in several lines, with blanks and gaps', 'rojo=1, congo=t61rcWkgMzE ,\t, a=b'],
    ['the key of a tenant', '0tenant@system=1'],
    ['a key that begins with a digit', '0a=1'],
    ['signs in a key', 'a_-*/=1'],
    ['32 members', members(32)],
    ['a long value', `a=${'x'.repeat(256)}`],
  ])('with %s is passed on', (_, text) => {
    expect(isTracestate(text)).toBe(true);
  });

  it.each([
    ['33 members', members(33)],
    ['a key twice', 'a=1,b=2,a=3'],
    ['a key without a value', 'a'],
    ['an empty value', 'a='],
    ['a capital key', 'A=1'],
    ['a key too long', `${'a'.repeat(257)}=1`],
    ['a value too long', `a=${'x'.repeat(257)}`],
    ['two equals signs', 'a=b=c'],
    ['bytes beyond ASCII', 'a=\xe9'],
  ])('with %s is not', (_, text) => {
    expect(isTracestate(text)).toBe(false);
  });

  it('is looked at in a time that grows with its length alone', () => {
    const startMs = performance.now();
    expect(isTracestate(`a=${' '.repeat(30_000)}!`)).toBe(false);
    expect(isTracestate(`${'a'.repeat(30_000)}=1`)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});

describe('who decides what is traced', () => {
  const spec: TracingSpec = {
    ratio: 0.25,
    parentBased: true,
    propagate: true,
    redactQuery: [],
    maxSpansPerSecond: 1000,
  };
  const never = (): number => {
    throw new Error('no chance was needed');
  };

  it('a trusted peer does, by its flag', () => {
    expect(isSampled(spec, 1, true, never)).toBe(true);
    expect(isSampled(spec, 0, true, never)).toBe(false);
  });

  it.each([
    ['an outsider with a sampled flag', 1, false, spec],
    ['an outsider who would hide', 0, false, spec],
    ['a trusted peer without a parent', NO_PARENT, true, spec],
    ['a trusted peer who is not asked', 1, true, { ...spec, parentBased: false }],
  ])('chance does for %s', (_, flags, isTrusted, by) => {
    expect(isSampled(by, flags, isTrusted, () => 0.2499)).toBe(true);
    expect(isSampled(by, flags, isTrusted, () => 0.25)).toBe(false);
  });

  it('all are traced at 1 and none at 0', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (chance) => {
        expect(isSampled({ ...spec, ratio: 1 }, NO_PARENT, false, () => chance)).toBe(true);
        expect(isSampled({ ...spec, ratio: 0 }, NO_PARENT, false, () => chance)).toBe(false);
      }),
    );
  });
});

describe('the allowance of spans', () => {
  it('holds a second’s worth, and fills again at its rate', () => {
    const allowance = new SpanAllowance();
    const taken = (nowMs: number): number => {
      let traces = 0;
      while (allowance.take(2, 100, nowMs)) traces++;
      return traces;
    };
    expect(taken(1000)).toBe(50);
    expect(taken(1000)).toBe(0);
    expect(taken(1500)).toBe(25);
    expect(taken(60_000)).toBe(50);
  });

  it('of less than one a second lets one through now and then', () => {
    const allowance = new SpanAllowance();
    const at = [0, 1, 8, 9, 10, 20].filter((s) => allowance.take(2, 0.25, s * 1000));
    expect(at).toEqual([0, 8, 20]);
  });

  it('is paid back by a trace that became larger than was thought', () => {
    const allowance = new SpanAllowance();
    expect(allowance.take(2, 10, 0)).toBe(true);
    allowance.spend(28);
    expect(allowance.take(2, 10, 1000)).toBe(false);
    expect(allowance.take(2, 10, 3000)).toBe(true);
  });
});
