// `decisions`: what the running node decided lately, and why. For people a table; for a file, or with --json, one record a
// line, which is what `fermat replay` reads.

import { setTimeout as wait } from 'node:timers/promises';
import type { DecisionRecord } from '../control/decisions.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { EXIT, type ExitCode, print } from './exit.ts';
import { type Column, msText, roomOf, tableOf } from './table.ts';

export interface DecisionsFlags extends AdminFlags {
  readonly follow: boolean;
  readonly limit?: number;
  readonly pool?: string;
  readonly endpoint?: string;
}

const EVERY_MS = 1000;
const MOST = 1024;
/** For the eye. */
const FEW = 20;
/** A decision is printed when its outcome is known, or after this long without. */
const PATIENCE_MS = 10_000;
const REMEMBERED = 16_384;

const COLUMNS: readonly Column<DecisionRecord>[] = [
  { title: 'AT', of: ({ at }) => at.slice(11, 23) },
  { title: 'POOL', of: ({ pool }) => pool, rank: 6 },
  { title: 'COHORT', of: ({ cohort }) => cohort, rank: 5 },
  { title: 'ENDPOINT', of: ({ endpoint }) => endpoint, style: () => 'green' },
  { title: 'WHY', of: ({ reason }) => reason, rank: 2 },
  { title: 'P', of: ({ propensity }) => propensity.toFixed(3), isNumber: true, rank: 8 },
  { title: 'PREDICTED ms', of: ({ predictedMs }) => msText(predictedMs), isNumber: true, rank: 4 },
  { title: 'BEST', of: ({ best, endpoint }) => (best === endpoint ? '' : best), rank: 7 },
  { title: 'REGRET ms', of: ({ regretMs }) => (regretMs === 0 ? '' : msText(regretMs)), isNumber: true, rank: 3 },
  { title: 'OUTCOME', of: ({ outcome, status }) => (status === null ? outcome : `${outcome} ${status}`) },
  { title: 'FIRST BYTE ms', of: ({ firstByteMs }) => msText(firstByteMs), isNumber: true, rank: 1 },
];

export async function decisions(flags: DecisionsFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const isTable = !flags.json && process.stdout.isTTY && !flags.follow;
  const query = new URLSearchParams({ limit: String(flags.limit ?? (isTable ? FEW : MOST)) });
  if (flags.pool !== undefined) query.set('pool', flags.pool);
  if (flags.endpoint !== undefined) query.set('endpoint', flags.endpoint);
  const path = `/api/v1/decisions?${query}`;
  const first = await client.get<DecisionRecord[]>(path);
  if (isTable) {
    for (const line of tableOf(COLUMNS, first, roomOf())) print(line);
    return EXIT.OK;
  }
  if (!flags.follow) {
    for (const record of first.reverse()) print(JSON.stringify(record));
    return EXIT.OK;
  }
  const printed = new Set<string>();
  for (let records = first; ; records = await client.get<DecisionRecord[]>(path)) {
    for (const record of records.reverse()) {
      const isDue = record.outcome !== 'pending' || Date.now() - Date.parse(record.at) > PATIENCE_MS;
      if (!isDue || printed.has(record.id)) continue;
      printed.add(record.id);
      print(JSON.stringify(record));
    }
    for (const id of printed) {
      if (printed.size <= REMEMBERED) break;
      printed.delete(id);
    }
    await wait(EVERY_MS);
  }
}
