// Puts the figures of bench/results/load.json between the marks in README.md, so that the README never claims what was not
// measured. node bench/load/readme.ts

import { readFileSync, writeFileSync } from 'node:fs';
import { median } from '../support/report.ts';

const README = new URL('../../README.md', import.meta.url);
const RESULT = new URL('../results/load.json', import.meta.url);
const BEGIN = '<!-- bench:load begin -->';
const END = '<!-- bench:load end -->';

interface Line {
  readonly peer: string;
  readonly scenario: 'small' | '1m';
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerRequest: number;
  readonly cpuMsPerMB: number;
  readonly ratioToNginx: number | null;
}

interface Result {
  readonly at: string;
  readonly machine: { cpu: string; cores: number; system: string; node: string; commit: string; loadAverage: number };
  readonly generator: { name: string; connections: number; seconds: number; rounds: number };
  readonly versions: Readonly<Record<string, string>>;
  readonly summary: readonly Line[];
  readonly windows: readonly { readonly foreignRatio: number }[];
}

const result: Result = JSON.parse(readFileSync(RESULT, 'utf8'));
const readme = readFileSync(README, 'utf8');
const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)] as const;
if (begin < 0 || end < begin) throw new Error(`README.md lacks ${BEGIN} … ${END}`);
writeFileSync(README, `${readme.slice(0, begin + BEGIN.length)}\n${tableOf(result)}\n${readme.slice(end)}`);

/** A Markdown table, cheapest first, with where and how under it. */
function tableOf({ at, machine, generator, versions, summary, windows }: Result): string {
  const small = summary
    .filter((line) => line.scenario === 'small')
    .sort((a, b) => a.cpuUsPerRequest - b.cpuUsPerRequest);
  const big = (peer: string) => summary.find((line) => line.scenario === '1m' && line.peer === peer);
  const rows = small.map((line) => {
    const name = line.peer === 'fermat' ? '**Fermat**' : line.peer;
    const cells = [
      `${name} ${versions[line.peer] ?? ''}`.trim(),
      line.cpuUsPerRequest.toFixed(1),
      line.ratioToNginx?.toFixed(2) ?? '–',
      String(line.requestsPerSecond),
      line.p50Ms.toFixed(1),
      line.p99Ms.toFixed(1),
      big(line.peer)?.cpuMsPerMB.toFixed(2) ?? '–',
      big(line.peer)?.ratioToNginx?.toFixed(2) ?? '–',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const foreign = Math.round(median(windows.map((window) => window.foreignRatio)) * 100);
  return [
    '| proxy | CPU µs/request | ÷ nginx | requests/s | p50 ms | p99 ms | 1 MiB: CPU ms/MB | ÷ nginx |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    ...rows,
    '',
    `${at.slice(0, 10)}, commit ${machine.commit}, ${machine.cpu} (${machine.cores} cores), ${machine.system}, Node ` +
      `${machine.node}, load average ${machine.loadAverage}; ${generator.name}, ${generator.connections} connections (a quarter for 1 MiB), ` +
      `median of ${generator.rounds} windows of ${generator.seconds} s, in which other processes took ${foreign} % of a core. ` +
      'Read them as ratios.',
  ].join('\n');
}
