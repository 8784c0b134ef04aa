// What a worker notes of a request that is traced, and how it travels to the control plane: facts, as they stood. What they are
// called in a span is the exporter's business (control/tracing). Moments are ms of the process-wide clock; -1 = did not happen.

import type { Outcome } from './sample.ts';

export const NO_RPC = -1;

/** A request and its attempts. One object per traced request, filled while that is under way. */
export interface TraceRecord {
  readonly traceId: string;
  readonly spanId: string;
  /** '' = the trace begins here. */
  readonly parentId: string;
  /** TRACE_FLAG bits. */
  readonly flags: number;
  /** The tracestate that came with the parent, joined; '' = none. */
  readonly state: string;
  /** Endpoints are told whose child they are. */
  isTold: boolean;
  readonly startMs: number;
  endMs: number;
  /** As said; any token. Bytes as latin1, like all that the client says. */
  method: string;
  /** 0: a method that Fermat has no name for. */
  methodId: number;
  isTls: boolean;
  /** Without the query. */
  path: string;
  /** What endpoints were asked for, in the same way: a route may strip a prefix. */
  sentPath: string;
  /** What may be told of the query; '' = nothing. */
  query: string;
  host: string;
  /** 0 = not said. */
  port: number;
  /** `1.0`, `1.1`, `2`. */
  version: string;
  agent: string;
  /** Of whom a trusted proxy names, and of who is connected. '' on a UNIX socket. */
  client: string;
  peer: string;
  requestId: string;
  /** '' = none was found. */
  route: string;
  pool: string;
  /** 499: the client went without waiting for an answer. */
  status: number;
  /** Why Fermat answered itself; '' = it did not, or as it was told to. */
  problem: string;
  /** A gRPC call; and the status of gRPC that its client got, NO_RPC = none. */
  isCall: boolean;
  rpc: number;
  /** Whose row was picked from. */
  cohort: number;
  requestBytes: number;
  responseBytes: number;
  readonly attempts: AttemptRecord[];
}

export interface AttemptRecord {
  readonly spanId: string;
  readonly endpoint: string;
  /** Of who is connected to: `host:port`'s two parts, or the path of a socket and 0. */
  readonly host: string;
  readonly port: number;
  readonly scheme: 'http' | 'https' | 'h2c' | 'h2';
  readonly region: string | null;
  /** Id of the edge that the way leads over; '' = it is direct. */
  readonly via: string;
  /** ROLE; NONE = nothing was picked: the same endpoint again, or a peer said which. */
  readonly role: number;
  /** Of the endpoint as it was ranked; NaN = nothing was picked. */
  readonly scoreMs: number;
  /** Id in the decisions; 0 = it was not written down. */
  readonly decision: number;
  readonly startMs: number;
  /** Begun beside another one. */
  isHedge: boolean;
  /** Had to wait for a connection to come free; when one was begun for it. */
  queuedMs: number;
  connectingMs: number;
  /** When it had a connection, and whether that was used before. */
  readyMs: number;
  isReused: boolean;
  /** The request was out, whole or as far as it was there. */
  sentMs: number;
  firstByteMs: number;
  endMs: number;
  outcome: Outcome;
  /** 0 = none came. */
  status: number;
  /** Of gRPC, when that is what the answer was; NO_RPC = it was not, or was not whole. */
  rpc: number;
  /** Stable code of what went wrong; '' = nothing, or the outcome says it. */
  error: string;
}

/** From a worker, a few times a second. */
export interface TraceBatch {
  readonly traces: readonly TraceRecord[];
  /** In them. */
  readonly spans: number;
  /** Spans that were thrown away since the last batch, as the control plane did not keep up; and requests that were not traced for `maxSpansPerSecond`. */
  readonly dropped: number;
  readonly limited: number;
}
