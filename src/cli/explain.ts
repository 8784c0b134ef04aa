// `explain`: why a request of this client would go where it goes. The node answers with every term of every candidate;
// here it only becomes a table.

import type { CandidateView, Explanation } from '../control/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { EXIT, type ExitCode, print, printJson } from './exit.ts';
import { type Column, msText, roomOf, type Style, styled, tableOf } from './table.ts';

export interface ExplainFlags extends AdminFlags {
  readonly client: string;
  readonly host?: string;
  readonly path: string;
  readonly method: string;
  readonly key?: string;
}

const ROLE_STYLES: Readonly<Record<CandidateView['role'], Style>> = { band: 'green', overflow: 'yellow', out: 'dim' };

const COLUMNS: readonly Column<CandidateView & { readonly isChosen: boolean }>[] = [
  { title: '', of: (c) => (c.isChosen ? '→' : ''), style: () => 'green' },
  { title: 'ENDPOINT', of: (c) => c.id, least: 12 },
  { title: 'REGION', of: (c) => c.region ?? '', rank: 3 },
  { title: 'STATE', of: (c) => c.state, style: (c) => (c.healthy ? 'green' : 'red') },
  { title: 'KM', of: (c) => (c.distanceKm === null ? '-' : String(Math.round(c.distanceKm))), isNumber: true, rank: 7 },
  { title: 'PRIOR ms', of: (c) => msText(c.priorMs), isNumber: true, rank: 8 },
  // As it was ranked, so that the row adds up; where it was not, as measured.
  { title: 'NETWORK ms', of: (c) => msText(c.terms?.networkMs ?? c.networkMs), isNumber: true, rank: 2 },
  { title: 'SERVER ms', of: (c) => msText(c.terms?.serverMs ?? c.serverMs), isNumber: true, rank: 5 },
  { title: 'WAITING ms', of: (c) => partText(c.terms?.queueMs), isNumber: true, rank: 9 },
  { title: 'IN FLIGHT', of: (c) => String(c.inflight), isNumber: true, rank: 6 },
  { title: 'ERRORS', of: (c) => `${(c.errorRatio * 100).toFixed(1)} %`, isNumber: true, rank: 4 },
  { title: 'ERRORS ms', of: (c) => partText(c.terms?.errorsMs), isNumber: true, rank: 9 },
  { title: 'COST ms', of: (c) => partText(c.costMs), isNumber: true, rank: 9 },
  { title: 'HOLD-OFF ms', of: (c) => partText(c.terms?.holdOffMs), isNumber: true, rank: 9 },
  { title: 'SCORE ms', of: (c) => msText(c.scoreMs), isNumber: true },
  { title: 'ROLE', of: (c) => c.role, style: (c) => ROLE_STYLES[c.role] },
  { title: 'SHARE', of: (c) => `${(c.share * 100).toFixed(1)} %`, isNumber: true, rank: 1 },
  { title: 'WHY', of: (c) => c.why, style: () => 'dim', rank: 10, least: 16 },
];

/** Nothing where it adds nothing, so that a column without any is not shown. */
function partText(ms: number | undefined): string {
  return ms === undefined || ms === 0 ? '' : msText(ms);
}

/** Failed, too, when the request would find no endpoint: then scripts need not read the table. */
export async function explain(flags: ExplainFlags): Promise<ExitCode> {
  const query = new URLSearchParams({ client: flags.client, path: flags.path, method: flags.method });
  if (flags.host !== undefined) query.set('host', flags.host);
  if (flags.key !== undefined) query.set('key', flags.key);
  const answer = await (await AdminClient.open(flags)).get<Explanation>(`/api/v1/explain?${query}`);
  if (flags.json) printJson(answer);
  else for (const line of linesOf(answer)) print(line);
  return answer.pool !== null && answer.chosen === null ? EXIT.FAILED : EXIT.OK;
}

function placeLine({ key, place, mode, directory }: NonNullable<Explanation['locality']>): string {
  return `data    ${key ?? '(no key)'} is ${place === null ? 'nowhere' : `at ${place}`} by directory ${directory}, ${mode}`;
}

function linesOf({
  route,
  pool,
  policy,
  residency,
  locality,
  cohort,
  candidates,
  chosen,
  note,
}: Explanation): string[] {
  const place = [cohort.city, cohort.country].filter((part) => part !== null).join(', ');
  const coordinates = cohort.lat === null || cohort.lon === null ? '' : ` (${cohort.lat}, ${cohort.lon})`;
  const lines = [
    `route   ${styled('bold', route)}`,
    `pool    ${pool === null ? 'none' : `${pool}, ${policy}`}`,
    `cohort  ${cohort.key}${place === '' ? '' : `  ${place}${coordinates}`}`,
  ];
  if (locality !== undefined) lines.push(placeLine(locality));
  if (residency.length > 0) lines.push(`inside  ${residency.join(', ')}: nobody else is a candidate`);
  if (note !== null) lines.push(`note    ${note}`);
  if (candidates.length > 0) {
    lines.push(
      '',
      ...tableOf(
        COLUMNS,
        candidates.map((c) => ({ ...c, isChosen: c.id === chosen })),
        roomOf(),
      ),
    );
  }
  if (pool !== null)
    lines.push('', chosen === null ? styled('red', 'no endpoint') : `chosen  ${styled('green', chosen)}`);
  return lines;
}
