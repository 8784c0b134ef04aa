// Endpoints that are called by name, while the name server fails or changes its mind.

import { type DnsServer, startDns } from '../../support/dns.ts';
import { type Fermat, startFermat } from '../../support/fermat.ts';
import { NamedOrigin } from '../../support/named-origin.ts';
import { exchange, get } from '../../support/raw.ts';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { startLoad } from '../load.ts';
import { pause } from '../rig.ts';

const HOST = 'shop.test';
const [OLD, NEW] = ['127.0.0.21', '127.0.0.22'] as const;
const RATE = 100;
const TTL_S = 1;
/** The smallest pooled age would hide what is asked here: connections are as by default. */
const PROBE = { type: 'tcp', interval: '500ms' } as const;

function start(dns: DnsServer, port: number, isUnready = false): Promise<Fermat> {
  const endpoints = [{ url: `http://${HOST}:${port}`, id: 'e0' }];
  return startFermat(
    {
      node: { id: 'test', resolvers: [dns.address] },
      pools: { main: { endpoints, probe: PROBE } },
      routes: [{ pool: 'main' }],
    },
    { isUnready },
  );
}

/** Silence, then SERVFAIL, then NXDOMAIN, while traffic runs; and a start without any answer at all. */
async function failing({ isQuick, say }: How): Promise<Figure[]> {
  const dns = await startDns();
  const origin = await NamedOrigin.start(OLD);
  try {
    dns.set(HOST, [OLD], TTL_S);
    await using fermat = await start(dns, origin.port);
    await using load = await startLoad(fermat.port, RATE, { freshShare: 0.5 });
    await pause(1000);
    for (const reply of ['silence', 'servfail', 'nxdomain'] as const) {
      say(reply);
      dns.zone.set(HOST, reply);
      await pause(isQuick ? 1500 : 5000);
    }
    const questions = dns.questions.length;
    await pause(2000);
    const perSecond = (dns.questions.length - questions) / 2;
    const all = await load.end();
    say('start without an answer');
    await using cold = await start(dns, origin.port, true);
    const first = await exchange(cold.port, get());
    dns.set(HOST, [OLD], TTL_S);
    const startMs = performance.now();
    await until(async () => (await exchange(cold.port, get())).status === 200, 'an answer', 35_000);
    return [
      firm('requests', all.requests),
      firm('lost', all.lost(), { atMost: 0 }),
      timed('questions a second while it fails', perSecond, '/s', { atMost: 4 }),
      firm('start without any answer: the process lives and says', first.status, { atLeast: 502, atMost: 504 }),
      timed('… serves after the name is there', (performance.now() - startMs) / 1000, 's', { atMost: 31 }),
    ];
  } finally {
    await origin.stop();
    await dns.close();
  }
}

async function changing({ isQuick }: How): Promise<Figure[]> {
  const dns = await startDns();
  const old = await NamedOrigin.start(OLD);
  const fresh = await NamedOrigin.start(NEW, old.port);
  try {
    dns.set(HOST, [OLD], TTL_S);
    await using fermat = await start(dns, old.port);
    await using load = await startLoad(fermat.port, RATE, { freshShare: 0.5 });
    await pause(1500);
    const before = fresh.requests;
    dns.set(HOST, [NEW], TTL_S);
    const startMs = performance.now();
    await until(() => fresh.requests > before, 'a request at the new address', 10_000);
    const tookMs = performance.now() - startMs;
    await pause(isQuick ? 1500 : 5000);
    const { requests } = old;
    await pause(1000);
    const all = await load.end();
    return [
      firm('requests', all.requests),
      firm('lost', all.lost(), { atMost: 0 }),
      timed('first at the new address after', tookMs / 1000, 's', { atMost: TTL_S + 1 }),
      firm('requests at the old one after that', old.requests - requests, { atMost: 0 }),
      firm('connections left at the old one', old.sockets.size, { atMost: 0 }),
    ];
  } finally {
    await Promise.all([old.stop(), fresh.stop()]);
    await dns.close();
  }
}

export const NAMES: readonly FaultCase[] = [
  {
    table: 'endpoint',
    fault: 'DNS failure',
    injected: `the name server is silent, then SERVFAIL, then NXDOMAIN, under ${RATE} requests/s; then a start without any answer`,
    expected:
      'the last good addresses are kept: 0 lost; asked again with back-off; at start: an unhealthy endpoint, no crash',
    isShort: false,
    run: failing,
  },
  {
    table: 'endpoint',
    fault: 'DNS change',
    injected: `the name gets another address (TTL ${TTL_S} s), both answer, under ${RATE} requests/s`,
    expected: 'new connections to the new address within TTL + 1 s; the old ones drained; 0 lost',
    isShort: true,
    run: changing,
  },
];
