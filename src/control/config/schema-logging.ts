// What is written of the node and of requests: the part of the schema for logs. Where events go and how loud they are; the access
// log's form, place, and what stays out of it. docs/logs.md explains.

import { z } from 'zod';
import { LOG_LEVELS } from './config.ts';
import { duration, number, text } from './leaf.ts';
import { file } from './schema-common.ts';
import { isToken, parseDuration } from './values.ts';

/** Parameters that are a key to something by their usual meaning. */
const SECRET_PARAMETERS = [
  ...['token', 'access_token', 'id_token', 'refresh_token', 'auth', 'auth_token', 'jwt', 'sid', 'session', 'sessionid'],
  ...['access-token', 'authorization', 'bearer', 'otp', 'ticket', 'jsessionid', 'phpsessid', 'samlresponse'],
  ...[
    'key',
    'apikey',
    'api_key',
    'api-key',
    'access_key',
    'secret',
    'client_secret',
    'password',
    'passwd',
    'pass',
    'pwd',
  ],
  ...['x-api-key', 'private_key', 'passphrase', 'client_assertion', 'awsaccesskeyid', 'googleaccessid'],
  ...['signature', 'sig', 'hmac', 'x-amz-signature', 'x-amz-credential', 'x-amz-security-token'],
  ...['x-goog-signature', 'x-goog-credential'],
];
const SECRET_FIELDS = [
  ...['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-auth-token'],
  ...['x-amz-security-token', 'x-csrf-token', 'x-forwarded-client-cert'],
];
/** A line tells no more fields than that. */
const MOST_FIELDS = 32;

const fieldName = text('the name of a field, such as x-tenant', (value) =>
  isToken(value) ? null : 'not the name of a field',
);

const parameter = text('the name of a query parameter', (value) =>
  /^[^\x00-\x20\x7f&;=]{1,63}$/.test(value) ? null : 'not the name of a parameter',
);

const accessLog = z
  .strictObject({
    file: file
      .nullable()
      .default(null)
      .describe('Appended to, created 0640, opened anew at every reload (SIGHUP); null = stdout'),
    sample: number(0, 1).default(1).describe('Part of the requests that is written'),
    sampleErrors: z
      .boolean()
      .default(false)
      .describe('Whether statuses from 500 and answers that were cut are sampled too; else all of them are written'),
    slow: duration().nullable().default(null).describe('What takes longer is written whatever `sample` says'),
    headers: z.array(fieldName).max(MOST_FIELDS).default([]).describe('Request fields that JSON lines tell besides'),
    redact: z
      .strictObject({
        query: z.array(parameter).default(SECRET_PARAMETERS).describe('Parameters whose values are written as ***'),
        headers: z.array(fieldName).default(SECRET_FIELDS).describe('Fields of `headers` whose values are'),
      })
      .prefault({})
      .describe('What stays out; a list of your own stands in place of the default one'),
  })
  .prefault({})
  .describe('Of the access log: where, which, what');

export const logging = z
  .strictObject({
    level: z.enum(LOG_LEVELS).default('info').describe('Of the events on stderr'),
    access: z.enum(['off', 'json', 'combined']).default('off').describe('One line a request'),
    accessLog,
  })
  .prefault({})
  .describe('What is written');

export type FileLogging = z.output<typeof logging>;

/** The access log's part of the Config. `base`: where relative paths start. */
export function accessLogOf({ accessLog: given }: FileLogging, resolved: string | null) {
  const lower = (names: readonly string[]): string[] => [...new Set(names.map((name) => name.toLowerCase()))];
  return {
    file: resolved,
    sample: given.sample,
    sampleErrors: given.sampleErrors,
    slowMs: given.slow === null ? null : parseDuration(given.slow)!,
    headers: lower(given.headers),
    redactQuery: lower(given.redact.query),
    redactHeaders: lower(given.redact.headers),
  };
}

export type AccessLogConfig = ReturnType<typeof accessLogOf>;
