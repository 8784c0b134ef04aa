// The two small interfaces that an exchange knows: the client's side (Downstream) and the endpoint's side (Upstream).
// HTTP/1.1 is the first implementation of each (h1/server.ts, h1/client.ts). Nothing in exchange asks which one it has:
// heads travel as parsed fields with marks plus lines of our own, never as bytes on their way through.

import type { Fields } from '../wire/fields.ts';
import type { ProxyEnds } from '../wire/proxy.ts';
import type { RequestHead } from '../wire/request.ts';
import type { ResponseHead } from '../wire/response.ts';

/** Who the client is, as far as its connection tells. Fixed for the life of the connection. */
export interface Peer {
  /** Canonical address of the TCP peer, or of whom its PROXY header names; '' on a UNIX socket. */
  readonly address: string;
  /** 0 on a UNIX socket. */
  readonly port: number;
  /** Its X-Forwarded-* are believed. Set by the exchange, as the configuration of the day has it. */
  isTrusted: boolean;
  readonly listener: string;
  /** What it connected to: ours, or a balancer's whose PROXY header says so. Canonical; '' on a UNIX socket. */
  readonly localAddress: string;
  readonly localPort: number;
  /** What the handshake said; null on a plain connection. */
  readonly tls: PeerTls | null;
}

export interface PeerTls {
  /** What the certificate that was shown covers: other hosts are a 421. */
  readonly names: readonly string[];
  /** Value of X-Forwarded-Client-Cert: who the client's certificate says it is; '' = it showed none. */
  readonly clientCert: string;
  /** As the handshake agreed: `TLSv1.3`; and the name the client asked for. null = not known. For the access log. */
  readonly version: string | null;
  readonly sni: string | null;
  /** DNS names of that certificate, lower case. */
  readonly clientNames: readonly string[];
  /** The last host of this connection that `names` covers, as it was asked for; '' = none yet. Kept by guard.ts. */
  coveredHost: string;
}

/** What an exchange may do to the client. All calls are cheap and never throw; after `end` or `abort` none is made. */
export interface Downstream {
  readonly peer: Peer;
  /** An interim response (1xx but 101). */
  interim(head: ResponseHead | null, status: number): void;
  /**
   * The final head: `fields` less the dropped ones, then `extra` (whole `name: value\r\n` lines). `framing` is what the
   * endpoint said of the body; the implementation frames it anew.
   */
  head(status: number, reason: string, fields: Fields | null, extra: string, framing: number, length: number): void;
  /** Body bytes chunk[from, to). False = hold back until Exchange.onDownstreamDrain. */
  chunk(chunk: Buffer, from: number, to: number): boolean;
  /** The body is whole; trailers (kept ones) are passed on where the protocol has room for them. */
  end(trailers: Fields | null): void;
  /** A whole answer of our own. */
  reply(status: number, fields: string, body: string): void;
  /** The response cannot be completed: make that visible (close, RST_STREAM). */
  abort(): void;
  /** Sends what head and chunk held back to travel in one write. */
  flush(): void;
  /** Stops, then takes up again, the reading of the request body. */
  pause(): void;
  resume(): void;
  /** After a 101: raw bytes both ways from now on, beginning with what was read too far. */
  tunnel(): void;
  /** Nothing that was handed over is read any more: its memory may be written to. */
  readonly isFlushed: boolean;
}

/** What an exchange may do to an endpoint, over one connection or stream that is its own until it ends or aborts. */
export interface Upstream {
  /** An earlier exchange has used the connection, so its end may be a coincidence. */
  readonly isReused: boolean;
  /** How long its connect took, ms; -1 once it has been reported (set by the exchange that reports it). */
  connectMs: number;
  /** Sends the head: method, path, `fields` less the dropped ones, then `extra`. */
  head(method: string, path: string, fields: RequestHead, extra: string, framing: number, length: number): void;
  chunk(chunk: Buffer, from: number, to: number): boolean;
  end(trailers: Fields | null): void;
  /** Lets go of it at once; the endpoint sees a close. */
  abort(): void;
  flush(): void;
  pause(): void;
  resume(): void;
  /** Due in `ms` from now unless called again: Exchange.onUpstreamTimeout. 0 = no time-out. */
  expectWithin(ms: number): void;
  /** Takes the exchange's hands off a connection that finished its response: back to the pool or closed. */
  release(): void;
  tunnel(): void;
  /** Nothing that was handed over is read any more: its memory may be written to. */
  readonly isFlushed: boolean;
}

/** What an Upstream tells the exchange that uses it. */
export interface UpstreamEvents {
  /** A connection is on its way; the user may abort it. */
  onConnecting(upstream: Upstream): void;
  /** The connection came about, but has no room yet. */
  onQueued(): void;
  onUpstreamReady(upstream: Upstream): void;
  /** The connection never came about. */
  onConnectFailed(reason: ConnectFailure): void;
  onResponseHead(head: ResponseHead): void;
  onResponseChunk(chunk: Buffer, from: number, to: number): void;
  onResponseEnd(trailers: Fields | null): void;
  /** Closed, reset or broken before the response was whole. */
  onUpstreamLost(brokeHttp: boolean): void;
  /** The endpoint says that it has not looked at the request (GOAWAY, REFUSED_STREAM): repeating it is safe. */
  onUpstreamRefused(): void;
  onUpstreamDrain(): void;
  onUpstreamTimeout(): void;
  readonly isDownstreamFlushed: boolean;
  /** For an endpoint that is told by a PROXY header whose request it is; null = not known. */
  clientEnds(): ProxyEnds | null;
  /** Everything that one read brought has been told: send what was held back. */
  flush(): void;
}

/** What asking a group for an Upstream came to. READY has already called onUpstreamReady. */
export const ACQUIRED = { READY: 0, CONNECTING: 1, QUEUED: 2, FULL: 3 } as const;
export type Acquired = (typeof ACQUIRED)[keyof typeof ACQUIRED];

/** Why a connection never came about. Their names in the metrics: CONNECT_REASONS of core/cells.ts. */
export const CONNECT_FAILURE = {
  REFUSED: 0,
  TIMEOUT: 1,
  TLS: 2, // the handshake failed for a reason that has no number of its own
  DNS: 3,
  TLS_EXPIRED: 4, // or not valid yet
  TLS_NAME: 5,
  TLS_UNTRUSTED: 6,
  TLS_PLAINTEXT: 7, // what answered does not speak TLS
  TLS_TIMEOUT: 8, // connected, and then no end of the handshake in time
  DESCRIPTORS: 9, // we have none left: says nothing about the endpoint
} as const;
export type ConnectFailure = (typeof CONNECT_FAILURE)[keyof typeof CONNECT_FAILURE];
