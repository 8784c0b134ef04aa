import { describe, expect, test } from 'vitest';
import { type Column, plain, roomOf, tableOf } from '../../src/cli/table.ts';

interface Row {
  readonly name: string;
  readonly ms: number;
  readonly why: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', of: (row) => row.name, least: 6 },
  { title: 'MS', of: (row) => String(row.ms), isNumber: true, rank: 1 },
  { title: 'WHY', of: (row) => row.why, rank: 2, least: 8 },
];
const ROWS: readonly Row[] = [
  { name: 'frankfurt-1', ms: 7, why: 'probe answered' },
  { name: 'iad', ms: 112, why: 'connect ECONNREFUSED' },
];

describe('a table', () => {
  test('is as wide as it need be where there is room', () => {
    expect(tableOf(COLUMNS, ROWS)).toEqual([
      'NAME          MS  WHY',
      'frankfurt-1    7  probe answered',
      'iad          112  connect ECONNREFUSED',
    ]);
  });

  test('cuts prose first, then names, and shows that it did', () => {
    expect(tableOf(COLUMNS, ROWS, 30)).toEqual([
      'NAME          MS  WHY',
      'frankfurt-1    7  probe answe…',
      'iad          112  connect ECO…',
    ]);
    expect(tableOf(COLUMNS, ROWS, 22)[1]).toBe('frankf…    7  probe a…');
  });

  // Columns behind a name in Chinese stood two places further right, and half of an emoji was cut off it.
  test('stands straight where characters take two places, or none', () => {
    const rows = [
      { name: '東京の一', ms: 7, why: 'probe answered' },
      { name: 'a\u0301e\u0301', ms: 112, why: '🚀🚀🚀🚀🚀🚀' },
    ];
    expect(tableOf(COLUMNS, rows)).toEqual([
      'NAME       MS  WHY',
      '東京の一    7  probe answered',
      'a\u0301e\u0301        112  🚀🚀🚀🚀🚀🚀',
    ]);
    expect(tableOf(COLUMNS, rows, 21).slice(1)).toEqual(['東京…     7  probe a…', 'a\u0301e\u0301      112  🚀🚀🚀…']);
  });

  test('then leaves out whole columns, the dispensable ones first, and never the name', () => {
    expect(tableOf(COLUMNS, ROWS, 16)).toEqual(['NAME          MS', 'frankfurt-1    7', 'iad          112']);
    expect(tableOf(COLUMNS, ROWS, 11)).toEqual(['NAME     MS', 'frank…    7', 'iad     112']);
    expect(tableOf(COLUMNS, ROWS, 8)).toEqual(['NAME', 'frankfu…', 'iad']);
    expect(tableOf(COLUMNS, ROWS, 1)).toEqual(['NAME', 'frank…', 'iad']);
  });

  test.each([200, 60, 40, 30, 22, 16, 8, 6])('fits into %i characters', (room) => {
    for (const line of tableOf(COLUMNS, ROWS, room)) expect(line.length).toBeLessThanOrEqual(room);
  });

  test('leaves out a column that says nothing', () => {
    expect(tableOf(COLUMNS, [{ name: 'a', ms: 1, why: '' }])).toEqual(['NAME  MS', 'a      1']);
  });

  test('what an origin says cannot steer the terminal', () => {
    expect(plain('ok\x1b[2J\x07\r\n\x9b')).toBe('ok?[2J????');
    // Nor turn its line round, so that a name reads as another.
    expect(plain('fra\u202e1-dai\u2069\u2028')).toBe('fra?1-dai??');
    expect(tableOf(COLUMNS, [{ name: 'a\x1b]0;x\x07', ms: 1, why: '' }])[1]).toBe('a?]0;x?   1');
  });

  test('a file or a pipe has room for everything, a terminal has its width', () => {
    expect(roomOf({})).toBe(Number.POSITIVE_INFINITY);
    expect(roomOf({ isTTY: true, columns: 72 })).toBe(72);
  });
});
