// Clients that are slow on purpose, or go away.

import { get, type RawClient, rawClient } from '../../support/raw.ts';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { startLoad } from '../load.ts';
import { type FaultRig, pause, startRig, WARM_UP_MS, WELL } from '../rig.ts';
import { measureSlowClients } from '../slow-clients.ts';

const MIB = 1 << 20;

async function slowClients({ isQuick, say }: How): Promise<Figure[]> {
  const [heads, readers] = isQuick ? [200, 200] : [1000, 1000];
  say(`${heads} slow heads and ${readers} slow readers come and go`);
  const told = await measureSlowClients({ heads, readers, ...(isQuick ? { rounds: 1, windowMs: 1500 } : {}) });
  return [
    firm('slow heads held', told.heads),
    firm('slow readers held', told.readers, { atLeast: readers }),
    firm('requests of others', told.requests),
    firm('lost by others', told.lost, { atMost: 0 }),
    timed('others’ p99 without', told.p99WithoutMs, 'ms'),
    timed('others’ p99 with', told.p99WithMs, 'ms'),
    timed('p99 with over without', told.ratio, '×', isQuick ? {} : { atMost: 2 }),
    timed('RSS on top', told.rssGrowthMiB, 'MiB', { atMost: 50 }),
    firm('counted against endpoints', told.failures, { atMost: 0 }),
    firm('descriptors left', told.filesLeft, { atMost: 4 }),
  ];
}

/** A head, and a body, that stop half-way; an answer that nobody reads. */
async function timeouts(): Promise<Figure[]> {
  await using rig = await startRig({ origins: 1, config: { limits: { headTimeout: '1s', bodyTimeout: '1s' } } });
  using head = await rawClient(rig.port);
  using body = await rawClient(rig.port);
  using trickle = await rawClient(rig.port);
  const startMs = performance.now();
  await head.send('GET / HTTP/1.1\r\nHost: a\r\nX-Slow');
  await body.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nslow');
  await trickle.send('GET / HTTP/1.1\r\nHost: a\r\n');
  // A byte now and then is no progress towards the end of a head.
  const timer = setInterval(() => void trickle.send('X'), 200);
  const headAnswer = await head.answer();
  const headS = (performance.now() - startMs) / 1000;
  const bodyAnswer = await body.answer('POST');
  const bodyS = (performance.now() - startMs) / 1000;
  const trickleAnswer = await trickle.answer();
  clearInterval(timer);
  await until(async () => (await rig.view(0)).inflight === 0, 'the end of the attempt');
  const { failures, healthy } = await rig.view(0);
  return [
    firm('half a head', headAnswer.status, { atLeast: 408, atMost: 408 }),
    timed('… after', headS, 's', { atLeast: 0.9, atMost: 3 }),
    firm('a head byte by byte', trickleAnswer.status, { atLeast: 408, atMost: 408 }),
    firm('half a body', bodyAnswer.status, { atLeast: 408, atMost: 408 }),
    timed('… after', bodyS, 's', { atLeast: 0.9, atMost: 3 }),
    firm('counted against the endpoint', failures + Number(!healthy), { atMost: 0 }),
  ];
}

async function aborts({ isQuick, say }: How): Promise<Figure[]> {
  const n = isQuick ? 1000 : 10_000;
  await using rig = await startRig({ origins: 1, pool: { timeouts: { idle: '1s' } } });
  const origin = rig.origins[0]!;
  await using load = await startLoad(rig.port, 100);
  await pause(isQuick ? 500 : WARM_UP_MS);
  // What aborts need is there before it is looked at.
  await origin.behave({ ...WELL, headMs: 200, bodyBytes: 100_000 }, WELL);
  await abort(rig.port, n);
  const [files, rss] = [rig.fermat.openFiles, await leastRss(rig)];
  await abort(rig.port, n);
  say('aborted');
  await origin.behave(WELL);
  await pause(2500);
  const all = await load.end();
  await until(async () => (await rig.fermat.metric('fermat_connections')) === 0, 'no client connections', 10_000);
  await until(async () => (await rig.view(0)).inflight === 0, 'nothing in flight', 10_000);
  const grown = (await leastRss(rig)) - rss;
  const { failures, healthy } = await rig.view(0);
  const told = await rig.fermat.metric('fermat_requests_total', 'code="499"');
  return [
    firm('aborted requests', n),
    firm('told as 499', told, { atLeast: n / 2 }),
    firm('counted against the endpoint', failures + Number(!healthy), { atMost: 0 }),
    firm('lost by others', all.lost(), { atMost: 0 }),
    firm('descriptors left', Math.max(0, rig.fermat.openFiles - files), { atMost: 4 }),
    timed('RSS on top', grown / MIB, 'MiB', { atMost: 20 }),
    timed('upstream ended after, slowest of 20', await goneMs(), 'ms', { atMost: 100 }),
  ];
}

/** The least of three seconds: what is about to be collected is not held. Bytes. */
async function leastRss({ fermat }: FaultRig): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 30; i++) {
    await pause(100);
    least = Math.min(least, fermat.rssBytes);
  }
  return least;
}

/** So many requests, a hundred at a time, whose clients reset or close before the answer or in it. */
async function abort(port: number, n: number): Promise<void> {
  for (let at = 0; at < n; at += 100) {
    const clients = await Promise.all(Array.from({ length: Math.min(100, n - at) }, () => rawClient(port)));
    for (const client of clients) await client.send(get());
    await pause(50);
    clients.forEach((client: RawClient, i) => {
      if (i % 2 === 0) client.reset();
      else client.destroy();
    });
  }
}

/** From a client's reset to the close of the connection at the endpoint, ms; the slowest of twenty. */
async function goneMs(): Promise<number> {
  await using rig = await startRig({ origins: 1 });
  const origin = rig.origins[0]!;
  await origin.behave({ kind: 'silent' }, WELL);
  let slowest = 0;
  for (let i = 0; i < 20; i++) {
    const { requests } = await origin.tally();
    const client = await rawClient(rig.port);
    await client.send(get());
    await until(async () => (await origin.tally()).requests > requests, 'the request');
    const { openConnections } = await origin.tally();
    const startMs = performance.now();
    client.reset();
    await until(async () => (await origin.tally()).openConnections < openConnections, 'the end of the attempt');
    slowest = Math.max(slowest, performance.now() - startMs);
  }
  return slowest;
}

async function queues({ isQuick }: How): Promise<Figure[]> {
  const limits = { connectionsPerEndpoint: 5, queue: 5, queueTimeout: '200ms' };
  await using rig = await startRig({ pool: { limits } });
  await Promise.all(rig.origins.map((origin) => origin.behave({ ...WELL, headMs: 100 }, WELL)));
  await using load = await startLoad(rig.port, 400);
  await pause(isQuick ? 2000 : 8000);
  const startMs = performance.now();
  const admin = await rig.fermat.admin('/readyz');
  const adminMs = performance.now() - startMs;
  const all = await load.end();
  const shed = (outcome: number) => outcome === 503;
  const served = all.count((outcome) => outcome === 200);
  return [
    firm('requests', all.requests),
    firm('served', served, { atLeast: all.requests / 5 }),
    firm('shed with 503', all.count(shed), { atLeast: 1 }),
    firm(
      'lost otherwise',
      all.count((outcome) => outcome !== 200 && outcome !== 503),
      { atMost: 0 },
    ),
    timed('503 at the median', all.quantileMs(0.5, shed), 'ms', { atMost: 5 }),
    timed('503 at p99', all.quantileMs(0.99, shed), 'ms'),
    timed(
      '200 at p99',
      all.quantileMs(0.99, (outcome) => outcome === 200),
      'ms',
      { atMost: 450 },
    ),
    firm('admin answers', admin.status, { atLeast: 200, atMost: 200 }),
    timed('… after', adminMs, 'ms'),
  ];
}

export const CLIENTS: readonly FaultCase[] = [
  {
    table: 'lifecycle',
    fault: 'slowloris headers, slow read',
    injected:
      '1,000 clients with heads that do not end and 1,000 that hardly read 16 MiB, three times for 6 s; 100 requests/s of others',
    expected: 'others: p99 under 2×, 0 lost; RSS +50 MiB at most; nothing against endpoints, nothing left over',
    isShort: false,
    run: slowClients,
  },
  {
    table: 'lifecycle',
    fault: 'slow body (RUDY), half a head',
    injected: 'heads and bodies that stop half-way, or come byte by byte; headTimeout: 1s, bodyTimeout: 1s',
    expected: '408 and close when the time is over; not counted against the endpoint',
    isShort: true,
    run: timeouts,
  },
  {
    table: 'lifecycle',
    fault: 'client abort mid-response',
    injected: '10,000 requests whose clients close or reset, after as many to warm up, on top of 100 requests/s',
    expected:
      'upstream ended within 100 ms, told as 499, nothing against the endpoint; no socket left, RSS +20 MiB at most',
    isShort: false,
    run: aborts,
  },
  {
    table: 'lifecycle',
    fault: 'overload: more than the endpoints take',
    injected: '400 requests/s where 150 go through; connectionsPerEndpoint: 5, queue: 5, queueTimeout: 200ms',
    expected: 'what is too much is 503 at once; what is queued waits no longer than it may; admin answers',
    isShort: true,
    run: queues,
  },
];
