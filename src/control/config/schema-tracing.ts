// The form of `tracing` in the file: which requests are traced, and where their spans go. What it means is docs/tracing.md.

import { z } from 'zod';
import { duration, leaf, name, number, text, whole } from './leaf.ts';
import { isFieldValue, isFramingHeader, isToken } from './values.ts';
import { collectorUrl } from './values-tracing.ts';

/** What says how a batch is framed is Fermat's. */
const OURS = new Set(['host', 'content-type', 'content-encoding']);

const headers = leaf<Readonly<Record<string, string>>>(
  'a mapping of header names to values',
  { type: 'object', additionalProperties: { type: 'string' } },
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a mapping';
    for (const [key, one] of Object.entries(value)) {
      if (!isToken(key)) return `${JSON.stringify(key)} is not the name of a header`;
      if (isFramingHeader(key) || OURS.has(key.toLowerCase())) return `${key} is written by Fermat itself`;
      if (typeof one !== 'string' || !isFieldValue(one)) return `the value of ${key} cannot be sent`;
    }
    return null;
  },
);

export const tracing = z
  .strictObject({
    otlp: text('http://HOST:PORT or https://… of a collector', (value) => {
      const url = collectorUrl(value);
      return typeof url === 'string' ? null : url.wrong;
    })
      .nullable()
      .default(null)
      .describe('Where spans go, OTLP over HTTP (JSON); /v1/traces is added where it is missing; null = no traces'),
    headers: headers.default({}).describe('Sent with every batch, such as authorization'),
    compression: z.enum(['gzip', 'none']).default('gzip').describe('Of batches'),
    timeout: duration().default('10s').describe('For the collector to take a batch'),
    sample: number(0, 1).default(0.01).describe('Part of the requests; of those with a trusted parent see parentBased'),
    parentBased: z
      .boolean()
      .default(true)
      .describe('The sampled flag of a peer in trustedProxies decides; what others say is not heard'),
    propagate: z
      .boolean()
      .default(true)
      .describe('Endpoints get a traceparent that makes their spans children of the attempt; false = fields untouched'),
    maxSpansPerSecond: whole(1, 1e6).default(1000).describe('Of this node; beyond it requests are not traced'),
    serviceName: name('a name for the service').default('fermat').describe('service.name of all spans'),
    resource: z
      .record(
        z.string(),
        text('a string', () => null),
      )
      .default({})
      .describe('More attributes of this node, such as deployment.environment.name'),
  })
  .prefault({})
  .describe('Traces (OpenTelemetry)');
