// What a load generator is asked and what it answers, and which one generates what: wrk or autocannon HTTP/1.1, h2load
// HTTP/2, a small one of our own WebSocket messages. Each is a process of its own, one thread, keep-alive.

import { fileURLToPath } from 'node:url';
import { runAutocannon } from './autocannon.ts';
import { runH2load } from './h2load.ts';
import { firstLineOf, packageVersion } from './machine.ts';
import { outputOf } from './process.ts';
import { runWrk } from './wrk.ts';

/** What every generator can be asked for; `url` and who waits for whom are in LoadOptions. */
export interface Demand {
  readonly protocol: 'http/1.1' | 'h2' | 'websocket';
  readonly path: string;
  readonly connections: number;
  /** HTTP/2: requests in flight per connection. */
  readonly streams?: number;
  readonly method?: string;
  /** Of the request, or of a WebSocket message. */
  readonly bodyBytes?: number;
  /** More fields, beside Host. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Spread requests over this many hosts and paths (scale.ts names them). wrk only. */
  readonly routes?: number;
}

export interface LoadOptions extends Demand {
  /** `http://localhost:PORT`, https for TLS. */
  readonly base: string;
  readonly seconds: number;
  readonly core: number | string | null;
}

export interface LoadResult {
  /** Answered in the window; WebSocket: messages that came back. */
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Anything but a 2xx or 3xx in time. */
  readonly errors: number;
}

export interface Generator {
  readonly name: string;
  /** null = not installed. */
  readonly version: string | null;
  /** Rejects when the generator itself fails. */
  run(options: LoadOptions): Promise<LoadResult>;
}

const WEBSOCKET_CLIENT = fileURLToPath(new URL('./websocket-client.ts', import.meta.url));

/** By protocol. HTTP/2 without h2load has a generator without a version, which nobody should run. */
export function findGenerators(): Readonly<Record<Demand['protocol'], Generator>> {
  const wrk = /^wrk \D*([\d.]+)/.exec(firstLineOf('wrk', ['-v']) ?? '')?.[1] ?? null;
  const h2load = /nghttp2\/(\S+)/.exec(firstLineOf('h2load', ['--version']) ?? '')?.[1] ?? null;
  return {
    'http/1.1':
      wrk === null
        ? { name: 'autocannon', version: packageVersion('autocannon'), run: runAutocannon }
        : { name: 'wrk', version: wrk, run: runWrk },
    h2: { name: 'h2load', version: h2load, run: runH2load },
    websocket: { name: 'websocket-client.ts', version: process.version, run: runWebSocket },
  };
}

async function runWebSocket(options: LoadOptions): Promise<LoadResult> {
  const { base, path, connections, bodyBytes = 64, seconds, core } = options;
  const args = [WEBSOCKET_CLIENT, base + path, connections, bodyBytes, seconds].map(String);
  const { text, code } = await outputOf(core, process.execPath, args);
  if (code !== 0) throw new Error(`websocket-client.ts said:\n${text}`);
  return JSON.parse(text);
}
