// Open-loop load: every request has its moment on the clock before the run begins, and its time is counted from that moment,
// whenever it was really sent: a proxy that stalls is charged for all that should have come meanwhile.

import { Agent, request } from 'node:http';

/** What one request met. */
export interface Answer {
  /** Planned moment, ms since the load began. */
  readonly atMs: number;
  /** From the planned moment to the last byte, ms. */
  readonly tookMs: number;
  /** How late it was sent, ms: this generator's own part. */
  readonly lateMs: number;
  /** 0 = no answer. */
  readonly status: number;
  /** Whose answer it is; null = no origin's. */
  readonly origin: string | null;
}

/** Requests per second from `fromMs` on. */
export interface Step {
  readonly fromMs: number;
  readonly perSecond: number;
}

/** A request without an answer by then has failed. */
export const CLIENT_TIMEOUT_MS = 5000;

/** Planned moments, ms, ascending: independent arrivals (Poisson) of the rate that holds at the time. */
export function plannedMs(steps: readonly Step[], durationMs: number, random: () => number): number[] {
  const all: number[] = [];
  for (const [i, { fromMs, perSecond }] of steps.entries()) {
    const untilMs = Math.min(steps[i + 1]?.fromMs ?? durationMs, durationMs);
    const gapMs = () => (-Math.log(1 - random()) * 1000) / perSecond;
    for (let atMs = fromMs + gapMs(); atMs < untilMs; atMs += gapMs()) all.push(atMs);
  }
  return all;
}

/**
 * GETs at the planned moments, over keep-alive connections, as many as it takes. Resolves when all have ended, at most
 * CLIENT_TIMEOUT_MS after the last; stops sending when `signal` aborts. Never rejects.
 */
export async function openLoop(port: number, planned: readonly number[], signal: AbortSignal): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true });
  const startMs = performance.now();
  const pending: Promise<Answer>[] = [];
  let next = 0;
  await new Promise<void>((resolve) => {
    const send = () => {
      const nowMs = performance.now() - startMs;
      while (next < planned.length && planned[next]! <= nowMs)
        pending.push(get(agent, port, startMs, planned[next++]!));
      if (next === planned.length || signal.aborted) return resolve();
      setTimeout(send, planned[next]! - nowMs);
    };
    send();
  });
  const answers = await Promise.all(pending);
  agent.destroy();
  return answers;
}

function get(agent: Agent, port: number, startMs: number, atMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const lateMs = performance.now() - startMs - atMs;
    const done = (status: number, origin: string | null) => {
      clearTimeout(timer);
      resolve({ atMs, tookMs: performance.now() - startMs - atMs, lateMs, status, origin });
    };
    const sent = request({ host: '127.0.0.1', port, agent }, (response) => {
      response.resume();
      response.on('end', () => done(response.statusCode!, (response.headers['x-origin'] as string) ?? null));
      response.on('error', () => done(0, null));
    });
    const timer = setTimeout(() => sent.destroy(new Error('too late')), CLIENT_TIMEOUT_MS);
    sent.on('error', () => done(0, null));
    sent.end();
  });
}
