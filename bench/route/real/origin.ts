// One origin of the real test-bed, a process of its own so that it can be killed -9. Half of the network's delay before the
// workers, half after: the wire holds no worker. What it does is changed over IPC while it runs; it ends with its parent.
// node origin.ts SPEC-AS-JSON, forked

import { createServer } from 'node:http';
import { performance } from 'node:perf_hooks';
import { seeded } from '../../../src/core/selector.ts';
import { quantileOf } from '../../support/report.ts';
import { Bounded, serviceMsOf } from './bounded.ts';

export interface OriginSpec {
  readonly id: string;
  /** 0 = any; told in the first message. */
  readonly port: number;
  readonly workers: number;
  /** Mean of the service time, ms, and the deviation of its logarithm. */
  readonly serviceMs: number;
  readonly sigma: number;
  readonly seed: number;
  readonly behaviour: Behaviour;
}

/** What can change at run time. */
export interface Behaviour {
  /** There and back, ms. */
  readonly networkMs: number;
  /** The service takes so many times as long. */
  readonly slowdown: number;
  /** Ratio of requests that are answered 503 without work. */
  readonly failing: number;
}

/** To an origin: a new behaviour, or a question; each is answered by one message. */
export type Told = { readonly set: Behaviour } | { readonly report: true };

export type Said = { readonly port: number } | { readonly done: true } | Report;

export interface Report {
  readonly served: number;
  /** How late its answers were against its own plan, ms: the event loop's and the timers' part. */
  readonly lateP50Ms: number;
  readonly lateP99Ms: number;
}

/** Keeps the last so many. */
const LATE_KEPT = 10_000;

function serve(spec: OriginSpec): void {
  let behaviour = spec.behaviour;
  let served = 0;
  const lateMs: number[] = [];
  const random = seeded(spec.seed);
  const workers = new Bounded(spec.workers);

  const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    request.resume();
    const arrivesMs = performance.now() + behaviour.networkMs / 2;
    const fails = random() < behaviour.failing;
    const workMs = serviceMsOf(spec.serviceMs * behaviour.slowdown, spec.sigma, random);
    const dueMs = (fails ? arrivesMs : workers.doneAtMs(arrivesMs, workMs)) + behaviour.networkMs / 2;
    setTimeout(
      () => {
        lateMs[served++ % LATE_KEPT] = performance.now() - dueMs;
        response.writeHead(fails ? 503 : 200, { 'X-Origin': spec.id, 'Content-Length': '3' }).end('ok\n');
      },
      Math.max(0, dueMs - performance.now()),
    );
  });

  const say = (said: Said) => process.send?.(said);
  process.on('message', (told: Told) => {
    if ('set' in told) {
      behaviour = told.set;
      say({ done: true });
    } else say({ served, lateP50Ms: quantileOf(lateMs, 0.5), lateP99Ms: quantileOf(lateMs, 0.99) });
  });
  process.once('disconnect', () => process.exit(0));
  // Ctrl-C goes to the whole group; the parent ends us when the proxies are gone.
  process.on('SIGINT', () => {});
  server.listen(spec.port, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address !== null) say({ port: address.port });
  });
}

if (process.send && process.argv[2]) serve(JSON.parse(process.argv[2]));
