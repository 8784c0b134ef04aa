// Clients of ioredis as a configuration wants them: one server, a Cluster, a master behind Sentinels. None of them queues what
// it cannot send, or sends again what was lost: whoever asks is told at once, and asks anew when it still matters.

import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { TlsSpec } from '../../core/snapshot.ts';
import type { RedisConfig } from '../config/redis.ts';
import { backOffMs } from './circuit.ts';

/** Of the handshake; whoever waits for a call has given up by then. */
const PATIENCE = 2;
const LEAST_CONNECT_MS = 1000;
/** A master that became a replica refuses writes. Before Redis 7 scripts say so in the middle of their own words. */
const DEMOTED = /^READONLY |-READONLY /;

type Options = Omit<RedisOptions, 'replyMapping'>;

/**
 * When to connect anew. Where a master has become a replica another connection leads to the new one; if it does not, one of these
 * is made ever more seldom, as if it had failed.
 */
function returning(random: () => number): Required<Pick<RedisOptions, 'reconnectOnError' | 'retryStrategy'>> {
  let replicas = 0;
  let isReplica = false;
  return {
    reconnectOnError({ message }) {
      if (!DEMOTED.test(message)) return false;
      if (!isReplica) replicas++;
      isReplica = true;
      return true;
    },
    retryStrategy(times) {
      if (!isReplica) replicas = 0;
      isReplica = false;
      return backOffMs(times - 1 + replicas, random);
    },
  };
}

function optionsOf(config: RedisConfig): Options {
  const { username, password, db, tls, timeoutMs } = config;
  return {
    ...(username !== null && { username }),
    ...(password !== null && { password }),
    ...(tls !== null && { tls: tlsOf(tls) }),
    db,
    protocol: 2, // what every Redis and its like speak; nothing here needs more
    connectionName: 'fermat',
    disableClientInfo: true,
    lazyConnect: true,
    connectTimeout: Math.max(timeoutMs * PATIENCE, LEAST_CONNECT_MS),
    commandTimeout: timeoutMs * PATIENCE,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
  };
}

function tlsOf({ ca, cert, key, serverName, verify }: TlsSpec): NonNullable<Options['tls']> {
  return {
    ...(ca !== null && { ca }),
    ...(cert !== null && { cert }),
    ...(key !== null && { key }),
    ...(serverName !== null && { servername: serverName }),
    rejectUnauthorized: verify,
  };
}

/** Where to connect: the server itself, or Sentinels that know. */
function placeOf({ nodes, sentinel, tls }: RedisConfig, random: () => number): Options {
  if (sentinel === null) return { ...nodes[0]! };
  const { name, username, password } = sentinel;
  return {
    name,
    sentinels: nodes.map((node) => ({ ...node })),
    enableTLSForSentinelMode: tls !== null,
    ...(username !== null && { sentinelUsername: username }),
    ...(password !== null && { sentinelPassword: password }),
    sentinelRetryStrategy: (times) => backOffMs(times, random),
  };
}

/** For commands; comes back by itself after every loss. To be told to connect. */
export function newClient(config: RedisConfig, random: () => number): Redis | Cluster {
  if (config.mode !== 'cluster') {
    return new Redis({ ...optionsOf(config), ...placeOf(config, random), ...returning(random) });
  }
  const nodes = config.nodes.map((node) => ({ ...node }));
  return new Cluster(nodes, {
    redisOptions: optionsOf(config),
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: (times) => backOffMs(times - 1, random),
    slotsRefreshTimeout: Math.max(config.timeoutMs * PATIENCE, LEAST_CONNECT_MS),
    maxRedirections: 4,
    retryDelayOnFailover: 50,
  });
}

/** For subscriptions, which need a connection of their own; of a Cluster any server will do. Does not come back by itself. */
export function newSubscriber(config: RedisConfig, client: Redis | Cluster, random: () => number): Redis {
  const options = { ...optionsOf(config), retryStrategy: null, reconnectOnError: null };
  if (!(client instanceof Cluster)) return new Redis({ ...options, ...placeOf(config, random) });
  const known = client.nodes('all').map(({ options: { host, port } }) => ({ host, port }));
  const nodes = known.length > 0 ? known : config.nodes;
  const { host = '', port = 0 } = nodes[Math.floor(random() * nodes.length)]!;
  return new Redis({ ...options, host, port });
}
