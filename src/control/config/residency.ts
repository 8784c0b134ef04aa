// Where an endpoint is, as residency rules ask: by the name of its region and by country. Known is what is sure: a region
// of the catalogue has a country, coordinates have none, and an address has the one GeoIP gives it. Whoever is nowhere is
// never inside. One rule for `validate`, which has no GeoIP, and for the registry, which has.

import { isIP } from 'node:net';
import { findRegion } from '../../../geoip/regions.ts';
import { compileCidrs } from '../../core/ip.ts';

/** What of an endpoint tells where it is. */
export interface Placed {
  readonly region: string | null;
  /** A place on the map is given, by itself or by the region. */
  readonly hasLocation: boolean;
  /** Name or address it is reached at. */
  readonly host: string;
}

/** Blocks that stand for no place: bundled databases hold none of them. */
const PRIVATE = compileCidrs([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]);

/** No region and no coordinates were given, but an address. */
export function isPlacedByGeo({ location, host }: { readonly location: unknown; readonly host: string }): boolean {
  return location === null && isIP(host) !== 0;
}

/** Whether one of the countries and region names holds the endpoint. `countryOf`: by GeoIP, null = unknown. */
export function isInside(
  endpoint: Placed,
  residency: readonly string[],
  countryOf: (ip: string) => string | null,
): boolean {
  const { region, hasLocation, host } = endpoint;
  if (region !== null) {
    const country = findRegion(region)?.country ?? null;
    return residency.includes(region) || (country !== null && residency.includes(country));
  }
  if (hasLocation || isIP(host) === 0) return false;
  const country = countryOf(host);
  return country !== null && residency.includes(country);
}

/** GeoIP alone can tell where it is, and may be able to. `hasOwnDatabases`: those of an operator may know private networks. */
export function mayBeAnywhere({ region, hasLocation, host }: Placed, hasOwnDatabases: boolean): boolean {
  return region === null && !hasLocation && isIP(host) !== 0 && (hasOwnDatabases || !PRIVATE.has(host));
}

/** The same set in the same words: sorted, each once. */
export function residencyOf(written: readonly string[]): readonly string[] {
  return [...new Set(written)].sort();
}
