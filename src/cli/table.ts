// Tables for people: columns as wide as they need be, colours only where there is a terminal to show them (styleText
// looks at the stream, NO_COLOR and FORCE_COLOR).

import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string;
  /** Numbers stand right. */
  readonly isNumber?: boolean;
  readonly style?: (row: Row) => Style | null;
}

export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Lines, the titles first. An empty column is left out. */
export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = rows.map((row) => columns.map((column) => column.of(row)));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((line) => line[i]!.length)));
  const shown = columns.map((_, i) => i).filter((i) => rows.length === 0 || cells.some((line) => line[i] !== ''));
  const padded = (text: string, i: number) =>
    columns[i]!.isNumber ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
  const head = shown.map((i) => padded(columns[i]!.title, i)).join('  ');
  const body = rows.map((row, r) =>
    shown
      .map((i) => {
        const text = padded(cells[r]![i]!, i);
        const style = columns[i]!.style?.(row) ?? null;
        return style === null ? text : styled(style, text);
      })
      .join('  ')
      .trimEnd(),
  );
  return [styled('dim', head.trimEnd()), ...body];
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
