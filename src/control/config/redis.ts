// From what the file says of Redis to what a connection needs: one form for a URL, a Cluster, Sentinels. What contradicts
// itself is found here, before anything connects.

import { createSecureContext } from 'node:tls';
import type { TlsSpec } from '../../core/snapshot.ts';
import { complain, readPem } from './pem.ts';
import type { Path, Problem } from './problems.ts';
import type { FileRedis } from './schema-state.ts';
import { parseAddress, parseDuration, parseRedisUrl } from './values.ts';

export interface RedisConfig {
  readonly mode: 'standalone' | 'cluster' | 'sentinel';
  /** The server; some of the Cluster's; the Sentinels. At least one. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number;
  /** Of the servers (not the Sentinels); null = plain text. */
  readonly tls: TlsSpec | null;
  readonly sentinel: {
    readonly name: string;
    readonly username: string | null;
    readonly password: string | null;
  } | null;
  /** Of keys and channels. */
  readonly prefix: string;
  /** ms; > 0. */
  readonly timeoutMs: number;
}

/** Whoever waits longer for Redis waits for nothing; and the end of a node waits for it once. */
const LONGEST_MS = 10_000;
const AT: Path = ['state', 'redis'];
const NO_TLS: NonNullable<FileRedis['tls']> = { ca: null, cert: null, key: null, serverName: null, verify: true };

/** What the mapping says twice, or not at all. `given` is valid by the schema. */
export function redisProblems(given: unknown): Problem[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return [];
  const { url, nodes, cluster, sentinel, db, timeout } = given as Partial<FileRedis>;
  const hasNodes = Array.isArray(nodes) && nodes.length > 0;
  const ways = [url != null && 'url', hasNodes && 'nodes', sentinel != null && 'sentinel'].filter(
    (way) => way !== false,
  );
  const one = 'one of url, nodes (with cluster: true) and sentinel';
  if (ways.length === 0) return [{ path: AT, what: 'names no server', expected: one, got: 'none of them' }];
  if (ways.length > 1) return [{ path: AT, what: 'names servers in two ways', expected: one, got: ways.join(' and ') }];
  if (hasNodes && cluster !== true) {
    return [{ path: [...AT, 'nodes'], what: 'servers without cluster', expected: 'url, or cluster: true beside it' }];
  }
  if (sentinel != null && cluster === true) {
    return [{ path: [...AT, 'cluster'], what: 'a Cluster behind Sentinels', expected: 'one of both' }];
  }
  if (typeof timeout === 'string' && (parseDuration(timeout) ?? 0) > LONGEST_MS) {
    return [{ path: [...AT, 'timeout'], what: 'too long', expected: 'at most 10s' }];
  }
  const number = db ?? (typeof url === 'string' ? parseRedisUrl(url)?.db : 0) ?? 0;
  if (cluster === true && number !== 0) {
    return [{ path: AT, what: `database ${number} of a Cluster`, expected: 'database 0: a Cluster has no other' }];
  }
  return [];
}

/** `base`: the directory relative paths start from. Problems and files that were read are added to the lists. */
export function redisOf(
  given: string | FileRedis | null,
  base: string,
  problems: Problem[],
  files: string[],
): RedisConfig | null {
  if (given === null) return null;
  const file: Partial<FileRedis> = typeof given === 'string' ? { url: given } : given;
  const url = file.url == null ? null : parseRedisUrl(file.url);
  const listed = file.sentinel?.nodes ?? file.nodes ?? [];
  const tls = file.tls ?? (url?.isTls === true ? NO_TLS : null);
  return {
    mode: file.sentinel != null ? 'sentinel' : file.cluster === true ? 'cluster' : 'standalone',
    nodes: url === null ? listed.map((text) => parseAddress(text)!) : [{ host: url.host, port: url.port }],
    username: file.username ?? url?.username ?? null,
    password: file.password ?? url?.password ?? null,
    db: file.db ?? url?.db ?? 0,
    tls: tls === null ? null : tlsOf(tls, base, problems, files),
    sentinel:
      file.sentinel == null
        ? null
        : { name: file.sentinel.name, username: file.sentinel.username, password: file.sentinel.password },
    prefix: file.prefix ?? 'fermat',
    timeoutMs: parseDuration(file.timeout ?? '500ms')!,
  };
}

function tlsOf(tls: typeof NO_TLS, base: string, problems: Problem[], files: string[]): TlsSpec {
  const read = (key: 'ca' | 'cert' | 'key'): string | null => {
    const path = tls[key];
    return path === null ? null : readPem(path, [...AT, 'tls', key], base, { problems, files });
  };
  const pem = { ca: read('ca'), cert: read('cert'), key: read('key') };
  const { ca, cert, key } = pem;
  const given = { ...(ca !== null && { ca }), ...(cert !== null && { cert }), ...(key !== null && { key }) };
  complain(() => createSecureContext(given), [...AT, 'tls'], problems, 'PEM files');
  return { ...pem, serverName: tls.serverName, verify: tls.verify };
}
