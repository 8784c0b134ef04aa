// From the form of the file to the Config: durations to ms, sizes to bytes, percents to ratios, names to places. Takes
// what was found valid, so nothing fails here but the reading of PEM files.

import { availableParallelism, hostname } from 'node:os';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { findRegion } from '../../../geoip/regions.ts';
import { parseCidr } from '../../core/ip.ts';
import type { HashOn, LatLon, LimitsSpec, TlsSpec } from '../../core/snapshot.ts';
import type { ProbeSpec } from '../types.ts';
import { type Findings, readListenerTls } from './certificates.ts';
import type { Config, EndpointConfig, ListenerConfig, PoolConfig, RouteConfig } from './config.ts';
import { discoverOf } from './discovered.ts';
import { overlayOf } from './overlay.ts';
import { complain, readPem } from './pem.ts';
import type { Problem } from './problems.ts';
import { redisOf } from './redis.ts';
import type { FileConfig, FileEndpoint, FilePool, FileRoute } from './schema.ts';
import { rateLimitsOf } from './schema-limit.ts';
import { localityOf } from './schema-locality.ts';
import { accessLogOf, type FileLogging } from './schema-logging.ts';
import { tracingOf } from './tracing.ts';
import {
  parseAddress,
  parseDuration,
  parseEndpointUrl,
  parseResolver,
  parseSize,
  parseStatusRange,
  parseUnix,
  routeHost,
} from './values.ts';
import { autoWorkers } from './workers.ts';

export interface Built {
  readonly config: Config;
  readonly problems: readonly Problem[];
  /** Absolute paths of what was read besides the file itself. */
  readonly files: readonly string[];
}

/** `base`: the directory relative paths start from. */
export function build(file: FileConfig, base: string): Built {
  const found: Findings = { problems: [], warnings: [], files: [] };
  const { problems, warnings, files } = found;
  const databases = file.geoip.databases.map((path) => resolve(base, path));
  const pools = Object.entries(file.pools).map(([name, pool]) => {
    const tls = tlsOf(name, pool, base, problems, files);
    return poolOf(name, pool, tls, discoverOf(pool.discover, base));
  });
  warnings.push(...pools.flatMap(keyWarningsOf));
  const nodeId = file.node.id ?? hostname();
  const config: Config = {
    node: {
      id: nodeId,
      region: file.node.region ?? null,
      location: locationOf(file.node),
      resolvers: file.node.resolvers.map((text) => parseResolver(text)!),
    },
    workers: file.workers === 'auto' ? autoWorkers(availableParallelism(), process.constrainedMemory()) : file.workers,
    listeners: file.listeners.map((listener, i) => listenerOf(listener, i, base, found)),
    trustedProxies: [...new Set(file.trustedProxies.map((cidr) => parseCidr(cidr)!.text))],
    limits: limitsOf(file),
    geoipDatabases: databases,
    pools,
    routes: routesOf(file.routes, file.state.redis !== null),
    overlay: overlayOf(file, nodeId, base, found),
    state: { redis: redisOf(file.state.redis, base, problems, files) },
    admin: { address: parseAddress(file.admin.address), token: file.admin.token },
    shutdown: { drainDelayMs: ms(file.shutdown.drainDelay), timeoutMs: ms(file.shutdown.timeout) },
    logging: loggingOf(file.logging, base),
    tracing: tracingOf(file, nodeId),
    warnings,
    effective: file,
  };
  return { config, problems, files };
}

function loggingOf(logging: FileLogging, base: string): Config['logging'] {
  const { level, access, accessLog } = logging;
  return {
    level,
    access,
    accessLog: accessLogOf(logging, accessLog.file === null ? null : resolve(base, accessLog.file)),
  };
}

function ms(duration: string): number {
  return parseDuration(duration)!;
}

function locationOf(place: {
  readonly region?: string | undefined;
  readonly location?: { readonly lat: number; readonly lon: number } | undefined;
}): LatLon | null {
  if (place.location !== undefined) return { latDeg: place.location.lat, lonDeg: place.location.lon };
  const region = place.region === undefined ? null : findRegion(place.region);
  return region === null ? null : { latDeg: region.latDeg, lonDeg: region.lonDeg };
}

function listenerOf(
  listener: FileConfig['listeners'][number],
  i: number,
  base: string,
  found: Findings,
): ListenerConfig {
  const { address, name = address, tls, proxyProtocol } = listener;
  const path = parseUnix(address);
  const parsed = path === null ? parseAddress(address)! : { host: '', port: 0 };
  const secure = tls === null ? null : readListenerTls(tls, ['listeners', i, 'tls'], base, Date.now(), found);
  return { name, host: parsed.host, port: parsed.port, path, proxyProtocol, tls: secure };
}

function limitsOf({ limits }: FileConfig): LimitsSpec {
  return {
    requestLineBytes: parseSize(limits.requestLine)!,
    headBytes: parseSize(limits.head)!,
    headers: limits.headers,
    bodyBytes: parseSize(limits.body)!,
    headTimeoutMs: ms(limits.headTimeout),
    idleTimeoutMs: ms(limits.idleTimeout),
    bodyTimeoutMs: ms(limits.bodyTimeout),
    connections: limits.connections,
    connectionsPerClient: limits.connectionsPerClient,
    requests: limits.requests,
    requestsPerClient: limits.requestsPerClient,
    memoryBytes: parseSize(limits.memory)!,
    loopDelayMs: ms(limits.loopDelay),
  };
}

/** A key that nobody looks at, or a hash of nothing: allowed, and hardly meant. */
function keyWarningsOf({ name, policy, hashOn }: PoolConfig): string[] {
  if (policy === 'hash') return hashOn === null ? [`pool ${name}: policy hash without hashOn takes two at random`] : [];
  return hashOn === null || policy === 'fastest' ? [] : [`pool ${name}: policy ${policy} does not look at hashOn`];
}

function poolOf(name: string, pool: FilePool, tls: TlsSpec, discover: PoolConfig['discover']): PoolConfig {
  const { balance, timeouts, retry, hedge, outlier, limits } = pool;
  return {
    name,
    endpoints: pool.endpoints.map(endpointOf),
    discover,
    probe: probeOf(pool.probe),
    policy: balance.policy,
    bandRatio: balance.bandPercent / 100,
    bandMs: balance.bandMs,
    exploreRatio: balance.explorePercent / 100,
    hashOn: hashOnOf(balance.hashOn),
    millisPerUsdPerMillion: balance.millisPerUsdPerMillion,
    slowStartMs: ms(balance.slowStart),
    whenAllDown: balance.whenAllDown,
    timeouts: {
      connectMs: ms(timeouts.connect),
      firstByteMs: ms(timeouts.firstByte),
      bodyIdleMs: ms(timeouts.bodyIdle),
      tunnelIdleMs: ms(timeouts.tunnelIdle),
      idleMs: ms(timeouts.idle),
      connectionAgeMs: ms(timeouts.connectionAge),
      totalMs: ms(timeouts.total),
    },
    retry: {
      attempts: retry.attempts,
      onConnect: retry.on.includes('connect'),
      onReset: retry.on.includes('reset'),
      onTimeout: retry.on.includes('timeout'),
      onStatus: [...new Set(retry.on.filter((cause) => typeof cause === 'number'))],
      methods: [...new Set(retry.methods)],
      budgetRatio: retry.budgetPercent / 100,
      budgetMin: retry.budgetMin,
    },
    hedge: hedge.enabled ? { quantile: hedge.quantile, budgetRatio: hedge.budgetPercent / 100 } : null,
    outlier: {
      consecutive: outlier.consecutive,
      intervalMs: ms(outlier.interval),
      ejectionMs: ms(outlier.ejection),
      maxEjectionMs: ms(outlier.maxEjection),
      maxEjectedRatio: outlier.maxEjectedPercent / 100,
    },
    connectionsPerEndpoint: limits.connectionsPerEndpoint,
    requests: limits.requests,
    requestsPerEndpoint: limits.requestsPerEndpoint,
    queue: limits.queue,
    queueTimeoutMs: ms(limits.queueTimeout),
    tls,
    proxyProtocol: pool.proxyProtocol,
  };
}

function hashOnOf(text: string | null): HashOn | null {
  if (text === null) return null;
  const [kind, name] = text.split(':', 2) as ['header' | 'cookie', string];
  return text === 'client' ? { kind: 'client' } : { kind, name: kind === 'header' ? name.toLowerCase() : name };
}

/** Takes what was found valid. */
export function endpointOf(endpoint: FileEndpoint): EndpointConfig {
  const url = parseEndpointUrl(endpoint.url);
  if (typeof url === 'string') throw new TypeError(`expected a checked endpoint URL, got ${endpoint.url}: ${url}`);
  return {
    id: endpoint.id ?? url.id,
    url: url.url,
    scheme: url.scheme,
    host: url.host,
    port: url.port,
    socketPath: url.socketPath,
    authority: url.authority,
    region: endpoint.region ?? null,
    location: locationOf(endpoint),
    weight: endpoint.weight,
    capacity: endpoint.capacity,
    egressUsdPerGb: endpoint.egressUsdPerGb,
    labels: endpoint.labels,
  };
}

function probeOf(probe: FilePool['probe']): ProbeSpec {
  return {
    type: probe.type,
    service: probe.service,
    method: probe.method,
    path: probe.path,
    host: probe.host,
    intervalMs: ms(probe.interval),
    timeoutMs: ms(probe.timeout),
    expectStatus: probe.expectStatus.map((range) => parseStatusRange(range)!),
    expectBody: probe.expectBody,
    rise: probe.rise,
    fall: probe.fall,
  };
}

function routesOf(routes: readonly FileRoute[], hasRedis: boolean): RouteConfig[] {
  const taken = new Set(routes.map((route) => route.name));
  return routes.map((route) => {
    const host = route.host === null ? null : routeHost(route.host);
    const isExact = route.path.startsWith('=');
    return {
      name: route.name ?? defaultName(`${host ?? ''}${route.path}`, route.listener, taken),
      host,
      path: isExact ? route.path.slice(1) : route.path,
      exact: isExact,
      listener: route.listener,
      pool: route.pool ?? null,
      mode: route.mode,
      residency: route.residency,
      overlay: route.overlay,
      respond: route.respond ?? null,
      stripPrefix: route.stripPrefix,
      hostHeader:
        route.hostHeader === 'preserve' || route.hostHeader === 'endpoint'
          ? { kind: route.hostHeader }
          : { kind: 'literal', value: route.hostHeader },
      requestHeaders: editsOf(route.requestHeaders),
      responseHeaders: editsOf(route.responseHeaders),
      serverTiming: route.serverTiming,
      priority: route.priority,
      compress: [...new Set(route.compress)],
      locality: localityOf(route.locality),
      rateLimits: rateLimitsOf(route.rateLimit, hasRedis),
    };
  });
}

/** host+path; where that is taken, the listener too, so that metrics do not mix two routes. */
function defaultName(match: string, listener: string | null, taken: Set<string | undefined>): string {
  let name = match;
  if (taken.has(name)) name = `${match}@${listener ?? 'any'}`;
  for (let i = 2; taken.has(name); i++) name = `${match}#${i}`;
  taken.add(name);
  return name;
}

function editsOf(edits: FileRoute['requestHeaders']): RouteConfig['requestHeaders'] {
  return { set: Object.entries(edits.set), remove: edits.remove.map((name) => name.toLowerCase()) };
}

/** Reads the PEM files of a pool and has OpenSSL look at them, so that a bad one is found before it is needed. */
function tlsOf(pool: string, { tls }: FilePool, base: string, problems: Problem[], files: string[]): TlsSpec {
  const at = (key: string) => ['pools', pool, 'tls', key];
  const read = (key: 'ca' | 'cert' | 'key'): string | null => {
    const path = tls[key];
    return path === null ? null : readPem(path, at(key), base, { problems, files });
  };
  const [ca, cert, key] = [read('ca'), read('cert'), read('key')];
  if (ca !== null && !ca.includes('-----BEGIN ')) {
    problems.push({ path: at('ca'), what: 'holds no certificate', expected: 'a PEM file' });
  } else {
    complain(() => createSecureContext(ca === null ? {} : { ca }), at('ca'), problems);
  }
  if (cert !== null && key !== null) complain(() => createSecureContext({ cert, key }), at('cert'), problems);
  return { ca, cert, key, serverName: tls.serverName, verify: tls.verify };
}
