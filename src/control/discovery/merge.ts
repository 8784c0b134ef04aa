// A configuration with what was found put beside what was typed: the same form, so that whatever compiles one compiles the other.
// Typed endpoints win over found ones, and of the sources of a pool the first. Identities stay: who was given an id keeps it, or
// its slot, its statistics and its connections would go with it.

import { canonicalIp } from '../../core/ip.ts';
import { MAX_SLOTS } from '../../core/snapshot.ts';
import type { Config, EndpointConfig, PoolConfig } from '../config/config.ts';
import type { FoundEndpoint } from './entries.ts';

/** What one source of a pool is believed to have. */
export interface FoundSet {
  /** DiscoverSpec.name. */
  readonly source: string;
  readonly endpoints: readonly FoundEndpoint[];
}

export interface Merged {
  readonly config: Config;
  /** `POOL\0ID` → the source it comes from; typed ones are not in it. */
  readonly sources: ReadonlyMap<string, string>;
  /** What was found and cannot be used, in words. */
  readonly problems: readonly string[];
}

/** A quarter of the slots is for endpoints that have left and are still in use by older exchanges. */
const MAX_ENDPOINTS = (MAX_SLOTS * 3) / 4;

export class Merger {
  /** `POOL\0URL` → id, of those that are there. */
  #ids: ReadonlyMap<string, string> = new Map();

  /** `setsOf`: by name of the pool. */
  merge(config: Config, setsOf: (pool: string) => readonly FoundSet[]): Merged {
    const problems: string[] = [];
    const found = config.pools.map((pool) => newcomersOf(pool, setsOf(pool.name), whyUnfit(config, pool), problems));
    const typed = config.pools.flatMap(({ endpoints }) => endpoints);
    this.#ids = idsOf(config.pools, found, new Set(typed.map(({ id }) => id)), this.#ids);
    let room = MAX_ENDPOINTS - typed.length;
    const sources = new Map<string, string>();
    const pools = config.pools.map((pool, i): PoolConfig => {
      const mine = found[i]!;
      if (mine.length === 0) return pool;
      const taken = mine.slice(0, Math.max(room, 0));
      room -= taken.length;
      if (taken.length < mine.length) {
        problems.push(
          `pool ${pool.name}: ${mine.length - taken.length} endpoints beyond the ${MAX_ENDPOINTS} of a node`,
        );
      }
      const endpoints = taken.map(({ source, endpoint: { tier: _, ...endpoint } }): EndpointConfig => {
        const id = this.#ids.get(keyOf(pool.name, endpoint.url))!;
        sources.set(`${pool.name}\0${id}`, source);
        return { ...endpoint, id };
      });
      return { ...pool, endpoints: [...pool.endpoints, ...endpoints] };
    });
    return { config: { ...config, pools }, sources, problems };
  }
}

interface Newcomer {
  readonly source: string;
  readonly endpoint: FoundEndpoint;
}

function newcomersOf(
  pool: PoolConfig,
  sets: readonly FoundSet[],
  unfit: (endpoint: FoundEndpoint) => string | null,
  problems: string[],
): Newcomer[] {
  const urls = new Set(pool.endpoints.map(({ url }) => url));
  const newcomers: Newcomer[] = [];
  for (const { source, endpoints } of sets) {
    for (const endpoint of endpoints) {
      if (urls.has(endpoint.url)) continue;
      urls.add(endpoint.url);
      const why = unfit(endpoint);
      if (why === null) newcomers.push({ source, endpoint });
      else problems.push(`pool ${pool.name}: ${endpoint.url} (${source}): ${why}`);
    }
  }
  return newcomers;
}

/** What `validate` refuses in typed endpoints, for these come later. */
function whyUnfit({ routes, admin }: Config, { name, probe }: PoolConfig): (endpoint: FoundEndpoint) => string | null {
  const isRedirected = routes.some(({ pool, mode }) => pool === name && mode === 'redirect');
  return ({ scheme, socketPath, host, port }) => {
    // Behind a public listener, everybody would be the operator.
    if (admin.address !== null && port === admin.address.port && isHere(host, admin.address.host)) {
      return 'the admin listener of this edge';
    }
    if (probe.type === 'grpc' && scheme !== 'h2' && scheme !== 'h2c') return 'gRPC probes need h2 or h2c';
    if (isRedirected && (socketPath !== null || scheme === 'h2c')) return 'clients cannot be redirected there';
    return null;
  };
}

/** Whether it is this machine, or the very address that is listened on. A name may lead anywhere. */
function isHere(host: string, own: string): boolean {
  const ip = canonicalIp(host);
  return ip === null ? /^(.+\.)?localhost\.?$/i.test(host) || host === own : isLoopbackOr(ip, canonicalIp(own));
}

function isLoopbackOr(ip: string, own: string | null): boolean {
  return ip === '0.0.0.0' || ip === '::' || ip === '::1' || ip.startsWith('127.') || ip === own;
}

/** Whoever had an id keeps it; of newcomers that want the same one the first gets it, and the others the pool's name before it. */
function idsOf(
  pools: readonly PoolConfig[],
  found: readonly (readonly Newcomer[])[],
  typed: ReadonlySet<string>,
  before: ReadonlyMap<string, string>,
): Map<string, string> {
  const ids = new Map<string, string>();
  const taken = new Set(typed);
  const all = pools.flatMap(({ name }, i) => found[i]!.map(({ endpoint }) => ({ pool: name, endpoint })));
  for (const { pool, endpoint } of all) {
    const key = keyOf(pool, endpoint.url);
    const id = before.get(key);
    if (id === undefined || taken.has(id)) continue;
    ids.set(key, id);
    taken.add(id);
  }
  for (const { pool, endpoint } of all) {
    const key = keyOf(pool, endpoint.url);
    if (ids.has(key)) continue;
    let id = endpoint.id;
    if (taken.has(id)) id = `${pool}/${endpoint.id}`;
    for (let n = 2; taken.has(id); n++) id = `${pool}/${endpoint.id}@${n}`;
    ids.set(key, id);
    taken.add(id);
  }
  return ids;
}

function keyOf(pool: string, url: string): string {
  return `${pool}\0${url}`;
}
