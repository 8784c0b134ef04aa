// The way over another edge, with real processes: three edges and an origin on loopback, every way between them a delaying proxy.
// How soon requests take the relay when the direct path is 150 ms slower, what they take there beside the best two-hop time, how
// soon they are back; and what is lost when the direct path is cut, or the relay killed while it is in use.
// Expected: 90 % on the relay within 3 s, the median within 5 % of the best two-hop time, nothing lost.
// Run: node bench/fleet/overlay.ts [--rounds 3] [--rate 200] [--trust tls|secret]

import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { type Edges, startEdges } from '../../test/support/edges.ts';
import { commandOf, loadAverage, machineOf } from '../support/machine.ts';
import { median, quantileOf, tableOf, writeResult } from '../support/report.ts';

const DIRECT_MS = 40;
const SLOWER_MS = 150;
/** From the first edge to the others, and what these take to the origin: the best two-hop time is 70 ms. */
const HOP_MS = [0, 30, 60];
const FROM_PEER_MS = 40;
const WAYS_MS = HOP_MS[1]! + FROM_PEER_MS;
/** A way is taken when so many of the last so many requests went there. */
const SHARE = 0.9;
const LAST = 40;

interface Asked {
  readonly atMs: number;
  readonly tookMs: number;
  readonly status: number;
  /** The edge it went over; '' = none. */
  readonly via: string;
}

interface Round {
  /** Until 90 % of the last 40 requests took the relay, and, back, the direct path; ms. NaN = never. */
  readonly takenMs: number;
  readonly backMs: number;
  /** Of the requests sent 3 s after the direct path had become slow, and later. */
  readonly relayShare: number;
  readonly directP50Ms: number;
  readonly relayP50Ms: number;
  readonly relayP99Ms: number;
  /** The best two-hop time: the same requests over the same two ways by the other edge alone, asked directly. */
  readonly bestP50Ms: number;
  /** Relay beside that, and beside what the two ways alone take. */
  readonly ratio: number;
  readonly ratioToWays: number;
  readonly lostSlow: number;
  readonly lostCut: number;
}

function startRig(trust: 'tls' | 'secret'): Promise<Edges> {
  return startEdges({
    count: 3,
    directMs: (n) => (n === 0 ? DIRECT_MS : FROM_PEER_MS),
    hopMs: (a, b) => HOP_MS[Math.abs(a - b)]!,
    trust,
    overlay: { interval: '1s' },
    pool: { probe: { type: 'http', path: '/health', interval: '2s' } }, // the default
  });
}

/** Times of requests to the other edge itself, over a way like the one between the edges; asked while the relay is in use. */
async function bestTimes(edges: Edges, rate: number, seconds: number): Promise<number[]> {
  const { cluster } = edges;
  const target = { host: cluster.hostOf(1), port: cluster.nodes[1]!.port };
  const way = await cluster.way('client-n1', target, { delayMs: HOP_MS[1]! / 2 });
  const agent = new Agent({ keepAlive: true });
  const asked: Promise<Asked>[] = [];
  const startMs = performance.now();
  for (let i = 0; i < rate * seconds; i++) {
    const waitMs = startMs + (i * 1000) / rate - performance.now();
    if (waitMs > 0) await pause(waitMs);
    asked.push(ask(way, agent, 0));
  }
  const all = await Promise.all(asked);
  agent.destroy();
  // The first ones open connections.
  return all.slice(Math.floor(rate / 2)).map(({ tookMs }) => tookMs);
}

/** Asks at a steady rate while `work` goes on, and gives every request with when it was sent after `work` began. */
async function asking(edges: Edges, rate: number, work: () => Promise<unknown>): Promise<Asked[]> {
  const { cluster } = edges;
  const agent = new Agent({ keepAlive: true });
  const asked: Promise<Asked>[] = [];
  const startMs = performance.now();
  let isOver = false;
  const done = work().finally(() => {
    isOver = true;
  });
  for (let i = 0; !isOver; i++) {
    const waitMs = startMs + (i * 1000) / rate - performance.now();
    if (waitMs > 0) await pause(waitMs);
    asked.push(ask({ host: cluster.hostOf(0), port: cluster.nodes[0]!.port }, agent, performance.now() - startMs));
  }
  await done;
  const all = await Promise.all(asked);
  agent.destroy();
  return all;
}

function ask(to: { readonly host: string; readonly port: number }, agent: Agent, atMs: number): Promise<Asked> {
  const { promise, resolve } = Promise.withResolvers<Asked>();
  const sentMs = performance.now();
  const done = (status: number, endpoint: string) => {
    resolve({ atMs, tookMs: performance.now() - sentMs, status, via: endpoint.split(' via ')[1] ?? '' });
  };
  const sent = request({ host: to.host, port: to.port, agent, timeout: 20_000 }, (response) => {
    response.resume();
    response.on('end', () => done(response.statusCode!, String(response.headers['x-fermat-endpoint'] ?? '')));
    response.on('error', () => done(0, ''));
  });
  sent.on('timeout', () => sent.destroy());
  sent.on('error', () => done(0, ''));
  sent.end();
  return promise;
}

/** When first 90 % of the last 40 went the way that `isThere` means; ms after the change, NaN = never. */
function settledMs(asked: readonly Asked[], isThere: (one: Asked) => boolean): number {
  let there = 0;
  for (const [i, one] of asked.entries()) {
    if (isThere(one)) there++;
    if (i >= LAST && isThere(asked[i - LAST]!)) there--;
    if (i >= LAST - 1 && there >= SHARE * LAST) return one.atMs;
  }
  return Number.NaN;
}

async function round(edges: Edges, rate: number): Promise<Round> {
  const good = await asking(edges, rate, () => pause(4000));
  let best: number[] = [];
  const slow = await asking(edges, rate, async () => {
    await edges.direct(0, DIRECT_MS + SLOWER_MS);
    await pause(4000);
    best = await bestTimes(edges, rate / 2, 4);
  });
  const back = await asking(edges, rate, async () => {
    await edges.direct(0, DIRECT_MS);
    await pause(14_000);
  });
  const cut = await asking(edges, rate, async () => {
    await edges.cutDirect(0, true);
    await pause(4000);
  });
  const open = await asking(edges, rate, async () => {
    await edges.cutDirect(0, false);
    await pause(6000);
  });
  const late = slow.filter(({ atMs }) => atMs >= 3000);
  const times = late.filter(({ via }) => via !== '').map(({ tookMs }) => tookMs);
  const lost = (...asked: Asked[][]) => asked.flat().filter(({ status }) => status !== 200).length;
  return {
    takenMs: settledMs(slow, ({ via }) => via === 'n1'),
    backMs: settledMs(back, ({ via }) => via === ''),
    relayShare: late.filter(({ via }) => via !== '').length / late.length,
    directP50Ms: median(good.map(({ tookMs }) => tookMs)),
    relayP50Ms: median(times),
    relayP99Ms: quantileOf(times, 0.99),
    bestP50Ms: median(best),
    ratio: median(times) / median(best),
    ratioToWays: median(times) / WAYS_MS,
    lostSlow: lost(good, slow, back),
    lostCut: lost(cut, open),
  };
}

/** The relay is killed while all goes over it; then there are the other one and the slow direct path. */
async function kill(edges: Edges, rate: number): Promise<number> {
  await edges.direct(0, DIRECT_MS + SLOWER_MS);
  const asked = await asking(edges, rate, async () => {
    await pause(5000);
    await edges.cluster.nodes[1]!.kill();
    await pause(5000);
  });
  return asked.filter(({ status }) => status !== 200).length;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { rounds: text, rate: text, trust: text } });
  const [rounds, rate] = [Number(values.rounds ?? 3), Number(values.rate ?? 200)];
  const trust = values.trust === 'secret' ? 'secret' : 'tls';
  const loadBefore = loadAverage();
  await using edges = await startRig(trust);
  const results: Round[] = [];
  for (let i = 0; i < rounds; i++) results.push(await round(edges, rate));
  const lostKill = await kill(edges, rate);
  const rows = results.map((r) => [
    `${(r.takenMs / 1000).toFixed(2)} s`,
    `${(r.relayShare * 100).toFixed(1)} %`,
    `${r.directP50Ms.toFixed(1)} ms`,
    `${r.relayP50Ms.toFixed(1)} ms`,
    `${r.relayP99Ms.toFixed(1)} ms`,
    `${r.bestP50Ms.toFixed(1)} ms`,
    `${((r.ratio - 1) * 100).toFixed(1)} %`,
    `${((r.ratioToWays - 1) * 100).toFixed(1)} %`,
    `${(r.backMs / 1000).toFixed(2)} s`,
    String(r.lostSlow),
    String(r.lostCut),
  ]);
  const head = [
    'taken after',
    'from 3 s on',
    'direct p50',
    'relay p50',
    'p99',
    'best two-hop',
    'above it',
    'above the ways',
    'back after',
    'lost',
    'at a cut',
  ];
  console.log(tableOf(head, rows));
  console.log(`lost when the relay was killed in use: ${lostKill}`);
  const common = { at: new Date().toISOString(), command: commandOf('bench/fleet/overlay.ts'), machine: machineOf() };
  const load = { before: loadBefore, after: loadAverage() };
  console.log(writeResult('fleet-overlay', { ...common, load, trust, rate, waysMs: WAYS_MS, results, lostKill }));
  const isMet = (r: Round) => r.takenMs <= 3000 && r.relayShare >= SHARE && r.ratio <= 1.05 && r.backMs > 0;
  const isLossless = lostKill + results.reduce((sum, r) => sum + r.lostSlow + r.lostCut, 0) === 0;
  if (!results.every(isMet) || !isLossless) process.exitCode = 1;
}

await main();
