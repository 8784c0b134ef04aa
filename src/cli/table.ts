// Tables for people: columns as wide as they need be, and as wide as there is room for; colours only where there is a terminal
// to show them (styleText looks at the stream, NO_COLOR and FORCE_COLOR). What origins and configurations say stays text:
// control characters do not reach the terminal.

import { styleText } from 'node:util';
import { startOf, widthOf } from './width.ts';

export type Style = Parameters<typeof styleText>[0];

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string;
  /** Numbers stand right. */
  readonly isNumber?: boolean;
  readonly style?: (row: Row) => Style | null;
  /** Where the table is too wide, columns go by this: the highest first, those of 0 (the default) never. */
  readonly rank?: number;
  /** May be cut to this many places before any column goes; absent = it is not cut. */
  readonly least?: number;
}

const GAP = 2;
const CUT = '…';

export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** What a line may take on a terminal; Infinity elsewhere, so that files and pipes get everything. */
export function roomOf(stream: { readonly isTTY?: boolean; readonly columns?: number } = process.stdout): number {
  return stream.isTTY && stream.columns ? stream.columns : Number.POSITIVE_INFINITY;
}

/** Lines, the titles first. An empty column is left out; so is what does not fit into `room` characters. */
export function tableOf<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  room = Number.POSITIVE_INFINITY,
): string[] {
  const cells = rows.map((row) => columns.map((column) => plain(column.of(row))));
  const widths = columns.map(({ title }, i) =>
    cells.reduce((most, line) => Math.max(most, widthOf(line[i]!)), title.length),
  );
  const filled = columns.map((_, i) => i).filter((i) => rows.length === 0 || cells.some((line) => line[i] !== ''));
  const shown = fitted(columns, widths, filled, room);
  const padded = (text: string, i: number) => {
    const width = widths[i]!;
    const fit = widthOf(text) > width ? `${startOf(text, width - 1)}${CUT}` : text;
    const blank = ' '.repeat(width - widthOf(fit));
    return columns[i]!.isNumber ? blank + fit : fit + blank;
  };
  const gap = ' '.repeat(GAP);
  const head = shown.map((i) => padded(columns[i]!.title, i)).join(gap);
  const body = rows.map((row, r) =>
    shown
      .map((i) => {
        const text = padded(cells[r]![i]!, i);
        const style = columns[i]!.style?.(row) ?? null;
        return style === null ? text : styled(style, text);
      })
      .join(gap)
      .trimEnd(),
  );
  return [styled('dim', head.trimEnd()), ...body];
}

/** Indexes of the columns that have room. First the long ones are cut (in `widths`), then the dispensable ones go. */
function fitted<Row>(
  columns: readonly Column<Row>[],
  widths: number[],
  filled: readonly number[],
  room: number,
): number[] {
  const shown = [...filled];
  const excess = () => shown.reduce((sum, i) => sum + widths[i]! + GAP, -GAP) - room;
  for (;;) {
    const full = [...widths];
    cut(columns, widths, shown, excess());
    if (excess() <= 0) return shown;
    const ranks = shown.map((i) => columns[i]!.rank ?? 0);
    const highest = Math.max(...ranks);
    if (highest <= 0) return shown;
    shown.splice(ranks.indexOf(highest), 1);
    // Whoever stays has room again.
    widths.splice(0, widths.length, ...full);
  }
}

/** The last column first: that is where prose stands. */
function cut<Row>(
  columns: readonly Column<Row>[],
  widths: number[],
  shown: readonly number[],
  excessChars: number,
): void {
  let excess = excessChars;
  for (const i of [...shown].reverse()) {
    const { least } = columns[i]!;
    if (least === undefined || excess <= 0) continue;
    const less = Math.min(excess, Math.max(widths[i]! - least, 0));
    widths[i]! -= less;
    excess -= less;
  }
}

/** Text that cannot steer a terminal: no control characters, no line ends, nothing that turns the direction of writing. */
export function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '?');
}

/** `12.3` below 100, whole above; `-` when unknown. */
export function msText(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return '-';
  return ms < 100 ? ms.toFixed(1) : String(Math.round(ms));
}

/** How long ago: `12s`, `5m`, `3h`, `2d`; `-` for what is no date. */
export function agoText(iso: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1000));
  if (Number.isNaN(seconds)) return '-';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}
