// From what a source tells to endpoints: held against the same schema as typed ones, with the defaults of the source where it is
// silent. A bad entry is left out and named; it takes nobody with it.

import { isIP } from 'node:net';
import { compileCidrs } from '../../core/ip.ts';
import { endpointOf } from '../config/build.ts';
import type { EndpointConfig } from '../config/config.ts';
import { pathText, problemsOf } from '../config/problems.ts';
import { endpoint as schema } from '../config/schema-pool.ts';
import type { Entry } from './source.ts';
import type { DiscoverSpec } from './spec.ts';

/** Of one source; what is beyond is left out, and said. */
export const MAX_FOUND = 1000;
/**
 * What whoever has no more than the token of a pool may not have requests sent to, unless `networks` says so: addresses that mean
 * this machine or link, or many, among them those at which clouds give out credentials. A name may lead anywhere: only `networks`
 * bounds that.
 */
const NOBODYS = compileCidrs([
  ...['0.0.0.0/8', '169.254.0.0/16', '100.100.100.200/32', '192.0.0.192/32', '224.0.0.0/3'],
  ...['::/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::254/128', 'fd20:ce::254/128'],
]);
/** Named in one go; who has more has one mistake, made often. */
const MAX_NAMED = 20;

export interface FoundEndpoint extends EndpointConfig {
  /** Entry.tier. */
  readonly tier: number;
}

export interface Judged {
  /** Each URL once, in the order of their ids, so that edges that ask at other moments agree. */
  readonly endpoints: readonly FoundEndpoint[];
  /** `AT: KEY: what, expected …`, one a line. */
  readonly problems: readonly string[];
}

export function judge(entries: readonly Entry[], spec: DiscoverSpec): Judged {
  const byUrl = new Map<string, FoundEndpoint>();
  const problems: string[] = [];
  const networks = spec.from.kind === 'registry' ? spec.from.networks : [];
  const inside = networks.length === 0 ? null : compileCidrs([...networks]);
  for (const { at, endpoint, tier = 0 } of entries) {
    const parsed = schema.safeParse(withDefaults(endpoint, spec), { reportInput: true });
    if (!parsed.success) {
      const [first] = problemsOf(parsed.error.issues, () => Object.keys(schema.shape));
      problems.push(`${at}: ${pathText(first!.path)}: ${first!.what}, expected ${first!.expected}`);
      continue;
    }
    const found = endpointOf(parsed.data);
    if (found.socketPath !== null && spec.from.kind !== 'directory') {
      problems.push(`${at}: url: a socket of this machine, expected http://host:port`);
    } else if (spec.from.kind === 'registry' && inside === null && NOBODYS.has(found.host)) {
      problems.push(`${at}: url: ${found.host} is not taken unless the networks of the registry hold it`);
    } else if (inside !== null && (isIP(found.host) === 0 || !inside.has(found.host))) {
      problems.push(`${at}: url: ${found.host} is not inside ${networks.join(', ')}`);
    } else if (!byUrl.has(found.url)) {
      byUrl.set(found.url, { ...found, tier });
    }
  }
  const endpoints = [...byUrl.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  if (endpoints.length > MAX_FOUND)
    problems.push(`${endpoints.length - MAX_FOUND} more than the ${MAX_FOUND} that are taken`);
  const rest = problems.length - MAX_NAMED;
  return {
    endpoints: endpoints.slice(0, MAX_FOUND),
    problems: rest > 0 ? [...problems.slice(0, MAX_NAMED), `and ${rest} more`] : problems,
  };
}

/** Keys that an entry leaves out, or has empty, are those of the source. */
function withDefaults(endpoint: Entry['endpoint'], { defaults }: DiscoverSpec): Record<string, unknown> {
  const { region, location, weight, capacity, egressUsdPerGb, labels } = defaults;
  const said = Object.fromEntries(
    Object.entries(endpoint).filter(([, value]) => value !== undefined && value !== null),
  );
  const isPlaced = said.region !== undefined || said.location !== undefined;
  return {
    weight,
    capacity,
    egressUsdPerGb,
    ...(isPlaced || region === null ? {} : { region }),
    ...(isPlaced || location === null ? {} : { location: { lat: location.latDeg, lon: location.lonDeg } }),
    ...said,
    labels: isMapping(said.labels) ? { ...labels, ...said.labels } : (said.labels ?? labels),
  };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
