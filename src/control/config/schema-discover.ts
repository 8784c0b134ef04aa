// The form of `pools.NAME.discover` in the file: where endpoints are found that are not typed. That each entry names one kind of
// source is checked in discovered.ts.

import { z } from 'zod';
import { parseCidr } from '../../core/ip.ts';
import { duration, leaf, number, text, whole } from './leaf.ts';
import { file, location, region } from './schema-common.ts';
import { isHostName, parseEndpointUrl } from './values.ts';

const scheme = z.enum(['http', 'https', 'h2c', 'h2']).default('http').describe('Of the endpoints');

/** Names of services and records may have underscores where host names may not. */
const recordName = text('a name such as shop.internal or _http._tcp.shop.internal', (value) =>
  isHostName(value.replaceAll('_', 'x')) ? null : 'not a name',
);

const dns = z
  .strictObject({
    name: recordName.describe('Every address, or SRV record, of it is an endpoint'),
    type: z.enum(['A', 'AAAA', 'SRV']).default('A').describe('SRV records bring port, weight and priority'),
    port: whole(1, 65_535).optional().describe('Of the endpoints; not with SRV'),
    scheme,
    interval: duration().default('30s').describe('Asked again after the TTL, and at the latest after this'),
  })
  .optional()
  .describe('A name, asked for through node.resolvers');

const directory = z
  .strictObject({
    path: file.describe('*.yaml, *.yml and *.json in it: each a list of endpoints, as `endpoints` has them'),
  })
  .optional()
  .describe('Files, re-read when they change');

const kubernetesName = text('a name of Kubernetes: lower case letters, digits and -', (value) =>
  /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(value) ? null : 'not such a name',
);

const kubernetes = z
  .strictObject({
    service: kubernetesName,
    namespace: kubernetesName.nullable().default(null).describe('null = that of the credentials'),
    port: leaf<string | number>('the name or number of a port', { type: ['string', 'integer'] }, (value) =>
      (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536) ||
      (typeof value === 'string' && /^[a-z0-9-]{1,63}$/.test(value))
        ? null
        : 'not a port',
    )
      .optional()
      .describe('Of the service’s EndpointSlices; default: the first'),
    scheme,
    kubeconfig: file
      .nullable()
      .default(null)
      .describe('null = the pod’s service account, else $KUBECONFIG or ~/.kube/config'),
    zones: z
      .record(z.string(), region)
      .default({})
      .describe('Zone: region of the catalogue, where the name of the zone does not tell (eu-central-1a does)'),
  })
  .optional()
  .describe('EndpointSlices of a service, watched');

const consul = z
  .strictObject({
    address: text('http://host:port or https://host:port', (value) => {
      const parsed = parseEndpointUrl(value);
      if (typeof parsed === 'string') return parsed;
      return parsed.scheme === 'http' || parsed.scheme === 'https' ? null : 'not http or https';
    })
      .default('http://127.0.0.1:8500')
      .describe('Of an agent or server'),
    service: text('the name of a service', (value) =>
      /^[\w.-]{1,200}$/.test(value) ? null : 'not the name of a service',
    ),
    tag: text('a tag', (value) => (/^[\x20-\x7e]{1,200}$/.test(value) ? null : 'not a tag'))
      .nullable()
      .default(null),
    datacenter: text('the name of a datacenter', (value) => (/^[\w-]{1,200}$/.test(value) ? null : 'not such a name'))
      .nullable()
      .default(null)
      .describe('null = the agent’s'),
    token: text('visible ASCII characters', (value) => (/^[\x21-\x7e]{1,1024}$/.test(value) ? null : 'not a token'))
      .nullable()
      .default(null)
      .describe('Of an ACL that may read the service and its nodes'),
    passing: z.boolean().default(true).describe('false = also those with a warning; critical ones never'),
    scheme,
  })
  .optional()
  .describe(
    'A service of Consul’s catalogue, by blocking queries; metadata: fermat-region, -weight, -capacity, -egress, -id',
  );

const registerToken = text('at least 16 visible ASCII characters', (value) =>
  /^[\x21-\x7e]{16,1024}$/.test(value) ? null : 'not a token, or too short a one',
);

const registry = z
  .strictObject({
    token: registerToken.describe('Key of the signatures; `fermat register` has it from FERMAT_REGISTER_TOKEN'),
    otherToken: registerToken
      .nullable()
      .default(null)
      .describe('As good as `token`, while apps change from one to another'),
    networks: z
      .array(text('a network such as 10.0.0.0/8', (value) => (parseCidr(value) === null ? 'not a CIDR' : null)))
      .default([])
      .describe('CIDRs that the addresses of endpoints must be in; [] = any, and names'),
  })
  .optional()
  .describe('Endpoints register themselves (`fermat register`), through the admin listener');

const defaults = z
  .strictObject({
    region: region.optional(),
    location: location.optional(),
    weight: number(0, 1e6).default(1),
    capacity: number(0, 1e9).default(0).describe('Requests per second; 0 = unknown'),
    egressUsdPerGb: number(0, 1e6).default(0),
    labels: z.record(z.string(), z.string()).default({}),
  })
  .prefault({})
  .describe('What holds for all endpoints of the source, unless it says otherwise');

export const discover = z.strictObject({
  dns,
  directory,
  kubernetes,
  consul,
  registry,
  minimum: whole(0, 1000).default(1).describe('Fewer endpoints than this are believed only after the grace'),
  grace: duration({ isZeroOk: true }).default('30s').describe('Until then those that are missing stay'),
  defaults,
});
