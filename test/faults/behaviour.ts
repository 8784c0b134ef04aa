// What a scripted origin can be told to do. Plain data, since it crosses from the suite to the origin's own process.

/** What becomes of one request. Times in milliseconds. */
export type Behaviour =
  | {
      readonly kind: 'answer';
      readonly status?: number;
      /** Until the head. */
      readonly headMs?: number;
      /** 0…1: of the requests, those whose head takes `lateMs`, at random. */
      readonly lateShare?: number;
      readonly lateMs?: number;
      readonly bodyBytes?: number;
      /** The body goes out in this many pieces … */
      readonly pieces?: number;
      /** … with this between them. */
      readonly pieceMs?: number;
      /** Whole field lines. */
      readonly fields?: string;
    }
  /** Read, and never answered. */
  | { readonly kind: 'silent' }
  /** These bytes as they are (latin1), and then nothing more, an orderly end, or a reset. */
  | { readonly kind: 'bytes'; readonly text: string; readonly ending: 'nothing' | 'end' | 'reset' }
  /** The connection is reset as soon as the head of the request is in. */
  | { readonly kind: 'reset' };

export const ANSWER: Behaviour = { kind: 'answer' };

/** Half a body and a reset; half a body and nothing more. */
export const HALF = 'HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\nhalf';

/** How the origin does TLS: as it should, with another certificate, not at all, or without ever saying a word. */
export type TlsManner = 'good' | 'expired' | 'wrongName' | 'plaintext' | 'silent';

export interface OriginTls {
  /** PEM by manner; those without a certificate are not here. */
  readonly certificates: Readonly<Record<string, { readonly cert: string; readonly key: string }>>;
}

/** Commands to the process; each is answered with its id. */
export type Command =
  | { readonly do: 'listen'; readonly port: number }
  | { readonly do: 'refuse' }
  | { readonly do: 'vanish' }
  | { readonly do: 'behave'; readonly traffic: Behaviour; readonly probes: Behaviour; readonly tls: TlsManner }
  | { readonly do: 'tally' };

/** What the origin saw. Moments are of the system's monotonic clock, ms, the same in every process. */
export interface Tally {
  readonly port: number;
  readonly connections: number;
  readonly openConnections: number;
  readonly requests: number;
  readonly probes: number;
  /** Requests read at one time, at most. */
  readonly mostProbesAtOnce: number;
  /** Bytes of request bodies. */
  readonly bodyBytes: number;
  /** Connections that said anything readable while they should have been in a handshake. */
  readonly plaintext: number;
  /** Not what a strict reader takes for HTTP. */
  readonly malformed: number;
  /** When requests came, without probes. */
  readonly arrivalsMs: readonly number[];
  /** When probes came. */
  readonly probesMs: readonly number[];
}

/** Probes ask for this, everything else is traffic. */
export const PROBE_PATH = '/health';

/** ms on CLOCK_MONOTONIC: comparable between processes of one machine, and no clock that anybody sets. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
