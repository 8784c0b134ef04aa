// The Helm chart, rendered for values, or refused.

import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { helm } from './helm.ts';
import type { Manifest } from './kubernetes-models.ts';

export const CHART = join(import.meta.dirname, '../../deploy/helm/fermat');

/** What a release `edge` in the namespace `edge` would be. Throws with Helm's words when the values are refused. */
export function render(...args: readonly string[]): Manifest[] {
  const { code, stdout, stderr } = helm('template', 'edge', CHART, '--namespace', 'edge', ...args);
  if (code !== 0) throw new Error(stderr);
  return manifestsOf(stdout);
}

/** With `KEY=VALUE` each. */
export const renderWith = (...set: readonly string[]): Manifest[] => render(...flagsOf(set));

/** Why Helm refuses these values; without `Error` when it does not. */
export const refusal = (...set: readonly string[]): string => helm('template', 'edge', CHART, ...flagsOf(set)).stderr;

export function manifestsOf(text: string): Manifest[] {
  const documents = parseAllDocuments(text).map((document) => document.toJS() as Manifest | null);
  return documents.filter((document) => document !== null);
}

const flagsOf = (set: readonly string[]) => set.flatMap((one) => ['--set', one]);
