// The form of the file: every key, its default and its check, as CONTRACT.md lists them. What one value cannot know about
// another is in check.ts. Nothing is converted here, so that the parsed form with its defaults is itself a file that can be
// shown and used again.

import { z } from 'zod';
import { parseCidr } from '../../core/ip.ts';
import { MAX_LANES } from '../../core/snapshot.ts';
import { duration, leaf, name, size, text, whole } from './leaf.ts';
import { file, location, region } from './schema-common.ts';
import { logging } from './schema-logging.ts';
import { overlay } from './schema-overlay.ts';
import { pool } from './schema-pool.ts';
import { route } from './schema-route.ts';
import { state } from './schema-state.ts';
import { tracing } from './schema-tracing.ts';

import { parseAddress, parseResolver, parseUnix } from './values.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const node = z
  .strictObject({
    id: name('a name for this node').optional().describe('Name of this node; default: the host’s name'),
    region: region.optional().describe('Where this node is: a region of the catalogue; unknown if absent'),
    location: location.optional(),
    resolvers: z
      .array(
        text('an address, or address:port, of a name server, such as 10.0.0.2 or [fd00::2]:5353', (value) =>
          parseResolver(value) === null ? 'not the address of a name server' : null,
        ),
      )
      .default([])
      .describe('Name servers for endpoints; [] = the system’s (resolv.conf)'),
  })
  .prefault({})
  .describe('Who and where this node is');

const listenerAddress = text('host:port, :port or unix:/path', (value) =>
  (value.startsWith('unix:') ? parseUnix(value) : parseAddress(value)) === null ? 'not an address to listen on' : null,
);

const listenerTls = z
  .strictObject({
    certificates: z
      .array(
        z.strictObject({
          cert: file.describe('PEM, its chain behind it; chosen by SNI, else the first; re-read when the file changes'),
          key: file.describe('PEM, not encrypted'),
        }),
      )
      .min(1),
    minVersion: z.enum(['1.2', '1.3']).default('1.2').describe('Of TLS'),
    clientCa: file
      .nullable()
      .default(null)
      .describe('PEM; then clients must present a certificate, told on as X-Forwarded-Client-Cert'),
    alpn: z
      .array(z.enum(['h2', 'http/1.1']))
      .default(['h2', 'http/1.1'])
      .describe('The first that the client offers too; [] = HTTP/1.1 whatever it offers'),
  })
  .nullable()
  .default(null);

const listener = z.strictObject({
  address: listenerAddress.describe('host:port or unix:/path; :0 picks a port and prints it'),
  name: name('a name for the listener').optional().describe('Default: its address; routes may name it'),
  proxyProtocol: z
    .enum(['off', 'required', 'optional'])
    .default('off')
    .describe('PROXY header, v1 or v2, before anything else: must, may come; believed from trustedProxies only'),
  tls: listenerTls.describe('HTTPS on this listener'),
});

const limits = z
  .strictObject({
    requestLine: size(64, MIB, 'a size from 64 to 1MiB, such as 8KiB').default('8KiB').describe('Longer: 414'),
    head: size(256, 16 * MIB, 'a size from 256 to 16MiB, such as 32KiB')
      .default('32KiB')
      .describe('Longer: 431'),
    headers: whole(1, 10_000).default(100).describe('Fields; more: 431'),
    body: size(0, Number.MAX_SAFE_INTEGER, 'a size, such as 1MiB, or 0 for no limit')
      .default(0)
      .describe('0 = no limit, else 413'),
    headTimeout: duration().default('10s').describe('First byte to end of head, 408'),
    idleTimeout: duration().default('60s').describe('Keep-alive without a request; an answer that is not taken'),
    bodyTimeout: duration()
      .default('30s')
      .describe('A request body without progress, 408; less than 100 bytes/s is none'),
    connections: whole(0, 1e9)
      .default(0)
      .describe('Per node; 0 = as many as file descriptors allow, which are never more'),
    connectionsPerClient: whole(0, 1e9).default(0).describe('Per client, an IPv4 address or an IPv6 /64; 0 = no limit'),
    requests: whole(0, 1e9).default(0).describe('In flight at once, per node; more: 503; 0 = no limit'),
    requestsPerClient: whole(0, 1e9).default(0).describe('In flight at once, per client; more: 429; 0 = no limit'),
    memory: size(0, Number.MAX_SAFE_INTEGER, 'a size, such as 1GiB, or 0 for the one of the control group')
      .default(0)
      .describe(
        'Of the process; near it requests are shed by priority; 0 = what its control group allows, if it has one',
      ),
    loopDelay: duration({ isZeroOk: true })
      .default('100ms')
      .describe(
        'A worker that is this late all the time sheds low routes, ten times as late normal ones too; 0s = none',
      ),
  })
  .prefault({})
  .describe('What a client may ask for');

export const fileSchema = z
  .strictObject({
    node,
    workers: leaf<number | 'auto'>(
      `auto or a whole number from 1 to ${MAX_LANES}`,
      { anyOf: [{ const: 'auto' }, { type: 'integer', minimum: 1, maximum: MAX_LANES }] },
      (value) =>
        value === 'auto' || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_LANES)
          ? null
          : 'not a number of workers',
    )
      .default('auto')
      .describe(
        'auto = cores that it may use (CPU limits, affinity), fewer where a memory limit holds fewer; restart to change',
      ),
    listeners: z.array(listener).min(1).describe('Where clients connect'),
    trustedProxies: z
      .array(text('a network such as 10.0.0.0/8', (value) => (parseCidr(value) === null ? 'not a CIDR' : null)))
      .default([])
      .describe('CIDRs whose X-Forwarded-For, X-Forwarded-Proto and PROXY header are believed'),
    limits,
    geoip: z
      .strictObject({
        databases: z
          .array(file)
          .default([])
          .describe('.mmdb files, MaxMind or DB-IP layout; [] = bundled DB-IP Lite; re-read when they change'),
      })
      .prefault({})
      .describe('Where addresses are'),
    pools: z.record(z.string(), pool).default({}).describe('Name: pool'),
    routes: z.array(route).min(1).describe('Host: exact, then longest *.suffix, then none; then longest path'),
    overlay,
    state,
    admin: z
      .strictObject({
        address: text('host:port, or "" for none', (value) =>
          value === '' || parseAddress(value) !== null ? null : 'not an address',
        )
          .default('127.0.0.1:9901')
          .describe('"" = none'),
        token: text('visible ASCII characters', (value) => (/^[\x21-\x7e]{1,1024}$/.test(value) ? null : 'not a token'))
          .nullable()
          .default(null)
          .describe('For anything but /livez, /readyz, /metrics when the address is not loopback'),
      })
      .prefault({})
      .describe('The admin API, its own listener'),
    shutdown: z
      .strictObject({
        drainDelay: duration({ isZeroOk: true }).default('5s').describe('Not ready, still accepting'),
        timeout: duration({ isZeroOk: true }).default('30s').describe('Then what is left is cut'),
      })
      .prefault({})
      .describe('On SIGTERM and SIGINT'),
    logging,
    tracing,
  })
  .describe('Configuration of Fermat');

/** The form of the file with every default filled in. */
export type FileConfig = z.output<typeof fileSchema>;
export type FilePool = FileConfig['pools'][string];
export type FileEndpoint = FilePool['endpoints'][number];
export type FileRoute = FileConfig['routes'][number];

/** JSON Schema 2020-12 of the file, for editors. */
export function jsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { io: 'input' });
  return { $schema, title: 'Fermat', ...rest };
}

/** The keys that are right at a path of the file. */
export function keysAt(path: readonly (string | number)[]): readonly string[] {
  let schema: unknown = fileSchema;
  for (const part of path) schema = childOf(bare(schema), part);
  const { shape } = bare(schema);
  return shape === undefined ? [] : Object.keys(shape);
}

/** What the walk needs of zod's own definitions. */
interface Definition {
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly element?: unknown;
  readonly valueType?: unknown;
  readonly innerType?: unknown;
  readonly options?: readonly unknown[];
}

/** Defaults and nulls taken off. */
function bare(schema: unknown): Definition {
  let def = (schema as { readonly def?: Definition } | undefined)?.def ?? {};
  while (def.innerType !== undefined) def = (def.innerType as { readonly def: Definition }).def;
  // Of several forms, the one with keys.
  return def.options?.map(bare).find(({ shape }) => shape !== undefined) ?? def;
}

function childOf(def: Definition, part: string | number): unknown {
  return def.shape?.[part] ?? (typeof part === 'number' ? def.element : def.valueType);
}
