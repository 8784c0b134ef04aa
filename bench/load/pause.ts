// The longest pause of a proxy under steady load, and how much of it was the machine's. At tens of thousands of requests a
// second answers come every few dozen µs, so a silence while somebody waits is a pause of the proxy, or of whatever it
// stands on. Idle processes pinned to the proxy's core and to the load's note when nobody on that core ran (hypervisor,
// kernel, other processes); what they missed during a silence is taken off it. Latency would not do: after any pause the
// backlog makes requests late that met none.

import { fileURLToPath } from 'node:url';
import { coveredMs, longestMs, type Span } from '../support/clock.ts';
import { outputOf } from '../support/process.ts';
import { steadyLoad } from '../support/steady.ts';
import { placementOf } from './cores.ts';

const TICKER = fileURLToPath(new URL('../support/ticker.ts', import.meta.url));
const WARM_UP_S = 3;
/** The idle process looks on from before the first counted request until after the last. */
const MARGIN_S = 2;
/** Shorter ones may be the busy proxy itself, which the scheduler lets finish its slice; these excuse nothing. */
const LEAST_GAP_MS = 5;
const KEPT = 20;

export interface Pause {
  readonly seconds: number;
  readonly rate: number;
  /** Longest silence, ms. */
  readonly longestMs: number;
  /** Longest that the idle process on the proxy's core was not run, ms. */
  readonly idleLongestMs: number;
  /** The same on the core of load and origin. */
  readonly loadIdleLongestMs: number;
  /** Longest silence less what idle processes missed during it, ms. */
  readonly beyondIdleMs: number;
  readonly maxLatencyMs: number;
  readonly errors: number;
  /** The longest silences, longest first, ms. */
  readonly silencesMs: readonly number[];
}

export async function measurePause(port: number, rate: number, connections: number, seconds: number): Promise<Pause> {
  const { proxy, load } = placementOf(1);
  const tick = (core: number | string) => ticker(core, WARM_UP_S + seconds + MARGIN_S);
  const [steady, proxyGaps, loadGaps] = await Promise.all([
    steadyLoad({ port, path: '/small', connections, rate, warmUpS: WARM_UP_S, seconds, core: load }),
    tick(proxy),
    tick(load),
  ]);
  const gaps = [...proxyGaps, ...loadGaps];
  const beyond = steady.silences.map((silence) => silence[1] - silence[0] - coveredMs(silence, gaps));
  return {
    seconds,
    rate,
    longestMs: longestMs(steady.silences),
    idleLongestMs: longestMs(proxyGaps),
    loadIdleLongestMs: longestMs(loadGaps),
    beyondIdleMs: Math.max(0, ...beyond),
    maxLatencyMs: steady.maxUs / 1000,
    errors: steady.errors,
    silencesMs: steady.silences
      .map(([startMs, endMs]) => endMs - startMs)
      .sort((a, b) => b - a)
      .slice(0, KEPT),
  };
}

async function ticker(core: number | string, seconds: number): Promise<Span[]> {
  const { text, code } = await outputOf(core, process.execPath, [TICKER, String(seconds), String(LEAST_GAP_MS)]);
  if (code !== 0) throw new Error(`ticker.ts said:\n${text}`);
  return JSON.parse(text);
}
