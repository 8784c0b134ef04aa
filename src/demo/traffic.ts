// Some real traffic: HTTP requests through the proxy, as from clients of many countries. Arrivals are open-loop and
// Poisson, so that a slow answer does not hold back the next request; how many may wait is bounded.

import { Agent, request } from 'node:http';
import { CLIENTS } from './clients.ts';

export interface TrafficOptions {
  /** Base URL of the proxy. */
  readonly url: string;
  readonly requestsPerSecond: number;
  readonly random: () => number;
}

/** What clients saw in the last `WINDOW_MS`. */
export interface TrafficView {
  readonly requestsPerSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Answers ≥ 500 and requests without any answer; since the start. */
  readonly failed: number;
  /** Status, or what became of the connection, of the last that failed; null = none did. */
  readonly lastFailure: string | null;
  readonly total: number;
}

export interface Traffic {
  view(): TrafficView;
  /** Ends what is under way; resolves at once. */
  stop(): void;
}

const WINDOW_MS = 5000;
const MOST_WAITING = 256;
const TIMEOUT_MS = 10_000;

export function startTraffic({ url, requestsPerSecond, random }: TrafficOptions): Traffic {
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_WAITING });
  const recent: { atMs: number; tookMs: number }[] = [];
  const startedMs = performance.now();
  let waiting = 0;
  let failed = 0;
  let lastFailure: string | null = null;
  let total = 0;
  let timer: NodeJS.Timeout;

  function fail(why: string): void {
    failed++;
    lastFailure = why;
  }

  function next(): void {
    timer = setTimeout(next, (-Math.log(1 - random()) * 1000) / requestsPerSecond);
    if (waiting < MOST_WAITING) send();
  }

  function send(): void {
    const sentMs = performance.now();
    const client = CLIENTS[Math.floor(random() * CLIENTS.length)]!;
    waiting++;
    total++;
    const sent = request(url, { agent, headers: { 'X-Forwarded-For': client }, timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      if (response.statusCode! >= 500) fail(`status ${response.statusCode}`);
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', (error) => fail(error.message));
    sent.on('close', () => {
      waiting--;
      recent.push({ atMs: performance.now(), tookMs: performance.now() - sentMs });
    });
    sent.end();
  }

  next();
  return {
    view() {
      const sinceMs = performance.now() - WINDOW_MS;
      while (recent.length > 0 && recent[0]!.atMs < sinceMs) recent.shift();
      const took = recent.map((answer) => answer.tookMs).sort((a, b) => a - b);
      const spanMs = Math.min(WINDOW_MS, performance.now() - startedMs);
      return {
        requestsPerSecond: spanMs > 0 ? (took.length * 1000) / spanMs : 0,
        p50Ms: took[Math.floor(took.length * 0.5)] ?? null,
        p99Ms: took[Math.floor(took.length * 0.99)] ?? null,
        failed,
        lastFailure,
        total,
      };
    },
    stop() {
      clearTimeout(timer);
      agent.destroy();
    },
  };
}
