// bench/results/load.json: a section a scenario, each with its own date, commit, machine and command, so that a run of a few
// scenarios replaces these and leaves the others as they were. readme.ts reads it.

import { readFileSync } from 'node:fs';
import type { Demand } from '../support/load.ts';
import type { Machine } from '../support/machine.ts';
import { writeCompact } from '../support/report.ts';
import type { Scenario } from './scenarios.ts';
import type { Summary } from './summary.ts';
import type { Window } from './windows.ts';

export interface Section {
  readonly title: string;
  readonly group: Scenario['group'];
  readonly per: Scenario['per'];
  readonly at: string;
  readonly command: string;
  readonly machine: Machine & { readonly loadAverageAfter: number };
  readonly generator: { readonly name: string; readonly version: string | null };
  readonly demand: Demand;
  readonly seconds: number;
  readonly rounds: number;
  /** By peer. */
  readonly versions: Readonly<Record<string, string | null>>;
  /** By entrant: what the handshake agreed on. TLS only. */
  readonly ciphers?: Readonly<Record<string, string>>;
  /** By entrant: why it has no figures. */
  readonly absent: Readonly<Record<string, string>>;
  readonly summary: readonly Summary[];
  readonly windows: readonly Window[];
}

export type Sections = Readonly<Record<string, Section>>;

const FILE = new URL('../results/load.json', import.meta.url);

/** Nothing measured yet = no sections. */
export function readSections(): Sections {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')).scenarios ?? {};
  } catch {
    return {};
  }
}

/** Gives the path. */
export function mergeSections(fresh: Sections): string {
  return writeCompact('load', { scenarios: { ...readSections(), ...fresh } });
}
