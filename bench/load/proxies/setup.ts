// What a proxy is started as, and how one adapter a proxy answers. The same terms for all: as many workers, keep-alive on
// both sides without a low limit, X-Forwarded-For, no access log, nothing on disk, TLS with the same certificate.

import type { Certificate } from '../certificate.ts';

/** Everything that tells one process of a proxy from another; two entrants of the same shape share one. */
export interface Shape {
  readonly workers: number;
  readonly listener: 'plain' | 'tls' | 'h2c';
  /** More than one: hosts and paths of scale.ts, all leading to the same pool. */
  readonly routes: number;
  readonly endpoints: number;
  readonly origin: 'http' | 'websocket';
}

export const PLAIN: Shape = { workers: 1, listener: 'plain', routes: 1, endpoints: 1, origin: 'http' };

export interface Setup extends Shape {
  /** On 127.0.0.1; TLS asks for the name localhost. */
  readonly port: number;
  readonly originPort: number;
  /** For its configuration; removed afterwards. */
  readonly folder: string;
  readonly certificate: Certificate;
  /** Where the origin has no /small; Fermat alone probes. */
  readonly probe?: 'tcp';
}

export type Command = readonly [command: string, ...args: string[]];

export interface Peer {
  /** null = not installed. */
  version(): string | null;
  /** What to do about that. */
  readonly install: string;
  /** Writes the configuration into the folder; null = this proxy cannot be that. */
  command(setup: Setup): Command | null;
}
