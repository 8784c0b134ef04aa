// Which requests get a line, and what becomes of lines when nobody takes them.

import { describe, expect, it } from 'vitest';
import { countsOf, RING_BYTES } from '../../../src/core/access-log.ts';
import { Moments } from '../../../src/data/access/moments.ts';
import { Label, Page } from '../../../src/data/access/page.ts';
import { ENDING } from '../../../src/data/settle.ts';
import { accessSpec, Desk, exchangeOf } from '../../support/access.ts';

const linesOf = (text: Buffer): Record<string, unknown>[] =>
  text
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('sampling', () => {
  it('takes its part of what went well, and says for how many each line stands', () => {
    let turn = 0;
    const desk = new Desk(accessSpec({ sample: 0.25 }), () => (turn++ % 4) / 4);
    for (let i = 0; i < 100; i++) desk.log.write(exchangeOf(), 1);
    const lines = linesOf(desk.taken());
    expect(lines).toHaveLength(25);
    expect(new Set(lines.map(({ sample }) => sample))).toEqual(new Set([0.25]));
  });

  it('writes every failure and everything slow all the same', () => {
    const desk = new Desk(accessSpec({ sample: 0, slowMs: 100 }), () => 0);
    desk.log.write(exchangeOf(), 99);
    desk.log.write(exchangeOf({ status: 404 }), 1);
    desk.log.write(exchangeOf(), 101);
    desk.log.write(exchangeOf({ status: 500 }), 1);
    desk.log.write(exchangeOf({ books: { ending: ENDING.CUT } }), 1);
    const lines = linesOf(desk.taken());
    expect(lines.map(({ status, outcome, sample }) => [status, outcome, sample])).toEqual([
      [200, 'answered', 1],
      [500, 'answered', 1],
      [200, 'cut', 1],
    ]);
  });

  it('samples failures, too, when that is asked for', () => {
    const desk = new Desk(accessSpec({ sample: 0, sampleErrors: true }), () => 0);
    desk.log.write(exchangeOf({ status: 500 }), 1);
    expect(desk.taken()).toHaveLength(0);
  });
});

describe('fields of the client’s own', () => {
  it('are told as asked for, secrets hidden, absent ones left out', () => {
    const desk = new Desk(accessSpec({ headers: ['x-tenant', 'cookie', 'x-none', 'x-original-url'] }));
    const fields = [
      ['X-Tenant', 'a'],
      ['x-tenant', 'b'],
      ['Cookie', 'sid=1'],
      ['X-Original-Url', '/a?b=c&token=abc'],
    ] as const;
    desk.log.write(exchangeOf({ fields }), 1);
    expect(linesOf(desk.taken())[0]!.headers).toEqual({
      'x-tenant': 'a, b',
      cookie: '***',
      'x-original-url': '/a?b=c&token=***',
    });
  });
});

describe('a ring that nobody empties', () => {
  it('drops what has no room, whole lines, and counts them exactly', () => {
    const spec = accessSpec();
    const desk = new Desk(spec);
    const many = 12_000;
    for (let i = 0; i < many; i++) desk.log.write(exchangeOf({ path: `/${i}` }), 1);
    const kept = linesOf(desk.taken());
    const { lines, dropped } = countsOf(spec.rings[0]!);
    expect(kept.length).toBe(lines);
    expect(lines + dropped).toBe(many);
    expect(dropped).toBeGreaterThan(0);
    expect(new Set(kept.map(({ path }) => path)).size).toBe(lines);
  });

  it('goes round without a line lost when it is emptied', () => {
    const desk = new Desk(accessSpec({ format: 'combined' }));
    const ex = exchangeOf({ fields: [['User-Agent', 'x'.repeat(3000)]] });
    let lines = 0;
    let ends = 0;
    for (let bytes = 0; bytes < RING_BYTES * 2.5; ) {
      for (let i = 0; i < 100; i++, lines++) desk.log.write(ex, 1);
      const taken = desk.taken();
      bytes += taken.length;
      for (const line of taken.toString().split('\n').slice(0, -1)) ends += /^198.*xxx"$/.test(line) ? 1 : 0;
    }
    expect(ends).toBe(lines);
  });
});

describe('a change of the format', () => {
  it('holds from the next line on; what was gathered keeps its own', () => {
    const spec = accessSpec();
    const desk = new Desk(spec);
    const ex = exchangeOf();
    desk.log.write(ex, 1);
    desk.log.install({ ...spec, format: 'combined' });
    desk.log.write(ex, 1);
    desk.log.install(spec);
    desk.log.write(ex, 1);
    expect(desk.taken().toString()).toMatch(/^\{.*\}\n198.*"GET \/ HTTP\/1\.1" 200 .*\n\{.*\}\n$/);
  });
});

describe('numbers', () => {
  it('are what JSON has, to the microsecond', () => {
    const page = new Page();
    const label = new Label('');
    const field = (ms: number): string => {
      page.turn();
      page.millis(label, ms);
      return page.written.toString();
    };
    for (const ms of [0, 0.0004, 0.0006, 0.5, 1, 9.999, 9.9999, 12.3456, 999.999, 1000, 123_456.789, 3e6, 5e9])
      expect(Number(field(ms))).toBeCloseTo(ms, 3);
    expect(field(-1)).toBe('null');
    expect(field(Number.NaN)).toBe('null');
  });

  it('and moments, over the turn of a second', () => {
    const moments = new Moments();
    for (const at of [0, 999, 1000, 1_700_000_000_001, 1_700_000_000_999, 1_700_000_001_000])
      expect(moments.iso(at)).toBe(new Date(at).toISOString());
    expect(moments.clf(Date.UTC(2026, 0, 2, 3, 4, 5, 678))).toBe('02/Jan/2026:03:04:05 +0000');
  });
});
