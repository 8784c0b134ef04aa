// The form of one route in the file: what it matches, where it leads, and what it changes on the way.

import { z } from 'zod';
import { COMPRESS_CODINGS, OVERLAY_MODES, PRIORITIES } from '../../core/snapshot.ts';
import { name, text, whole } from './leaf.ts';
import { residence } from './schema-common.ts';
import { rateLimit } from './schema-limit.ts';
import { locality } from './schema-locality.ts';
import { didYouMean } from './suggest.ts';
import { isAuthority, isFieldValue, isFramingHeader, isToken, routeHost } from './values.ts';

const fieldName = text('the name of a header field', (value) => {
  if (!isToken(value)) return 'not a header name';
  if (value.toLowerCase() === 'host') return 'Host is set by hostHeader';
  return isFramingHeader(value) ? 'Fermat writes this field itself' : null;
});
const fieldValue = text('printable characters, no line breaks, no blanks around them', (value) =>
  isFieldValue(value) ? null : 'not a header value',
);
function headerEdits(whose: string) {
  return z
    .strictObject({
      set: z.record(z.string(), fieldValue).default({}).describe('Name: value; replaces what is there'),
      remove: z.array(fieldName).default([]).describe('Names of fields to drop'),
    })
    .prefault({})
    .describe(`Changes to the ${whose} header`);
}

const HOST_HEADER = ['preserve', 'endpoint'] as const;

const hostHeader = text('preserve, endpoint or the host to send', (value) => {
  if ((HOST_HEADER as readonly string[]).includes(value)) return null;
  // A slip in a keyword is a valid host name, so it would be sent as one.
  const near = value.includes('.') || value.includes(':') ? null : didYouMean(value, HOST_HEADER);
  if (near !== null) return `neither a keyword nor likely a host (did you mean ${near}?)`;
  return isAuthority(value) ? null : 'not a host';
});

const respond = z
  .strictObject({
    status: whole(200, 599),
    body: z.string().default(''),
    location: text('a URL; $host and $uri in braces stand for the request’s', (value) => {
      const rest = value.replace(/\$\{(?:host|uri)\}/g, '');
      if (/\$\{/.test(rest)) return 'an unknown variable';
      return value !== '' && /^[\x21-\x7e]*$/.test(value) ? null : 'not a URL';
    })
      .nullable()
      .default(null)
      .describe('With 301, 302, 307, 308; $host and $uri in braces are the request’s'),
  })
  .describe('Answers by itself, instead of a pool');

export const route = z.strictObject({
  name: name('a name for the route').optional().describe('Default: host+path'),
  host: text('a host name, *.suffix or an address, without a port', (value) =>
    routeHost(value) ? null : 'not a host to match',
  )
    .nullable()
    .default(null)
    .describe('Exact, or *.suffix; null = any'),
  path: text('a path that begins with / (or =/ for equality)', (value) => {
    if (/^=?\/[\x21-\x7e]*$/.test(value) && !/[?#]/.test(value)) return null;
    return /^=?\/[^?#\x00-\x1f\x7f]*$/.test(value)
      ? 'a character that has to be encoded, as in /caf%C3%A9'
      : 'not a path to match';
  })
    .default('/')
    .describe('Prefix on a segment boundary; "=/exact" for equality'),
  listener: name('the name of a listener').nullable().default(null).describe('Only on this listener'),
  pool: name('the name of a pool').optional().describe('Where requests go'),
  mode: z
    .enum(['forward', 'redirect'])
    .default('forward')
    .describe('redirect = 307 to the chosen endpoint, ranked from the client’s place'),
  stripPrefix: z.boolean().default(false),
  hostHeader: hostHeader
    .default('preserve')
    .describe('preserve = the client’s, endpoint = the endpoint’s own, else as written'),
  requestHeaders: headerEdits('request'),
  responseHeaders: headerEdits('response'),
  serverTiming: z
    .boolean()
    .default(false)
    .describe('Adds Server-Timing, X-Fermat-Endpoint and X-Fermat-Attempts to responses'),
  priority: z
    .enum(PRIORITIES)
    .default('normal')
    .describe('Under overload low routes are turned away first, high ones last'),
  residency: z
    .array(residence)
    .default([])
    .describe('Only endpoints in one of these countries or regions; none is a 503, never an endpoint outside'),
  overlay: z
    .enum(OVERLAY_MODES)
    .default('off')
    .describe(
      'Requests may go over another edge: off, failover = where the direct path is down, fastest = where it is better',
    ),
  compress: z
    .array(z.enum(COMPRESS_CODINGS))
    .default([])
    .describe('Codings for clients that accept them, in this order of preference, e.g. [zstd, br, gzip]; [] = off'),
  rateLimit,
  locality,
  respond: respond.optional(),
});
