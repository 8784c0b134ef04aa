// One line of the access log, from the end of an exchange to the ring: a client that says the same fields with every request,
// and clients that never say the same. The limit is 1 µs. Lines are text, so something is allocated.
// Run: node --expose-gc bench/micro/access-line.ts

import { pathToFileURL } from 'node:url';
import { type AccessLogSpec, LineTaker, newBell, newRing } from '../../src/core/access-log.ts';
import { AccessLog } from '../../src/data/access.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { NOWHERE } from '../../src/data/locate.ts';
import { RequestReader } from '../../src/wire/request.ts';

const ROUNDS = 15;
const LINES = 20_000;
const LIMIT_NS = 1000;
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

/** As much of an exchange as a line reads. */
function exchangeOf(path: string, agent: string): Exchange {
  const reader = new RequestReader({ requestLineBytes: 8192, headBytes: 32_768, headers: 100 });
  const fields = `Host: shop.example.com\r\nUser-Agent: ${agent}\r\nAccept: */*\r\nReferer: https://shop.example.com/list?page=2\r\n`;
  reader.feed(Buffer.from(`GET ${path} HTTP/1.1\r\n${fields}Accept-Encoding: gzip, br\r\n\r\n`, 'latin1'), 0);
  const route = { spec: { name: 'shop' }, pool: { spec: { name: 'shop' } } };
  const endpoint = { id: 'fra-1', region: 'aws:eu-central-1' };
  const books = {
    ...{ startMs: 1000.5, status: 200, responseBytes: 1234, ending: 0, problem: null, endpoint, role: 0 },
    ...{ place: NOWHERE, endpointMs: 3.2, attemptMs: 1000.6, sentMs: 1000.7, connectMs: -1, firstByteMs: 1003.9 },
  };
  const plan = { requestIdOf: () => '', idHead: '0123456789abcdef-0', idTail: 'zz' };
  const peer = { address: '198.51.100.7', isTrusted: false, tls: null };
  const of = {
    head: reader.head,
    route,
    pool: route.pool,
    books,
    plan,
    bodyBytes: 0,
    attempts: 1,
    hedged: 0,
    trace: null,
    noted: null,
  };
  return { ...of, down: { peer } } as unknown as Exchange;
}

function nsPerLine(spec: AccessLogSpec, exchanges: readonly Exchange[]): { ns: number; bytes: number } {
  const log = new AccessLog(0, Math.random, performance.now.bind(performance));
  log.install(spec);
  const taker = new LineTaker(spec.rings[0]!);
  let best = Infinity;
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc?.();
    let ns = 0;
    bytes = 0;
    for (let part = 0; part < 10; part++) {
      const before = process.cpuUsage();
      for (let i = 0; i < LINES / 10; i++) log.write(exchanges[i % exchanges.length]!, 4.321 + (i & 1023) / 1000);
      log.flush();
      const { user, system } = process.cpuUsage(before); // with what the collector burns beside it
      ns += (user + system) * 1000;
      bytes += taker.waiting;
      taker.take(taker.waiting); // by the writer's thread, beside it
    }
    best = Math.min(best, ns / LINES);
  }
  return { ns: Math.round(best), bytes: Math.round(bytes / LINES) };
}

export function bench() {
  const rings = [newRing()];
  const what = { sample: 1, sampleErrors: false, slowMs: null, headers: [], redactHeaders: [], rings, bell: newBell() };
  return (['json', 'combined'] as const).flatMap((format) => {
    const same = [exchangeOf('/api/items/4711?page=2&sort=price', AGENT)];
    const others = Array.from({ length: 4096 }, (_, i) =>
      exchangeOf(`/api/items/${i}?page=${i}&token=s3cr3t${i}`, `${AGENT} Edg/${i}`),
    );
    const spec = { ...what, format, redactQuery: ['token', 'access_token', 'key', 'password', 'signature'] };
    return [
      { name: `${format}, one client, the same again`, ...nsPerLine(spec, same) },
      { name: `${format}, 4096 clients, each another path and agent`, ...nsPerLine(spec, others) },
    ].map(({ name, ns, bytes }) => ({ name, nsPerOp: ns, note: `${bytes} bytes a line`, limitNs: LIMIT_NS }));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.table(bench());
