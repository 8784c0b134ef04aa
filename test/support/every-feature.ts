// Two real edges with everything on that has a metric: retries, hedges, limits, TLS, compression, discovery, Redis, directories,
// a way over the other edge, traces. And traffic that makes every one of them happen, failures included.

import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { type Config, type Fermat, poolOf, startFermat } from './fermat.ts';
import { type Origin, type OriginRequest, startOrigin } from './origin.ts';
import { Pki } from './pki.ts';
import { exchange } from './raw.ts';
import { freePort, startRedis } from './redis-server.ts';
import { delay, until } from './until.ts';

const SECRET = 'a secret that both edges know';
const BODY = 'To be compressed, over and over again. '.repeat(100);
/** Later than any answer of before, and than a queue is patient. */
const LATE_MS = 400;
/** Nothing listens there. */
const NOBODY = 'http://127.0.0.1:9';

export interface EveryFeature {
  readonly fermat: Fermat;
  /** One of everything. Takes about half a second. */
  traffic(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Resolves when both edges serve and know of each other. */
export async function startEveryFeature(): Promise<EveryFeature> {
  const stack = new AsyncDisposableStack();
  try {
    const redis = stack.use(await startRedis());
    const pki = stack.use(new Pki());
    const [a, b, broken, collector] = (await Promise.all([
      startOrigin((request) => answering(request)),
      startOrigin((request) => answering(request, 0)),
      startOrigin((request) => request.answer(503)),
      startOrigin(async (request) => {
        await request.whole();
        request.answer(200, '{}', 'Content-Type: application/json\r\n');
      }),
    ])) as [Origin, Origin, Origin, Origin];
    for (const origin of [a, b, broken, collector]) stack.use(origin);
    const ports = [await freePort(), await freePort()] as const;
    const overlayOf = (own: number, peer: string, at: number): Config => ({
      address: `127.0.0.1:${own}`,
      secret: SECRET,
      peers: [{ id: peer, url: `http://127.0.0.1:${at}` }],
      interval: '200ms',
      match: 'id',
    });
    const state = { redis: redis.url };
    const probe = { type: 'tcp', interval: '200ms', timeout: '100ms' };
    const far = (url: string): Config => ({ far: poolOf([url], { probe }, 'far-') });
    const found = pki.file('found');
    mkdirSync(found);
    writeFileSync(join(found, 'all.yaml'), `- { url: "${a.url}", id: found-0 }\n`);
    const other = startFermat({
      node: { id: 'edge-2' },
      pools: far(a.url),
      routes: [{ host: 'far', pool: 'far', overlay: 'failover' }],
      overlay: overlayOf(ports[1], 'edge-1', ports[0]),
      state,
    }).then((edge) => stack.use(edge));
    const certificate = pki.issue('site.test', { san: 'DNS:site.test' });
    const fermat = await startFermat({
      node: { id: 'edge-1', region: 'aws:eu-central-1' },
      listeners: [
        { name: 'http', address: '127.0.0.1:0' },
        {
          name: 'https',
          address: '127.0.0.1:0',
          tls: { certificates: [{ cert: certificate.cert, key: certificate.key }] },
        },
      ],
      pools: { ...poolsOf(a, b, broken, found, probe), ...far(NOBODY) },
      routes: routes(),
      overlay: overlayOf(ports[0], 'edge-2', ports[1]),
      state,
      tracing: { otlp: collector.url, sample: 1, compression: 'none' },
      logging: { level: 'info', access: 'json' },
    });
    stack.use(fermat);
    await other;
    await settled(fermat);
    const owned = stack.move();
    let round = 0;
    return { fermat, traffic: () => traffic(fermat, round++), [Symbol.asyncDispose]: () => owned.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Takes its time over /late; the other one does not, and so wins what is asked of both. */
async function answering(request: OriginRequest, lateMs = LATE_MS): Promise<void> {
  await request.whole();
  if (request.target === '/late') await delay(lateMs);
  request.answer(200, BODY, 'Content-Type: text/plain\r\n');
}

function poolsOf(a: Origin, b: Origin, broken: Origin, found: string, probe: Config): Config {
  const regions = ['aws:eu-central-1', 'gcp:europe-west9', 'aws:us-east-1'];
  const endpoints = [a.url, b.url, NOBODY].map((url, i) => ({ url, id: `web-${i}`, region: regions[i] }));
  return {
    web: { endpoints, probe },
    // One fails all it is asked: retries, failures, ejections.
    flaky: poolOf(
      [broken.url, a.url],
      { probe, balance: { policy: 'round-robin' }, outlier: { consecutive: 3, ejection: '1s' } },
      'flaky-',
    ),
    broken: poolOf([broken.url], { probe, retry: { attempts: 1, budgetPercent: 0, budgetMin: 0 } }, 'broken-'),
    down: poolOf([NOBODY], { probe, balance: { whenAllDown: 'fail' } }, 'down-'),
    late: poolOf(
      [a.url, b.url],
      { hedge: { enabled: true, quantile: 0.8, budgetPercent: 100 }, balance: { policy: 'round-robin' } },
      'late-',
    ),
    narrow: poolOf([a.url], { limits: { requests: 1 } }, 'narrow-'),
    found: { discover: [{ directory: { path: found } }], probe },
    named: poolOf([`http://localhost:${b.port}`], { probe }, 'named-'),
  };
}

function routes(): Config[] {
  return [
    { name: 'web', host: 'web', pool: 'web', compress: ['gzip'] },
    { host: 'limited', pool: 'web', rateLimit: { rate: '2/s', burst: 2, key: 'route' } },
    { host: 'tenant', pool: 'web', locality: { key: 'header:X-Tenant', mode: 'soft' } },
    { host: 'far', pool: 'far', overlay: 'failover' },
    ...['flaky', 'broken', 'down', 'late', 'narrow', 'found', 'named'].map((pool) => ({ host: pool, pool })),
  ];
}

/** Waits for what comes a little after /readyz: the found endpoint, the other edge, answers to know lateness by. */
async function settled(fermat: Fermat): Promise<void> {
  const placed = { method: 'POST', body: JSON.stringify({ changes: [{ key: 'acme', to: 'aws:eu-central-1' }] }) };
  await until(
    async () => (await fermat.admin('/api/v1/locality/default', placed)).status === 200,
    'a key with a place',
  );
  for (let i = 0; i < 30; i++) await ask(fermat, 'late');
  await until(async () => (await ask(fermat, 'far')) === 200, 'the way over the other edge');
  await until(async () => (await ask(fermat, 'found')) === 200, 'the endpoint that is found');
  await until(async () => (await fermat.metric('fermat_share_nodes')) > 0, 'the other edge to be heard');
}

async function ask(fermat: Fermat, host: string, target = '/', more = '', method = 'GET'): Promise<number> {
  const head = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`;
  return (await exchange(fermat.port, head, method)).status;
}

/** Home of pool `web` is drained, and so another one, in turns. */
const MOVES = ['web-0/drain', 'web-0/enable', 'web-1/drain', 'web-1/enable'];

async function traffic(fermat: Fermat, round: number): Promise<void> {
  await fermat.admin(`/api/v1/endpoints/${MOVES[round % MOVES.length]}`, { method: 'POST' });
  const hosts = ['web', 'flaky', 'flaky', 'flaky', 'broken', 'down', 'far', 'found', 'named', 'tenant', 'nowhere'];
  await Promise.all([
    ...hosts.map((host) => ask(fermat, host)),
    ask(fermat, 'web', '/', 'Accept-Encoding: gzip\r\n'),
    ask(fermat, 'web', '/', '', 'PURGE'),
    ask(fermat, 'tenant', '/', 'X-Tenant: acme\r\n'),
    ask(fermat, 'late', '/late'),
    ...Array.from({ length: 4 }, () => ask(fermat, 'limited')),
    ...Array.from({ length: 3 }, () => ask(fermat, 'narrow', '/late')),
    overTls(fermat.ports.https!),
  ]);
}

function overTls(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      servername: 'site.test',
      rejectUnauthorized: false,
      agent: false,
    } as const;
    request({ ...options, headers: { host: 'web' } }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}
