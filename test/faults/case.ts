// What a case of the fault suite is: one row, or a part of one, of a table of faults, with what it injects, what is expected, and
// a function that does it to the real process and hands back figures. A figure carries its own limits, so that whoever
// measures says what is right, and the runner (`npm run faults`), the short form in `npm test` and docs/faults.md only read.

export const TABLES = {
  endpoint: 'Endpoint and path faults',
  dependency: 'Dependencies and state',
  lifecycle: 'Load, clients, lifecycle',
} as const;
export type Table = keyof typeof TABLES;

export type Unit = '' | 'ms' | 's' | 'MiB' | '%' | '×' | '/s';

export interface Limits {
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** One thing that was measured. Without limits it is told and not judged. */
export interface Figure extends Limits {
  /** A few words: `lost`, `p99 after 5 s`. */
  readonly name: string;
  readonly value: number;
  readonly unit: Unit;
  /** True when a busy machine cannot make it wrong: counts and states, not latencies. Only these are asserted by `npm test`. */
  readonly isFirm: boolean;
}

/** How a case is to be run. */
export interface How {
  /** The short form: seconds instead of half a minute, fewer connections, smaller bodies. */
  readonly isQuick: boolean;
  /** One line of progress; may be dropped. */
  readonly say: (line: string) => void;
}

export interface FaultCase {
  readonly table: Table;
  /** The row, in the words of the table. */
  readonly fault: string;
  /** What is done, with the settings of Fermat that differ from the defaults. */
  readonly injected: string;
  /** What must come of it. */
  readonly expected: string;
  /** Takes part in the short form of `npm test`: at most five seconds when quick. */
  readonly isShort: boolean;
  /** Starts what it needs, ends it, and gives the figures. Rejects when it could not measure: the row has missed. */
  readonly run: (how: How) => Promise<readonly Figure[]>;
}

/** A row whose feature this version does not have. It is listed as that, never as passed. */
export interface AbsentCase {
  readonly table: Table;
  readonly fault: string;
  readonly expected: string;
  readonly absent: string;
}

/** A count, a state (0 or 1) or anything else that holds on a busy machine too. */
export function firm(name: string, value: number, limits: Limits = {}, unit: Unit = ''): Figure {
  return { name, value, unit, isFirm: true, ...limits };
}

/** A latency, a rate, a size of memory: judged by `npm run faults`, on a machine that has nothing else to do. */
export function timed(name: string, value: number, unit: Unit, limits: Limits = {}): Figure {
  return { name, value, unit, isFirm: false, ...limits };
}

/** NaN holds no limit: what could not be measured has missed. */
export function holds({ value, atMost, atLeast }: Figure): boolean {
  if (atMost === undefined && atLeast === undefined) return true;
  return value <= (atMost ?? Infinity) && value >= (atLeast ?? -Infinity);
}

/** `p99 after 5 s 3.1 ms (≤ 8)`. */
export function textOf(figure: Figure): string {
  const unit = figure.unit === '' ? '' : figure.unit === '×' || figure.unit === '/s' ? figure.unit : ` ${figure.unit}`;
  const limits = limitsOf(figure);
  return `${figure.name} ${roundOf(figure.value)}${unit}${limits === '' ? '' : ` (${limits})`}`;
}

function limitsOf({ atMost, atLeast }: Figure): string {
  if (atMost === undefined) return atLeast === undefined ? '' : `≥ ${roundOf(atLeast)}`;
  if (atLeast === undefined) return `≤ ${roundOf(atMost)}`;
  return atMost === atLeast ? `= ${roundOf(atMost)}` : `${roundOf(atLeast)} … ${roundOf(atMost)}`;
}

/** Three digits that count; whole numbers as they are. */
function roundOf(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size >= 100
    ? value.toFixed(0)
    : size >= 10
      ? value.toFixed(1)
      : size >= 1
        ? value.toFixed(2)
        : value.toFixed(3);
}
