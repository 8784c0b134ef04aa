// `evacuate`: what would happen if a region were drained, from recorded decisions that the node decides again without it. Shows
// the load of the regions that remain and what clients of each country would wait; --apply drains, endpoint by endpoint.

import type { Evacuation } from '../control/evacuation/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { CliError, complain, EXIT, type ExitCode, print, printJson } from './exit.ts';
import { type Column, msText, plain, roomOf, styled, tableOf } from './table.ts';

export interface EvacuateFlags extends AdminFlags {
  readonly endpoint: readonly string[];
  readonly pool?: string;
  readonly apply: boolean;
}

type PoolLoad = Evacuation['pools'][number];
type RegionLoad = PoolLoad['regions'][number];
type CountryWait = Evacuation['countries'][number];

export async function evacuate(regions: readonly string[], flags: EvacuateFlags): Promise<ExitCode> {
  if (regions.length + flags.endpoint.length === 0) throw new CliError('name a region, or --endpoint ID', EXIT.USAGE);
  const query = new URLSearchParams([
    ...regions.map((region) => ['region', region] as [string, string]),
    ...flags.endpoint.map((id) => ['endpoint', id] as [string, string]),
    ...(flags.pool === undefined ? [] : ([['pool', flags.pool]] as [string, string][])),
  ]);
  const client = await AdminClient.open(flags);
  const preview = await client.get<Evacuation>(`/api/v1/evacuation?${query}`);
  if (!flags.json) for (const line of linesOf(preview)) print(line);
  const failed = flags.apply ? await drained(client, preview.removed) : [];
  if (flags.json) printJson({ ...preview, applied: flags.apply, failed });
  else for (const line of endOf(preview, flags, failed)) print(line);
  for (const { id, message } of failed) complain(`${id}: not drained: ${message}`);
  return failed.length > 0 || preview.pools.some(({ unserved }) => unserved > 0) ? EXIT.FAILED : EXIT.OK;
}

interface Failed {
  readonly id: string;
  readonly message: string;
}

async function drained(client: AdminClient, ids: readonly string[]): Promise<Failed[]> {
  const failed: Failed[] = [];
  for (const id of ids) {
    try {
      await client.post(`/api/v1/endpoints/${encodeURIComponent(id)}/drain`);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      failed.push({ id, message: error.message });
    }
  }
  return failed;
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const rate = (perSecond: number) => perSecond.toFixed(1);
const isOver = ({ then, capacity }: RegionLoad) => capacity !== null && then.requestsPerSecond > capacity;

const REGIONS: readonly Column<RegionLoad>[] = [
  { title: 'REGION', of: ({ region }) => region ?? 'unknown' },
  { title: 'SHARE NOW', of: ({ now }) => percent(now.share), isNumber: true },
  { title: 'THEN', of: ({ then }) => percent(then.share), isNumber: true },
  { title: 'REQ/S NOW', of: ({ now }) => rate(now.requestsPerSecond), isNumber: true, rank: 2 },
  {
    title: 'THEN',
    of: ({ then }) => rate(then.requestsPerSecond),
    isNumber: true,
    style: (load) => (isOver(load) ? 'red' : null),
  },
  { title: 'CAPACITY', of: ({ capacity }) => (capacity === null ? '' : rate(capacity)), isNumber: true, rank: 1 },
];

const COUNTRIES: readonly Column<CountryWait>[] = [
  { title: 'COUNTRY', of: ({ country }) => country ?? 'unknown' },
  { title: 'DECISIONS', of: ({ requests }) => String(requests), isNumber: true, rank: 1 },
  { title: 'p50 ms NOW', of: ({ now }) => msText(now.p50Ms), isNumber: true },
  { title: 'THEN', of: ({ then }) => msText(then.p50Ms), isNumber: true },
  { title: 'p99 ms NOW', of: ({ now }) => msText(now.p99Ms), isNumber: true },
  { title: 'THEN', of: ({ then }) => msText(then.p99Ms), isNumber: true },
];

function linesOf({ removed, decisions, sinceIso, note, pools, countries }: Evacuation): string[] {
  return [
    `without ${styled('bold', plain(removed.join(', ')))}`,
    `from ${decisions} recorded decisions${sinceIso === null ? '' : ` since ${sinceIso}`}`,
    ...(note === null ? [] : [styled('yellow', plain(note))]),
    ...pools.flatMap((load) => ['', ...poolLines(load)]),
    ...(countries.length === 0 ? [] : ['', ...tableOf(COUNTRIES, countries, roomOf())]),
  ];
}

function poolLines({ pool, requestsPerSecond, unserved, regions }: PoolLoad): string[] {
  const lost = unserved > 0 ? styled('red', `  ·  ${percent(unserved)} would have nowhere to go`) : '';
  const over = regions.filter(isOver).map(({ region }) => region ?? 'unknown');
  return [
    `pool ${styled('bold', plain(pool))}  ${rate(requestsPerSecond)} req/s${lost}`,
    ...tableOf(REGIONS, regions, roomOf()),
    ...(over.length === 0 ? [] : [styled('red', `beyond its capacity: ${plain(over.join(', '))}`)]),
  ];
}

function endOf({ removed }: Evacuation, { apply }: EvacuateFlags, failed: readonly Failed[]): string[] {
  if (!apply) return ['', 'nothing was changed; --apply drains, fermat enable ID takes back'];
  return ['', `${removed.length - failed.length} of ${removed.length} drained; fermat enable ID takes back`];
}
