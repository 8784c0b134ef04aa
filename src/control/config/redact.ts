// The effective configuration as it may be shown: the form of the file, defaults filled in, secrets out. Paths of key
// files are no secrets; their contents never get into this form.

import type { Config } from './config.ts';
import type { FileRoute } from './schema.ts';

/** What stands in place of a secret. */
export const REDACTED = '***';

function hidden(secret: string | null): string | null {
  return secret === null ? null : REDACTED;
}

/** Header fields that are a key to something by their usual meaning. */
const SECRET_FIELD =
  /authorization|cookie|token|secret|passw|signature|session|jwt|client-cert|[-_]auth$|(?:api|auth|access|private|subscription|functions)[-_]?key/i;

/** Whether values of this header field are not to be shown. */
export function isSecretField(name: string): boolean {
  return SECRET_FIELD.test(name);
}

/** Plain data, fit for JSON and YAML. */
export function redact(config: Config): unknown {
  const { effective } = config;
  return {
    ...effective,
    node: { ...effective.node, id: config.node.id },
    pools: Object.fromEntries(
      Object.entries(effective.pools).map(([name, pool]) => [
        name,
        {
          ...pool,
          endpoints: pool.endpoints.map((endpoint) => ({ ...endpoint, url: withoutUserinfo(endpoint.url) })),
          discover: pool.discover.map(withoutTokens),
        },
      ]),
    ),
    routes: effective.routes.map((route) => ({
      ...route,
      requestHeaders: withoutSecretFields(route.requestHeaders),
      responseHeaders: withoutSecretFields(route.responseHeaders),
    })),
    state: { ...effective.state, redis: withoutSecrets(effective.state.redis) },
    overlay:
      effective.overlay === null
        ? null
        : {
            ...effective.overlay,
            secret: hidden(effective.overlay.secret),
            otherSecret: hidden(effective.overlay.otherSecret),
          },
    admin: { ...effective.admin, token: effective.admin.token === null ? null : REDACTED },
    tracing: {
      ...effective.tracing,
      otlp: effective.tracing.otlp === null ? null : withoutUserinfo(effective.tracing.otlp),
      headers: Object.fromEntries(Object.keys(effective.tracing.headers).map((name) => [name, REDACTED])),
    },
  };
}

function withoutSecretFields({ set, remove }: FileRoute['requestHeaders']): FileRoute['requestHeaders'] {
  const shown = ([name, value]: [string, string]) => [name, isSecretField(name) ? REDACTED : value];
  return { set: Object.fromEntries(Object.entries(set).map(shown)), remove };
}

function withoutTokens({
  consul,
  registry,
  ...rest
}: Config['effective']['pools'][string]['discover'][number]): unknown {
  return {
    ...rest,
    ...(consul === undefined ? {} : { consul: { ...consul, token: consul.token === null ? null : REDACTED } }),
    ...(registry === undefined
      ? {}
      : { registry: { ...registry, token: REDACTED, otherToken: hidden(registry.otherToken) } }),
  };
}

function withoutSecrets(redis: Config['effective']['state']['redis']): unknown {
  if (redis === null) return null;
  if (typeof redis === 'string') return withoutUserinfo(redis);
  const { url, password, sentinel } = redis;
  return {
    ...redis,
    url: url === null ? null : withoutUserinfo(url),
    password: hidden(password),
    sentinel: sentinel === null ? null : { ...sentinel, password: hidden(sentinel.password) },
  };
}

/** `redis://user:pw@host` → `redis://***@host`; also where the password itself holds an `@`. Query strings may hold secrets, too. */
export function withoutUserinfo(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, `$1${REDACTED}@`).replace(/\?.*$/, `?${REDACTED}`);
}
