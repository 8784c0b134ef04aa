// The named places of clouds: `aws:eu-central-1` and where that is. The catalogue (tal66/cloud-regions, MIT) has names
// and coordinates; it has no countries, which residency rules need, so these are told from the names here.
// Not here: measured round trips between regions (latency.ts), places of addresses (reader.ts).

import { distanceKm } from '../src/core/geo.ts';
import catalogue from './data/regions/regions.json' with { type: 'json' };

export interface Region {
  /** `provider:region`, as configurations write it. */
  readonly name: string;
  readonly latDeg: number;
  readonly lonDeg: number;
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
  /** For people: `Europe (Frankfurt)`. */
  readonly label: string;
}

/** Words in the catalogue's names, the first that fits decides; every region of the catalogue has one (tested). */
const COUNTRY_WORDS: readonly (readonly [country: string, ...words: string[]])[] = [
  // Before the others: "Brazil US" is a Microsoft region in Brazil, and "Southeast Asia" is Singapore.
  ['BR', 'Brazil', 'Sao Paulo'],
  ['SG', 'Singapore', 'Southeast Asia'],
  ['HK', 'Hong Kong', 'East Asia'],
  ['US', 'US', 'Iowa', 'South Carolina', 'Virginia', 'Ohio', 'Texas', 'Oregon', 'California', 'Utah', 'Nevada'],
  ['ZA', 'South Africa', 'Cape Town', 'Johannesburg'],
  ['TW', 'Taiwan'],
  ['JP', 'Japan', 'Tokyo', 'Osaka'],
  ['KR', 'Korea', 'Seoul'],
  ['IN', 'India', 'Mumbai', 'Hyderabad'],
  ['AU', 'Australia', 'Sydney', 'Melbourne'],
  ['NZ', 'New Zealand'],
  ['ID', 'Indonesia', 'Jakarta'],
  ['MY', 'Malaysia'],
  ['TH', 'Thailand'],
  ['CN', 'China'],
  ['CA', 'Canada', 'Québec', 'Ontario'],
  ['MX', 'Mexico'],
  ['CL', 'Chile'],
  ['DE', 'Germany', 'Frankfurt'],
  ['CH', 'Switzerland', 'Zurich'],
  ['SE', 'Sweden', 'Stockholm'],
  ['NO', 'Norway'],
  ['FI', 'Finland'],
  ['IT', 'Italy', 'Milan'],
  ['ES', 'Spain'],
  ['IE', 'Ireland', 'North Europe'],
  ['GB', 'England', 'London', 'UK'],
  ['FR', 'France', 'Paris'],
  ['PL', 'Poland'],
  ['BE', 'Belgium'],
  ['NL', 'Netherlands', 'West Europe'],
  ['IL', 'Israel'],
  ['AE', 'UAE'],
  ['BH', 'Bahrain'],
  ['QA', 'Qatar'],
  ['SA', 'Saudi Arabia'],
];

const regions: ReadonlyMap<string, Region> = new Map(
  catalogue.regions.map((entry) => {
    const name = `${entry.provider}:${entry.region}`;
    return [
      name,
      { name, latDeg: entry.lat, lonDeg: entry.lon, country: countryOf(entry.name), label: labelOf(entry.name) },
    ];
  }),
);

/** null when the catalogue has no such name; exact spelling, `aws:eu-central-1`. O(1), never throws. */
export function findRegion(name: string): Region | null {
  return regions.get(name) ?? null;
}

/** Every name of the catalogue, in its order: aws, gcp, azure. */
export function regionNames(): readonly string[] {
  return [...regions.keys()];
}

/** The region nearest to a place; of one provider if given. null for a provider that has none, or no finite place. */
export function nearestRegion(latDeg: number, lonDeg: number, provider?: string): Region | null {
  let nearest: Region | null = null;
  let nearestKm = Number.POSITIVE_INFINITY;
  for (const region of regions.values()) {
    if (provider !== undefined && !region.name.startsWith(`${provider}:`)) continue;
    const km = distanceKm({ latDeg, lonDeg }, region);
    if (km < nearestKm) [nearest, nearestKm] = [region, km];
  }
  return nearest;
}

function countryOf(name: string): string | null {
  for (const [country, ...words] of COUNTRY_WORDS) {
    if (words.some((word) => name.includes(word))) return country;
  }
  return null;
}

/** Azure's names say their geography twice: `(Europe) West Europe`. */
function labelOf(name: string): string {
  return name.replace(/^\([^)]*\) /, '');
}
