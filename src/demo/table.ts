// The demo's table and its one-line summary, as text. Pure: what is shown comes in, lines go out; screen.ts draws them.

import type { TrafficView } from './traffic.ts';
import type { RegionView } from './watch.ts';

const BAR = 12;
/** A window narrower than this shows no places: region, figures and state say more. */
const PLACES_FROM_COLUMNS = 110;

/** Lines of the live table, for a window of so many columns; they may still be longer. */
export function tableOf(regions: readonly RegionView[], traffic: TrafficView | null, columns: number): string[] {
  const placeOf = (text: string) => (columns < PLACES_FROM_COLUMNS ? '' : ` ${cell(text, 24)}`);
  const line = (region: string, place: string, rtt: string, score: string, share: string, bar: string, state: string) =>
    `${cell(region, 20)}${placeOf(place)} ${rtt.padStart(7)} ${score.padStart(8)} ${share.padStart(6)}  ${bar} ${state}`;
  return [
    line('region', 'place', 'RTT', 'score', 'share', ''.padEnd(BAR), 'state'),
    ...regions.map((region) =>
      line(
        region.region,
        region.place,
        ms(region.networkMs),
        ms(region.scoreMs),
        percent(region.share),
        '█'.repeat(Math.round(region.share * BAR)).padEnd(BAR, '·'),
        stateOf(region),
      ),
    ),
    '',
    trafficLine(traffic),
  ];
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
