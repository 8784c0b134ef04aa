// What every source of endpoints looks like to the rest: it is started, says from time to time what there is, or that it cannot
// tell, and is stopped. What becomes of its answers (keeper.ts, merge.ts) is not its business.

import type { EventLog } from '../types.ts';

/** One endpoint as a source tells it. */
export interface Entry {
  /** Where it stands there, for the log: `pod web-1`, `hosts.yaml:3:5`. */
  readonly at: string;
  /** In the form of an endpoint in the configuration; not checked yet. */
  readonly endpoint: Readonly<Record<string, unknown>>;
  /** Those of the lowest number are used while one of them is up (SRV). Default: 0. */
  readonly tier?: number;
}

export interface Sink {
  /** All there is, each time. `left`: URLs of endpoints that have said goodbye, and need no grace. */
  found(entries: readonly Entry[], left?: ReadonlySet<string>): void;
  /** It cannot tell at present: what it said last stays. `what` completes a sentence. */
  failed(what: string): void;
  /** Part of what there is cannot be read; said beside `found`. One line each. */
  complain(problems: readonly string[]): void;
}

/** Owns its timers, connections and files. */
export interface Source {
  /** Never throws; answers go to the sink, the first one soon. */
  start(): void;
  /** Nothing is said after it resolves. Never rejects. */
  stop(): Promise<void>;
}

/** What sources share. */
export interface SourceTools {
  /** Monotonic, ms. */
  readonly clock: () => number;
  /** 0…1. */
  readonly random: () => number;
  readonly events: EventLog;
}
