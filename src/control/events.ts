// The one owner of events: whatever is worth telling goes to the log (pino, one JSON object a line), to a ring of the
// recent ones and to subscribers (the SSE stream, the metrics). An emitter is telling the world about its real work, so
// nothing that happens here, a dead stderr or a throwing subscriber, may reach it.

import { type DestinationStream, pino } from 'pino';
import { Stderr } from './stderr.ts';
import type { EventLog, FermatEvent } from './types.ts';

export interface EventLogOptions {
  /** Lowest level that is written. Events from `info` on are always kept and published, `debug` ones only when written. */
  readonly level: FermatEvent['level'] | 'silent';
  /** Takes one whole line with its newline; stderr by default. May throw: the line is lost, the emitter is not. */
  readonly write?: ((line: string) => void) | undefined;
}

/** How many events `recent()` remembers: an afternoon of a calm node, some seconds of a bad one. */
const KEPT = 500;

/** Never throws, and what it gives never throws. */
export function createEventLog(options: EventLogOptions): EventLog {
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'message',
      timestamp: false, // `at` is a field of the event
      formatters: { level: (label) => ({ level: label }) },
    },
    options.write ? lineStream(options.write) : new Stderr(tellDropped),
  );
  const ring: FermatEvent[] = [];
  const listeners = new Set<(event: FermatEvent) => void>();

  const log: EventLog = {
    emit(level, type, message, fields) {
      if (level === 'debug' && !logger.isLevelEnabled('debug')) return;
      const fixed = { at: new Date().toISOString(), level, type, message };
      // Twice: first for the order of the fields, last so that a stray `level` among the caller's cannot forge ours.
      const event: FermatEvent = Object.freeze({ ...fixed, ...(fields && plain(fields)), ...fixed });
      attempt(() => {
        const { level: _level, message: _message, ...rest } = event;
        logger[level](rest, message);
      });
      ring.push(event);
      if (ring.length > KEPT) ring.shift();
      for (const listener of [...listeners]) attempt(() => listener(event));
    },
    subscribe(listener) {
      // A wrapper of its own, so that the same function may subscribe twice and leave once.
      const own = (event: FermatEvent) => listener(event);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    recent: () => [...ring],
  };
  function tellDropped(dropped: number): void {
    const message = `${dropped} event(s) were not written: nobody took them from stderr`;
    log.emit('warn', 'events.dropped', message, { dropped });
  }
  return log;
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // There is nowhere left to tell.
  }
}

function lineStream(write: (line: string) => void): DestinationStream {
  return { write: (line) => void write(line) };
}

/** Fields as JSON will show them; errors by their message, since JSON shows nothing of them. */
function plain(fields: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) out[name] = shown(fields[name]);
  return out;
}

function shown(value: unknown): unknown {
  if (value instanceof Error) return value.message;
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  try {
    // A copy: the event is history, and must not change or fail to serialise when its owner's object does.
    return JSON.parse(JSON.stringify(value));
  } catch {
    return '[not shown]';
  }
}
