// The rules for Prometheus, tried by its own tool; and that nobody who is woken up is left alone: each alert says what is wrong,
// and where to read on.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { documented, ROOT } from '../support/metrics-page.ts';

const FOLDER = join(ROOT, 'deploy/prometheus');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
const { groups } = parse(readFileSync(join(FOLDER, 'rules.yml'), 'utf8')) as {
  groups: { name: string; rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined);

function promtool(...args: string[]): { output: string; status: number | null } {
  const { stdout, stderr, status, error } = spawnSync('promtool', args, { cwd: FOLDER, encoding: 'utf8' });
  if (error) throw error;
  return { output: stdout + stderr, status };
}

describe('deploy/prometheus', () => {
  it('is silent under promtool check rules and check config', () => {
    for (const [what, file] of [
      ['rules', 'rules.yml'],
      ['config', 'prometheus.yml'],
    ] as const) {
      const { output, status } = promtool('check', what, file);
      expect(output.replace(/^\s*(Checking .*|SUCCESS: .*|)$/gm, '').trim(), file).toBe('');
      expect(status).toBe(0);
    }
  });

  it('fires each alert that is tried when it should, and not when it should not', () => {
    const { output, status } = promtool('test', 'rules', 'rules.test.yml');
    expect(output).toContain('SUCCESS');
    expect(status).toBe(0);
    const tried = readFileSync(join(FOLDER, 'rules.test.yml'), 'utf8');
    const untried = alerts.filter(({ alert }) => !tried.includes(`alertname: ${alert}`)).map(({ alert }) => alert);
    expect(untried).toEqual([]);
  });

  it('says of each alert what is wrong, how bad, and where to read on', () => {
    const runbooks = readFileSync(join(ROOT, 'docs/runbooks.md'), 'utf8');
    const headings = [...runbooks.matchAll(/^## (\w+)$/gm)].map(([, name]) => name!);
    expect(headings).toEqual(alerts.map(({ alert }) => alert));
    expect(new Set(headings).size).toBe(headings.length);
    for (const { alert, labels, annotations } of alerts) {
      expect(['critical', 'warning', 'info'], alert).toContain(labels?.severity);
      expect(annotations?.summary, alert).toMatch(/\S.{10,}/);
      expect(annotations?.description, alert).toMatch(/\.$/);
      expect(annotations?.runbook).toBe(`docs/runbooks.md#${alert.toLowerCase()}`);
      const section = runbooks.split(`## ${alert}\n`)[1]!.split('\n## ')[0]!;
      for (const part of ['Means', 'Look', 'Do']) expect(section, alert).toContain(`- **${part}.** `);
    }
  });

  it('asks only for metrics that there are', () => {
    const names = new Set(documented().map(({ name }) => name));
    const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
    for (const { expr } of rules) {
      for (const [name] of expr.matchAll(/\b(?:[a-z]+:)?fermat_\w+(?::\w+)?/g)) {
        expect(recorded.has(name) || names.has(name.replace(/_bucket$/, '')), name).toBe(true);
      }
    }
  });
});
