// Where the demo's words go: a table drawn again and again in place on a terminal, plain lines anywhere else, JSON lines
// when asked for. Keys are read only where somebody can press them.

import type { Action } from './fleet.ts';
import { summaryOf, tableOf } from './table.ts';
import type { TrafficView } from './traffic.ts';
import type { RegionView } from './watch.ts';

export interface Screen {
  /** Said once: addresses, what to try. */
  say(lines: readonly string[], data: Record<string, unknown>): void;
  /** Something happened. */
  note(line: string, data: Record<string, unknown>): void;
  /** The state of things, once a second. */
  show(regions: readonly RegionView[], traffic: TrafficView | null): void;
  close(): void;
}

/** Plain lines come this often, in calls of `show` (seconds). */
const SUMMARY_EVERY = 5;
const NOTES = 4;

/** JSON: one object a line, `event` says which. */
export function jsonScreen(out: NodeJS.WritableStream, isQuiet: boolean): Screen {
  const write = (event: string, data: object) => void out.write(`${JSON.stringify({ event, ...data })}\n`);
  let shown = 0;
  return {
    say: (_lines, data) => write('ready', data),
    note: (message, data) => write('note', { message, ...data }),
    show(regions, traffic) {
      if (!isQuiet && ++shown % SUMMARY_EVERY === 0) write('summary', { traffic, regions });
    },
    close: () => undefined,
  };
}

/** Plain lines; `quiet` leaves only what is said and noted. */
export function plainScreen(out: NodeJS.WritableStream, isQuiet: boolean): Screen {
  const write = (line: string) => void out.write(`${line}\n`);
  let shown = 0;
  return {
    say: (lines) => lines.forEach(write),
    note: (line) => write(line),
    show(regions, traffic) {
      if (!isQuiet && ++shown % SUMMARY_EVERY === 0) write(summaryOf(regions, traffic));
    },
    close: () => undefined,
  };
}

/** The live table. Lines are cut at the width of the window, since a wrapped line would break the drawing. */
export function terminalScreen(out: NodeJS.WriteStream): Screen {
  const notes: string[] = [];
  let drawn = 0;
  return {
    say: (lines) => void out.write(`${lines.join('\n')}\n\n`),
    note(line) {
      notes.push(`${new Date().toTimeString().slice(0, 8)}  ${line}`);
      if (notes.length > NOTES) notes.shift();
    },
    show(regions, traffic) {
      const keys = 'keys: d degrade · k kill · r revive the best region · q quit';
      const lines = [...tableOf(regions, traffic, out.columns), keys, ...notes].map((line) =>
        line.slice(0, out.columns - 1),
      );
      const up = drawn > 0 ? `\x1b[${drawn}A` : '';
      out.write(`${up}\x1b[J${lines.join('\n')}\n`);
      drawn = lines.length;
    },
    close: () => undefined,
  };
}

const KEYS: Readonly<Record<string, Action | 'quit'>> = {
  d: 'degrade',
  k: 'kill',
  r: 'revive',
  q: 'quit',
  '\x03': 'quit', // Ctrl-C: in raw mode the terminal sends it as a key
};

/** Calls `press` for every key that means something; gives what ends it and puts the terminal back. */
export function readKeys(input: NodeJS.ReadStream, press: (action: Action | 'quit') => void): () => void {
  if (!input.isTTY) return () => undefined;
  const read = (bytes: Buffer) => {
    for (const key of bytes.toString()) {
      const action = KEYS[key.toLowerCase()];
      if (action) press(action);
    }
  };
  input.setRawMode(true).resume().on('data', read);
  return () => void input.off('data', read).setRawMode(false).pause();
}
