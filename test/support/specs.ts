// Snapshots and what is in them, as tests want them: everything at the default of the configuration, less what a test says.

import type { PickContext } from '../../src/core/selector.ts';
import { type EndpointSpec, MAX_SLOTS, type PoolSpec, type Snapshot } from '../../src/core/snapshot.ts';
import { newTable, shapeOf } from '../../src/core/table.ts';
import type { Origin } from './world.ts';

export function poolSpec(
  name: string,
  endpoints: readonly number[],
  row: number,
  more: Partial<PoolSpec> = {},
): PoolSpec {
  return {
    uid: row,
    name,
    endpoints,
    row,
    policy: 'fastest',
    bandRatio: 0.1,
    bandMs: 5,
    exploreRatio: 0.005,
    hashOn: null,
    millisPerUsdPerMillion: 0,
    slowStartMs: 10_000,
    whenAllDown: 'try',
    timeouts: {
      connectMs: 2000,
      firstByteMs: 30_000,
      bodyIdleMs: 60_000,
      tunnelIdleMs: 3.6e6,
      idleMs: 4000,
      connectionAgeMs: 300_000,
      totalMs: 0,
    },
    retry: {
      attempts: 1,
      onConnect: true,
      onReset: true,
      onTimeout: true,
      onStatus: [],
      methods: ['GET'],
      budgetRatio: 0.2,
      budgetMin: 3,
    },
    hedge: null,
    outlier: { consecutive: 5, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionMs: 300_000, maxEjectedRatio: 0.5 },
    connectionsPerEndpoint: 1024,
    queue: 1024,
    queueTimeoutMs: 1000,
    requests: 0,
    requestsPerEndpoint: 0,
    tls: { ca: null, cert: null, key: null, serverName: null, verify: true },
    proxyProtocol: 'off',
    ...more,
  };
}

export function endpointSpec(
  slot: number,
  from: Pick<Origin, 'id' | 'region' | 'location' | 'weight' | 'capacity' | 'egressUsdPerGb'>,
): EndpointSpec {
  return {
    uid: slot,
    id: from.id,
    url: `http://${from.id}`,
    slot,
    generation: 1,
    scheme: 'http',
    host: '127.0.0.1',
    port: 9000 + slot,
    socketPath: null,
    authority: from.id,
    region: from.region ?? null,
    location: from.location ?? null,
    weight: from.weight ?? 1,
    capacity: from.capacity ?? 0,
    egressUsdPerGb: from.egressUsdPerGb ?? 0,
    labels: {},
  };
}

export function snapshotOf(
  endpoints: readonly EndpointSpec[],
  pools: readonly PoolSpec[],
  lanes = 1,
  version = 1,
): Snapshot {
  const snapshot: Omit<Snapshot, 'table'> = {
    version,
    lanes,
    nodeId: 'test',
    listeners: [],
    routes: [],
    pools,
    rows: pools.map(({ endpoints: of }, pool) => ({ pool, members: of.map((_, i) => i), residency: [] })),
    endpoints,
    limits: {
      requestLineBytes: 8192,
      headBytes: 32_768,
      headers: 100,
      bodyBytes: 0,
      headTimeoutMs: 10_000,
      idleTimeoutMs: 60_000,
      bodyTimeoutMs: 30_000,
      connections: 0,
      connectionsPerClient: 0,
      requests: 0,
      requestsPerClient: 0,
      memoryBytes: 0,
      loopDelayMs: 0,
    },
    trustedProxies: [],
    drainDelayMs: 5000,
    drainTimeoutMs: 30_000,
    access: 'off',
  };
  return { ...snapshot, table: newTable(shapeOf(snapshot)) };
}

/** A PickContext for a lane of its own, nothing in flight. */
export function contextOf(random: () => number, lane = 0): PickContext {
  return {
    lane,
    inflight: new Int32Array(MAX_SLOTS),
    nowMs: 0,
    random,
    tried: new Int32Array(8),
    triedCount: 0,
    mayExplore: false,
  };
}
