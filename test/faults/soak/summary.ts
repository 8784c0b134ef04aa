// What a soak found, kept in bench/results/soak.json and told in docs/faults.md.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { machineOf } from '../../../bench/support/machine.ts';
import { writeResult } from '../../../bench/support/report.ts';

const RESULTS = fileURLToPath(new URL('../../../bench/results/soak.json', import.meta.url));

export interface Check {
  readonly name: string;
  readonly start: string;
  readonly end: string;
  readonly expected: string;
  readonly isHeld: boolean;
}

export interface SoakSummary {
  readonly minutes: number;
  readonly checks: readonly Check[];
  /** How often each came. */
  readonly faults: Readonly<Record<string, number>>;
  /** `216752 (200: 216412, 502: 46, …)`: what became of plain requests. */
  readonly plain: string;
  /** The same of everything else, kind by kind. */
  readonly others: string;
}

interface Kept extends SoakSummary {
  /** ISO 8601. */
  readonly at: string;
  readonly commit: string;
}

/** Gives the path. */
export function keepSoak(summary: SoakSummary): string {
  return writeResult('soak', { ...summary, at: new Date().toISOString(), commit: machineOf().commit } satisfies Kept);
}

/** A section of the document; '' before the first soak. */
export function soakSection(): string {
  const kept = read();
  if (kept === null) return '';
  const { minutes, checks, faults, plain, others, at, commit } = kept;
  const lines = checks.map((check) => {
    const cells = [check.name, check.start, check.end, check.expected, check.isHeld ? 'holds' : '**missed**'];
    return `| ${cells.join(' | ')} |`;
  });
  const kinds = Object.entries(faults).map(([name, n]) => `${name} ${n}`);
  return [
    '## Soak',
    `\`npm run soak -- --minutes ${minutes}\`, ${at.slice(0, 16)}Z, commit ${commit}. Faults: ${kinds.join(', ')}. ` +
      `Plain requests: ${plain}. Others: ${others}.`,
    ['| | start | end | expected | |', '|---|---|---|---|---|', ...lines].join('\n'),
  ].join('\n\n');
}

function read(): Kept | null {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8'));
  } catch {
    return null;
  }
}
