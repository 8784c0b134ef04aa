// The form of one pool in the file: its endpoints, and how they are probed, chosen, waited for and tried again.

import { z } from 'zod';
import { POLICIES } from '../../core/snapshot.ts';
import { duration, leaf, number, text, whole } from './leaf.ts';
import { file, location, region } from './schema-common.ts';
import { discover } from './schema-discover.ts';
import { didYouMean } from './suggest.ts';
import { isAuthority, isHostName, isToken, parseEndpointUrl, parseStatusRange } from './values.ts';

const method = text('a method such as GET', (value) => (isToken(value) ? null : 'not a method'));

const endpointUrl = text(
  'http://host:port, https://host:port, h2c://host:port, h2://host:port or unix:/path',
  (value) => {
    const parsed = parseEndpointUrl(value);
    return typeof parsed === 'string' ? parsed : null;
  },
);
/** A browser takes `.` and `..` for steps of a path, however they are written: no verb would reach such an endpoint. */
const endpointId = text('letters, digits and . _ : @ / [ ] -, at most 200; not . or ..', (value) =>
  /^(?!\.{1,2}$)[\w.:@/[\]-]{1,200}$/.test(value) ? null : 'not an id',
);

/** One endpoint, typed or found. */
export const endpoint = z.strictObject({
  url: endpointUrl.describe('http, https, h2c or h2; unix:/path for http over a socket'),
  id: endpointId.optional().describe('Default: host:port; unique in the file'),
  region: region.optional().describe('A region of the catalogue; else GeoIP of its address'),
  location: location.optional(),
  weight: number(0, 1e6).default(1).describe('Share under the policy weighted; 0 = no traffic'),
  capacity: number(0, 1e9).default(0).describe('Requests per second it can take; 0 = unknown'),
  egressUsdPerGb: number(0, 1e6).default(0).describe('What a gigabyte sent from there costs'),
  labels: z.record(z.string(), z.string()).default({}).describe('Free text, shown as it is'),
});

const poolTls = z
  .strictObject({
    ca: file.nullable().default(null).describe('PEM; null = the system’s'),
    cert: file.nullable().default(null).describe('PEM, for endpoints that ask for a client certificate'),
    key: file.nullable().default(null).describe('PEM'),
    serverName: text('a host name', (value) => (isHostName(value) ? null : 'not a host name'))
      .nullable()
      .default(null)
      .describe('SNI and the name to verify; null = the endpoint’s host'),
    verify: z.boolean().default(true).describe('false accepts any certificate'),
  })
  .prefault({})
  .describe('For https endpoints');

const probe = z
  .strictObject({
    type: z
      .enum(['http', 'tcp', 'grpc'])
      .default('http')
      .describe('tcp = a connect, no more; grpc = grpc.health.v1.Health/Check, at h2 and h2c endpoints'),
    service: text('the name of a gRPC service', (value) =>
      /^[\w./-]{0,127}$/.test(value) ? null : 'not the name of a service',
    )
      .default('')
      .describe('What type grpc asks the health service about; empty = the server as a whole'),
    method: method.default('GET'),
    path: text('a path that begins with /', (value) =>
      /^\/[\x21-\x7e]*$/.test(value) && !value.includes('#') ? null : 'not a path',
    )
      .default('/')
      .describe('No redirects followed'),
    host: text('host or host:port', (value) => (isAuthority(value) ? null : 'not a host'))
      .nullable()
      .default(null)
      .describe('Host field; null = the endpoint’s'),
    interval: duration().default('2s').describe('± 20 %'),
    timeout: duration().default('1s'),
    expectStatus: z
      .array(
        leaf<string | number>(
          'a status or a range of them, such as 200-399',
          { type: ['string', 'integer'] },
          (value) => (parseStatusRange(value) === null ? 'not a status range' : null),
        ),
      )
      .min(1)
      .default(['200-399']),
    expectBody: z.string().nullable().default(null).describe('Substring of the first 64 KiB'),
    rise: whole(1, 1000).default(2).describe('Good probes in a row until healthy'),
    fall: whole(1, 1000).default(3).describe('Bad probes in a row until unhealthy'),
  })
  .prefault({})
  .describe('How endpoints are probed');

const balance = z
  .strictObject({
    policy: z.enum(POLICIES).default('fastest'),
    hashOn: text('header:NAME, cookie:NAME or client', (value) => {
      const match = /^(?:client|(?:header|cookie):(.+))$/.exec(value);
      return match !== null && (match[1] === undefined || isToken(match[1])) ? null : 'not something to hash on';
    })
      .nullable()
      .default(null)
      .describe('With hash: what is hashed; with fastest: stickiness within the band'),
    bandPercent: number(0, 1000).default(10).describe('Within this of the best score, endpoints share traffic'),
    bandMs: number(0, 60_000).default(5).describe('… plus this many milliseconds'),
    explorePercent: number(0, 100).default(0.5).describe('Of idempotent requests, to others than the best'),
    slowStart: duration({ isZeroOk: true }).default('10s').describe('Until a new endpoint gets its full share'),
    whenAllDown: z
      .enum(['try', 'fail'])
      .default('try')
      .describe('try = one trial request per second and endpoint, the rest 503 at once'),
    millisPerUsdPerMillion: number(0, 1e9)
      .default(0)
      .describe('Milliseconds that saving a USD per million requests is worth; weighs egressUsdPerGb'),
  })
  .prefault({})
  .describe('How an endpoint is chosen');

const timeouts = z
  .strictObject({
    connect: duration().default('2s'),
    firstByte: duration().default('30s'),
    bodyIdle: duration()
      .default('60s')
      .describe('A response body without progress; not for text/event-stream and gRPC'),
    tunnelIdle: duration().default('1h').describe('WebSocket and other upgrades'),
    idle: duration().default('4s').describe('A pooled connection; shorter if the endpoint says so'),
    connectionAge: duration({ isZeroOk: true })
      .default('5m')
      .describe('A connection this old, or up to a fifth less, serves no further request; 0s = none'),
    total: duration({ isZeroOk: true }).default('0s').describe('0s = none'),
  })
  .prefault({})
  .describe('For each attempt at an endpoint');

const RETRY_CAUSES = ['connect', 'reset', 'timeout'] as const;
export type RetryCause = (typeof RETRY_CAUSES)[number];

const retryCause = leaf<RetryCause | number>(
  'connect, reset, timeout or a status from 400 to 599',
  { anyOf: [{ enum: RETRY_CAUSES }, { type: 'integer', minimum: 400, maximum: 599 }] },
  (value) => {
    if (typeof value === 'number')
      return Number.isInteger(value) && value >= 400 && value <= 599 ? null : 'not such a status';
    if ((RETRY_CAUSES as readonly unknown[]).includes(value)) return null;
    const near = typeof value === 'string' ? didYouMean(value, RETRY_CAUSES) : null;
    return near === null ? 'nothing to retry on' : `nothing to retry on (did you mean ${near}?)`;
  },
);

const retry = z
  .strictObject({
    attempts: whole(0, 10).default(1).describe('Beyond the first; with pauses beyond the second'),
    on: z
      .array(retryCause)
      .default(['connect', 'reset', 'timeout', 502, 503, 504])
      .describe('timeout = no first byte in time; numbers = received'),
    methods: z
      .array(method)
      .default(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
      .describe('What is safe to repeat'),
    budgetPercent: number(0, 100).default(20).describe('Of requests, over 10 s'),
    budgetMin: number(0, 1e6).default(3).describe('Per second, on top'),
  })
  .prefault({})
  .describe('Second tries, at another endpoint');

export const pool = z.strictObject({
  endpoints: z.array(endpoint).default([]).describe('Endpoints that serve the same thing; at least one, or discover'),
  discover: z.array(discover).default([]).describe('Where more of them are found'),
  tls: poolTls,
  proxyProtocol: z
    .enum(['off', 'v1', 'v2'])
    .default('off')
    .describe('v1, v2: connections begin with a PROXY header that names the client, and serve no other client'),
  probe,
  balance,
  timeouts,
  retry,
  hedge: z
    .strictObject({
      enabled: z.boolean().default(false).describe('Only for the methods of retry.methods'),
      quantile: number(0.5, 0.999)
        .default(0.95)
        .describe('Late is later than this part of the endpoint’s first bytes, as learned'),
      budgetPercent: number(0, 100).default(2).describe('Of requests; what it cannot pay for waits longer'),
    })
    .prefault({})
    .describe('A second attempt at another endpoint, beside a first one that is late'),
  outlier: z
    .strictObject({
      consecutive: whole(1, 1_000_000).default(5).describe('Failures in a row'),
      interval: duration().default('10s'),
      ejection: duration().default('30s').describe('Times the number of ejections …'),
      maxEjection: duration().default('300s').describe('… up to this'),
      maxEjectedPercent: number(0, 100).default(50).describe('Of the pool, but always at least one endpoint'),
    })
    .prefault({})
    .describe('Endpoints that fail real requests are left out for a while'),
  limits: z
    .strictObject({
      connectionsPerEndpoint: whole(1, 1_000_000).default(1024),
      requests: whole(0, 1e9)
        .default(0)
        .describe('In flight at once in the whole pool, waiting ones included; more: 503; 0 = no limit'),
      requestsPerEndpoint: leaf<number | 'auto'>(
        'auto or a whole number from 0 to 1000000',
        { anyOf: [{ const: 'auto' }, { type: 'integer', minimum: 0, maximum: 1_000_000 }] },
        (value) =>
          value === 'auto' || (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 1_000_000)
            ? null
            : 'not a number of requests',
      )
        .default(0)
        .describe('Sent to one at once, the rest waits; auto = found out by its latency; 0 = no limit'),
      queue: whole(0, 1_000_000)
        .default(1024)
        .describe('Requests that wait for an endpoint, per worker; low routes fill half of it'),
      queueTimeout: duration().default('1s').describe('Then another endpoint is tried, else 503'),
    })
    .prefault({})
    .describe('Per pool'),
});
