// The demo's table and its one-line summary, as text. Pure: what is shown comes in, lines go out; screen.ts draws them.

import type { TrafficView } from './traffic.ts';
import type { RegionView } from './watch.ts';

const BAR = 20;

const COLUMNS = [
  ['region', 22],
  ['place', 26],
  ['RTT', 9],
  ['score', 10],
  ['share', 6],
] as const;

/** Lines of the live table. */
export function tableOf(regions: readonly RegionView[], traffic: TrafficView | null): string[] {
  const head = COLUMNS.map(([title, width], i) => (i < 2 ? title.padEnd(width) : title.padStart(width))).join(' ');
  const rows = regions.map((region) => {
    const cells = [
      cell(region.region, 22),
      cell(region.place, 26),
      ms(region.networkMs).padStart(9),
      ms(region.scoreMs).padStart(10),
      percent(region.share).padStart(6),
      ` ${'█'.repeat(Math.round(region.share * BAR)).padEnd(BAR, '·')}`,
      stateOf(region),
    ];
    return cells.join(' ');
  });
  return [`${head}  ${''.padEnd(BAR)} state`, ...rows, '', trafficLine(traffic)];
}

/** One line for a log: who serves how much. */
export function summaryOf(regions: readonly RegionView[], traffic: TrafficView | null): string {
  const serving = [...regions].filter((region) => region.share > 0).sort((a, b) => b.share - a.share);
  const shares = serving.map((region) => `${region.region} ${percent(region.share)} (${ms(region.networkMs)})`);
  const broken = regions.filter((region) => region.origin !== 'up' || region.state !== 'healthy');
  const troubles = broken.map((region) => `${region.region} ${stateOf(region)}`);
  return [trafficLine(traffic), shares.join(', ') || 'nobody serves', ...troubles].join(' | ');
}

function trafficLine(traffic: TrafficView | null): string {
  if (!traffic) return 'no traffic of its own';
  const { requestsPerSecond, p50Ms, p99Ms, failed, total } = traffic;
  return `${requestsPerSecond.toFixed(0)} req/s, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, ${failed} of ${total} failed`;
}

/** What was done to the origin, then what the proxy makes of it. */
function stateOf({ origin, state, why }: RegionView): string {
  const deed = origin === 'slow' ? 'degraded; ' : origin === 'down' ? 'killed; ' : '';
  return `${deed}${state}${state === 'healthy' || why === '' ? '' : ` (${why})`}`;
}

function ms(value: number | null): string {
  return value === null ? '–' : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function cell(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}
