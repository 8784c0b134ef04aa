// How single values are written: durations, sizes, addresses, URLs of endpoints, header fields. Each parser gives null for
// what it does not take and never throws; what to tell the user is schema.ts's business. WHATWG's URL is not used for
// endpoints: it repairs what it reads (`http:\host`, `0x7f.1`, tabs), and nothing ambiguous is repaired here.

import { canonicalIp } from '../../core/ip.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
/** A week: timers beyond 2^31 ms fire at once, and nothing here means to wait that long. */
export const MAX_DURATION_MS = 7 * 24 * 3_600_000;

/** ms. `250ms`, `2s`, `1.5m`, `1h`; a bare 0 needs no unit. */
export function parseDuration(value: unknown): number | null {
  if (value === 0) return 0;
  if (typeof value !== 'string') return null;
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h)$/.exec(value);
  if (match === null) return null;
  const ms = Number(match[1]) * UNIT_MS[match[2]!]!;
  return ms <= MAX_DURATION_MS ? ms : null;
}

/** Whether it is refused for its length only. */
export function isTooLong(duration: string): boolean {
  return parseDuration(duration) === null && /^\d+(?:\.\d{1,6})?(ms|s|m|h)$/.test(duration);
}

/** Bytes. `8KiB`, `1MiB`, `2GiB`, `512B` or a plain number; up to 2^53. */
export function parseSize(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null;
  if (typeof value !== 'string') return null;
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(|B|KiB|MiB|GiB)$/.exec(value);
  if (match === null) return null;
  const bytes = Number(match[1]) * UNIT_BYTES[match[2]!]!;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

export interface Address {
  /** '' = all addresses. Canonical when it is an address; no brackets. */
  readonly host: string;
  readonly port: number;
}

/** `:8080`, `host:8080`, `127.0.0.1:0`, `[::1]:8080`. */
export function parseAddress(text: string): Address | null {
  const match = /^(\[[^\]]*\]|[^:[\]]*):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[2]);
  const host = match[1] === '' ? '' : hostOf(match[1]!);
  return host === null || port > 65_535 ? null : { host, port };
}

/** A name server: `10.0.0.2`, `10.0.0.2:5353`, `fd00::2`, `[fd00::2]:5353`. Gives it as c-ares reads it. */
export function parseResolver(text: string): string | null {
  const bare = canonicalIp(text.replace(/^\[(.*)\]$/, '$1'));
  if (bare !== null) return bare;
  const address = parseAddress(text);
  const ip = address === null || address.port === 0 ? null : canonicalIp(address.host);
  if (ip === null) return null;
  return ip.includes(':') ? `[${ip}]:${address!.port}` : `${ip}:${address!.port}`;
}

/** A path of a UNIX socket from `unix:/path`. sockaddr_un holds 107 bytes of it. */
export function parseUnix(text: string): string | null {
  return /^unix:\/[^\0]{1,106}$/.test(text) ? text.slice(5) : null;
}

/** A host name or address as one writes it before a port, canonical: `[::1]` → `::1`, `[::ffff:1.2.3.4]` → `1.2.3.4`. */
export function hostOf(text: string): string | null {
  // canonicalIp drops the zone, and without it a link-local address leads nowhere.
  if (text.includes('%')) return null;
  if (text.startsWith('[')) return text.includes('.') || text.includes(':') ? canonicalIp(text.slice(1, -1)) : null;
  const ip = canonicalIp(text);
  if (ip !== null) return text.includes(':') ? null : ip;
  // What looks like an address and is none (`10.0.0`, `1.2.3.256`) would be read as one by some resolvers.
  if (/(^|\.)(\d+|0x[0-9a-f]*)\.?$/i.test(text)) return null;
  return isHostName(text) ? text.toLowerCase() : null;
}

export function isHostName(text: string): boolean {
  return (
    text.length <= 253 &&
    /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i.test(text)
  );
}

export interface EndpointUrl {
  readonly scheme: 'http' | 'https' | 'h2c' | 'h2';
  readonly host: string;
  readonly port: number;
  readonly socketPath: string | null;
  /** host[:port] for the Host field, the port left out when it is the scheme's. */
  readonly authority: string;
  /** host:port, or the whole of a UNIX address. */
  readonly id: string;
  /** The URL itself, host canonical, port as it was written or left out. */
  readonly url: string;
}

const DEFAULT_PORT = { http: 80, h2c: 80, https: 443, h2: 443 } as const;

/** The address, or in words what is wrong with it. */
export function parseEndpointUrl(text: string): EndpointUrl | string {
  if (text.startsWith('unix:')) {
    const socketPath = parseUnix(text);
    if (socketPath === null) return 'not the absolute path of a socket';
    return { scheme: 'http', host: '', port: 0, socketPath, authority: 'localhost', id: text, url: text };
  }
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\\s]*)(.*)$/i.exec(text);
  if (match === null) return 'not a URL with a scheme and a host';
  const scheme = match[1]!.toLowerCase();
  if (!Object.hasOwn(DEFAULT_PORT, scheme)) return `unknown scheme ${scheme}`;
  const hostPort = match[2]!;
  if (hostPort.includes('@')) return 'user and password in the URL are not supported';
  if (match[3] !== '' && match[3] !== '/') return 'a path, query or fragment is not supported here';
  return endpointAt(scheme as EndpointUrl['scheme'], hostPort);
}

function endpointAt(scheme: EndpointUrl['scheme'], hostPort: string): EndpointUrl | string {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(hostPort);
  const host = match === null ? null : hostOf(match[1]!);
  if (match === null || host === null) return 'not a host name or address';
  const port = match[2] === undefined ? DEFAULT_PORT[scheme] : Number(match[2]);
  if (port < 1 || port > 65_535) return 'not a port';
  const name = host.includes(':') ? `[${host}]` : host;
  const authority = port === DEFAULT_PORT[scheme] ? name : `${name}:${port}`;
  const url = `${scheme}://${name}${match[2] === undefined ? '' : `:${port}`}`;
  return { scheme, host, port, socketPath: null, authority, id: `${name}:${port}`, url };
}

export interface RedisUrl {
  readonly host: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number | null;
  readonly isTls: boolean;
}

/** `redis://[[user]:password@]host[:port][/db]`, and `rediss://` for TLS; user and password percent-encoded. */
export function parseRedisUrl(text: string): RedisUrl | null {
  const match = /^(rediss?):\/\/(?:([^:@/?#\s]*)(?::([^/?#\s]*))?@)?([^@/?#\s]+)(?:\/(\d{1,5})?)?$/.exec(text);
  if (match === null) return null;
  const place = endpointAt('http', match[4]!);
  if (typeof place === 'string') return null;
  try {
    return {
      host: place.host,
      port: /:\d+$/.test(match[4]!) ? place.port : 6379,
      username: match[2] ? decodeURIComponent(match[2]) : null,
      password: match[3] ? decodeURIComponent(match[3]) : null,
      db: match[5] === undefined ? null : Number(match[5]),
      isTls: match[1] === 'rediss',
    };
  } catch {
    return null; // a stray % in what should be percent-encoded
  }
}

/** RFC 9110 section 5.6.2; also what a method is made of. */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(text);
}

/** A field value that can be sent as it stands: visible characters, blanks inside, nothing beyond latin1. RFC 9110 section 5.5. */
export function isFieldValue(text: string): boolean {
  return (
    text.length <= 8192 && /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.test(text)
  );
}

/** What Fermat writes itself, so that a rule for it would be lost or break the framing. Lower case. */
const OWNED_BY_FRAMING = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function isFramingHeader(name: string): boolean {
  return OWNED_BY_FRAMING.has(name.toLowerCase());
}

/** Inclusive; `200-399`, `204` or 204. */
export function parseStatusRange(value: unknown): readonly [number, number] | null {
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(
    typeof value === 'number' ? String(value) : typeof value === 'string' ? value : '',
  );
  if (match === null) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to ? [from, to] : null;
}

/** host or host:port, as a Host field takes it. */
export function isAuthority(value: string): boolean {
  const match = /^(\[[^\]]*\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(value);
  return match !== null && hostOf(match[1]!) !== null && Number(match[2] ?? 1) <= 65_535;
}

/** The canonical form of a route's host (`*.suffix` included), or null. */
export function routeHost(value: string): string | null {
  const isSuffix = value.startsWith('*.');
  const host = hostOf(isSuffix ? value.slice(2) : value);
  if (host === null || (isSuffix && !isHostName(host))) return null;
  const bare = host.endsWith('.') ? host.slice(0, -1) : host;
  const written = bare.includes(':') ? `[${bare}]` : bare;
  return isSuffix ? `*.${written}` : written;
}
