// Results as Markdown: pure functions from what bench/results holds to what README.md and docs/benchmarks.md show. A result
// that is not there is left out, so that nothing is claimed that was not measured.

import { median } from '../support/report.ts';
import type { FloodSummary } from './floods.ts';
import type { LatencySummary, Quantiles } from './latency.ts';
import type { Idle } from './memory.ts';
import type { Pause } from './pause.ts';
import type { Section, Sections } from './results.ts';
import { ratioOf, type Summary, unitOf } from './summary.ts';

type Machine = Section['machine'];

interface Stated {
  readonly at: string;
  readonly command: string;
  readonly machine: Pick<Machine, 'cpu' | 'cores' | 'system' | 'node' | 'commit' | 'loadAverage'>;
}

export interface LatencyResult extends Stated {
  readonly terms: {
    readonly rate: number;
    readonly connections: number;
    readonly rounds: number;
    readonly seconds: number;
    /** Requests per second that C peers carried, by name; none where the rate was given. */
    readonly capacities: Readonly<Record<string, number>>;
  };
  readonly summary: readonly LatencySummary[];
  readonly pauses: Readonly<Record<string, Pause>>;
}

export interface MemoryResult extends Stated {
  readonly connections: number;
  readonly transfers: { readonly gib: number; readonly down: Growth; readonly up: Growth } | null;
  readonly idle: readonly Idle[];
}

interface Growth {
  readonly grewBytes: number;
}

export interface FloodsResult extends Stated {
  readonly terms: { readonly rate: number };
  readonly summary: readonly FloodSummary[];
}

const NONE = '–';

/** Every peer: small answers and large ones. Cheapest first. */
export function peersTable({ small, '1m': big }: Sections): string[] {
  if (!small) return [];
  const rows = [...small.summary]
    .sort((a, b) => a.cpu - b.cpu)
    .map((line) => {
      const large = big?.summary.find(({ entrant }) => entrant === line.entrant);
      return [
        `${nameOf(line.entrant)} ${versionOf(small, line)}`.trim(),
        line.cpu.toFixed(1),
        line.ratio?.toFixed(2) ?? NONE,
        String(line.requestsPerSecond),
        line.p50Ms.toFixed(1),
        line.p99Ms.toFixed(1),
        large?.cpu.toFixed(2) ?? NONE,
        large?.ratio?.toFixed(2) ?? NONE,
      ];
    });
  const head = ['proxy', 'CPU µs/request', '÷ nginx', 'requests/s', 'p50 ms', 'p99 ms', '1 MiB: CPU ms/MB', '÷ nginx'];
  return markdown(head, rows);
}

/** Every scenario with peers beside nginx: what each costs, and Fermat over nginx and HAProxy. */
export function scenariosTable(sections: Sections): string[] {
  const peers = ['nginx', 'haproxy', 'caddy', 'fermat'];
  const rows = Object.values(sections)
    .filter(({ group }) => group !== 'scale')
    .map((section) => {
      const cost = (peer: string) => section.summary.find(({ entrant }) => entrant === peer)?.cpu;
      return [
        section.title,
        unitOf(section.per),
        ...peers.map((peer) => cost(peer)?.toFixed(section.per === 'MB' ? 2 : 1) ?? NONE),
        ...['nginx', 'haproxy'].map((peer) => fermatOver(section, peer)?.toFixed(2) ?? NONE),
      ];
    });
  const head = ['CPU of the proxy', 'in', ...peers.map(nameOf), '**Fermat** ÷ nginx', '÷ HAProxy'];
  return rows.length > 0 ? markdown(head, rows) : [];
}

function fermatOver({ windows, per }: Section, peer: string): number | null {
  const of = (name: string) => windows.filter(({ entrant }) => entrant === name);
  return ratioOf(of('fermat'), of(peer), per);
}

/** What grows with workers, routes and endpoints: each proxy beside its own small configuration. */
export function scaleTable(sections: Sections): string[] {
  const rows = Object.values(sections)
    .filter(({ group }) => group === 'scale')
    .map((section) => {
      const of = (peer: string) => section.summary.filter((line) => line.peer === peer);
      const cells = ['fermat', 'nginx'].flatMap((peer) => {
        const [less, more] = of(peer);
        return less && more ? [less.cpu.toFixed(1), more.cpu.toFixed(1), percentOf(more.ratio)] : [NONE, NONE, NONE];
      });
      return [section.title, ...cells];
    });
  const head = ['CPU µs/request', '**Fermat**, few', 'many', 'growth', 'nginx, few', 'many', 'growth'];
  return rows.length > 0 ? markdown(head, rows) : [];
}

/** One scenario with everything that was measured. */
export function sectionTable(section: Section): string[] {
  const rows = section.summary.map((line) => [
    nameOf(line.entrant),
    line.cpu.toFixed(section.per === 'MB' ? 3 : 1),
    line.ratio === null ? NONE : line.ratio.toFixed(2),
    String(line.requestsPerSecond),
    line.p50Ms.toFixed(2),
    line.p99Ms.toFixed(2),
    String(line.errors),
    ...(section.ciphers ? [section.ciphers[line.entrant] ?? NONE] : []),
  ]);
  const absent = Object.entries(section.absent).map(([entrant, why]) => [nameOf(entrant), why.split('\n')[0]!]);
  const ratio = section.group === 'scale' ? '÷ its own few' : '÷ nginx';
  const more = section.ciphers ? ['cipher'] : [];
  const head = [
    'proxy',
    `CPU ${unitOf(section.per)}`,
    ratio,
    `${section.per === 'message' ? 'messages' : 'requests'}/s`,
  ];
  return markdown([...head, 'p50 ms', 'p99 ms', 'errors', ...more], [...rows, ...absent]);
}

export function latencyTable({ summary }: LatencyResult): string[] {
  const cells = (quantiles: Quantiles | null) =>
    quantiles ? [quantiles.p50Us, quantiles.p99Us, quantiles.p999Us].map((us) => us.toFixed(0)) : [NONE, NONE, NONE];
  const rows = summary.map(({ target, seen, added, overNginx }) => [
    nameOf(target),
    ...cells(seen),
    ...cells(added),
    ...cells(overNginx),
  ]);
  const three = (title: string) => [`${title}p50`, 'p99', 'p99.9'];
  return markdown(['µs', ...three('seen: '), ...three('added: '), ...three('more than nginx: ')], rows);
}

export function pauseLines({ pauses }: LatencyResult): string[] {
  return Object.entries(pauses).map(
    ([peer, pause]) =>
      `${nameOf(peer)} for ${pause.seconds} s at ${pause.rate} requests/s: the longest silence was ` +
      `${pause.longestMs.toFixed(1)} ms; an idle process pinned to the same core missed at most ` +
      `${pause.idleLongestMs.toFixed(1)} ms; beyond what the machine took meanwhile ${pause.beyondIdleMs.toFixed(1)} ms.`,
  );
}

export function memoryTable({ transfers, idle, connections }: MemoryResult): string[] {
  const mib = ({ grewBytes }: Growth) => `${(grewBytes / 2 ** 20).toFixed(1)} MiB`;
  const moved = transfers
    ? [[`${transfers.gib} GiB down · up: growth of memory`, `${mib(transfers.down)} · ${mib(transfers.up)}`]]
    : [];
  const rested = (['plain', 'tls'] as const).flatMap((mode) => {
    const of = (who: Idle['who']) => idle.find((line) => line.who === who && line.mode === mode)?.kibEach;
    const [fermat, bare] = [of('fermat'), of('bare')];
    if (fermat === undefined) return [];
    const server = mode === 'tls' ? 'tls.createServer' : 'net.createServer';
    const reference = bare === undefined ? '' : ` (a bare \`${server}\`: ${bare.toFixed(1)})`;
    const title = `${connections.toLocaleString('en')} idle keep-alive connections${mode === 'tls' ? ' over TLS' : ''}, each`;
    return [[title, `${fermat.toFixed(1)} KiB${reference}`]];
  });
  return markdown(['memory', 'measured'], [...moved, ...rested]);
}

export function floodsTable({ summary }: FloodsResult): string[] {
  const rows = summary.map((line) => [
    `${nameOf(line.peer)}, ${line.kind}`,
    String(line.p50Us),
    String(line.p99Us),
    line.ratioToCalm.toFixed(2),
    line.ratioToBurn.toFixed(2),
    `${(line.cpuRatio * 100).toFixed(0)} %`,
    String(line.framesPerSecond),
    String(line.connectionsPerSecond),
  ]);
  return markdown(
    ['other clients', 'p50 µs', 'p99 µs', '÷ calm', '÷ burn', 'CPU of a core', 'frames/s', 'connections/s'],
    rows,
  );
}

/** Where, when and how, in one paragraph; more than one run is named by each. */
export function footnote(sections: Sections): string {
  const all = Object.values(sections);
  const { machine, seconds, rounds } = all[0]!;
  const runs = new Set(all.map(({ at, machine: { commit } }) => `${at.slice(0, 10)}, commit ${commit}`));
  const commands = new Set(all.map(({ command }) => `\`${command}\``));
  const generators = new Set(all.map(({ generator }) => `${generator.name} ${generator.version ?? ''}`.trim()));
  const foreign = Math.round(median(all.flatMap(({ windows }) => windows.map((window) => window.foreignRatio))) * 100);
  return (
    `${[...runs].join('; ')}; ${[...commands].join(', ')}; ${placeOf({ machine })}; load by ${[...generators].join(', ')}; ` +
    `medians of ${rounds} windows of ${seconds} s, in which other processes took ${foreign} % of a core. Read them as ratios.`
  );
}

export function stated({ at, command, machine }: Stated): string {
  return `${at.slice(0, 10)}, commit ${machine.commit}, \`${command}\`, ${placeOf({ machine })}.`;
}

function placeOf({ machine }: Pick<Stated, 'machine'>): string {
  return `${machine.cpu} (${machine.cores} cores), ${machine.system}, Node ${machine.node}, load average ${machine.loadAverage}`;
}

function nameOf(entrant: string): string {
  return entrant
    .replace(/^fermat/, '**Fermat**')
    .replace(/^haproxy/, 'HAProxy')
    .replace(/^caddy/, 'Caddy');
}

function versionOf({ versions }: Section, { peer }: Summary): string {
  // Distribution suffixes and module hashes say nothing to a reader.
  return (versions[peer] ?? '').split(/[-+ ]/)[0]!;
}

function percentOf(ratio: number | null): string {
  if (ratio === null) return NONE;
  const percent = Math.round((ratio - 1) * 100);
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent)} %`;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${head.map((_, i) => cells[i] ?? '').join(' | ')} |`;
  return [line(head), `|---|${'---:|'.repeat(head.length - 1)}`, ...rows.map(line)];
}
