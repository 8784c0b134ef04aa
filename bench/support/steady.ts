// Load at a constant rate, from a process of its own: what it is asked, what it answers. Latency counts from the moment a
// request was due, not from when it could be sent, so that a stall is seen by all who would have asked meanwhile.

import { fileURLToPath } from 'node:url';
import type { Span } from './clock.ts';
import { outputOf } from './process.ts';

export interface SteadyOptions {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  /** Requests per second over all connections. */
  readonly rate: number;
  /** Before it, requests that are not counted. */
  readonly warmUpS: number;
  readonly seconds: number;
  readonly core: number | string | null;
}

export interface SteadyResult {
  readonly requests: number;
  /** Not answered, not answered with 200, or never sent since no connection was free. */
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** How late requests left: what the generator itself adds. */
  readonly sentLateP50Us: number;
  readonly sentLateP99Us: number;
  /** When nobody got an answer for long although somebody waited for one. */
  readonly silences: readonly Span[];
}

const CLIENT = fileURLToPath(new URL('./steady-client.ts', import.meta.url));

/** Rejects when the generator fails: nobody listens, or answers cannot be counted. */
export async function steadyLoad({ core, ...options }: SteadyOptions): Promise<SteadyResult> {
  const { text, code } = await outputOf(core, process.execPath, [CLIENT, JSON.stringify(options)]);
  if (code !== 0) throw new Error(`steady-client.ts said:\n${text}`);
  return JSON.parse(text);
}
