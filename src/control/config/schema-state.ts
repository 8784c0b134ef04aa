// What nodes share, and where: the part of the schema for Redis. A URL says all that most need; the mapping says the rest,
// after ioredis's options: several servers (Cluster), Sentinels, credentials that stand beside the URL, certificates.

import { z } from 'zod';
import { duration, name, text, whole } from './leaf.ts';
import { file } from './schema-common.ts';
import { isHostName, parseAddress, parseRedisUrl } from './values.ts';

const URL_FORM = 'redis://… or rediss://…, as in redis://user:password@host:6379/0';

/** Plain zod: in a union, a check of our own on any value would speak for mappings too. */
const url = z
  .string()
  .superRefine((value, ctx) => {
    if (parseRedisUrl(value) !== null) return;
    ctx.addIssue({ code: 'custom', message: 'not a Redis URL', params: { expected: URL_FORM } });
  })
  .meta({ $comment: URL_FORM });

const node = text('host:port', (value) => {
  const address = parseAddress(value);
  return address === null || address.host === '' || address.port === 0 ? 'not the address of a server' : null;
});

const secret = text('a text', (value) => (value === '' ? 'empty' : null))
  .nullable()
  .default(null);

const redis = z.strictObject({
  url: url.nullable().default(null).describe('Of the one server; with `cluster`, of one of its servers'),
  nodes: z.array(node).default([]).describe('With `cluster` in place of a URL: some of its servers, as host:port'),
  cluster: z.boolean().default(false).describe('Redis Cluster; the other servers are found by those given'),
  sentinel: z
    .strictObject({
      name: name('the name of the master group'),
      nodes: z.array(node).min(1).describe('Sentinels, as host:port'),
      username: secret.describe('For the Sentinels'),
      password: secret.describe('For the Sentinels'),
    })
    .nullable()
    .default(null)
    .describe('The master is found by Sentinels, in place of a URL'),
  username: secret.describe('Wins over the URL’s'),
  password: secret.describe('Wins over the URL’s'),
  db: whole(0, 65_535).nullable().default(null).describe('Number of the database; wins over the URL’s'),
  tls: z
    .strictObject({
      ca: file.nullable().default(null).describe('PEM; null = the system’s'),
      cert: file.nullable().default(null).describe('PEM, where Redis asks for a client certificate'),
      key: file.nullable().default(null).describe('PEM'),
      serverName: text('a host name', (value) => (isHostName(value) ? null : 'not a host name'))
        .nullable()
        .default(null)
        .describe('SNI and the name to verify; null = the host'),
      verify: z.boolean().default(true).describe('false accepts any certificate'),
    })
    .nullable()
    .default(null)
    .describe('TLS; a rediss:// URL needs no more than itself'),
  prefix: text('letters, digits, - _ . and :', (value) =>
    /^[\w.:-]{1,64}$/.test(value) ? null : 'not a prefix of keys',
  )
    .default('fermat')
    .describe('Of keys and channels: fleets with different ones share nothing'),
  timeout: duration().default('500ms').describe('An answer that takes longer is none'),
});

export const state = z
  .strictObject({
    redis: z.union([url, redis]).nullable().default(null).describe('null = in memory, this node alone'),
  })
  .prefault({})
  .describe('What nodes share');

export type FileRedis = z.output<typeof redis>;
