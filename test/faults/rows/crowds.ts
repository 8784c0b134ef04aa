// More than there is room for: connections beyond the file descriptors, floods of connections and of HTTP/2 frames.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { cpuMs } from '../../../bench/support/process.ts';
import { exchange, get, type RawClient, rawClient } from '../../support/raw.ts';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { nowMs, startLoad } from '../load.ts';
import { Peer } from '../origins.ts';
import { pause, startRig, WARM_UP_MS } from '../rig.ts';

const FLOOD = join(import.meta.dirname, '../flood.ts');
const HOSTILE = join(import.meta.dirname, '../../../bench/support/hostile-client.ts');
const FILES = 256;
const RATE = 200;
/** Below this a ratio of two p99 says nothing: a timer's grain, a neighbour's slice. */
const FLOOR_MS = 20;
/** The proxy on one core, the flood on another where there are two: what is asked is what it costs the proxy. */
const PINNED = 'taskset -cp 0 $$ >/dev/null 2>&1';
const ELSEWHERE = 'taskset -cp 1 $$ >/dev/null 2>&1; exec nice -n 19 "$0" "$@"';
/** Before each flood: what a machine does in a minute changes. */
const CALM_MS = 2500;

/** Others' p99, during over before. */
function ratioOf(beforeMs: number, duringMs: number): Figure {
  return timed('others’ p99, during over before', Math.max(duringMs, FLOOR_MS) / Math.max(beforeMs, FLOOR_MS), '×', {
    atMost: 2,
  });
}

async function descriptors({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ start: { prelude: `ulimit -n ${FILES}` } });
  await using load = await startLoad(rig.port, 50, { connections: 20 });
  await pause(1000);
  const greedy: RawClient[] = [];
  const { pid } = rig.fermat;
  const cpuBefore = cpuMs([pid]);
  const startMs = performance.now();
  for (let i = 0; i < 2 * FILES; i++) greedy.push(await rawClient(rig.port, '127.0.0.2'));
  await pause(isQuick ? 1500 : 5000);
  const cpuShare = (100 * (cpuMs([pid]) - cpuBefore)) / (performance.now() - startMs);
  const held = greedy.filter(({ isClosed, hasEnded }) => !isClosed && !hasEnded).length;
  const files = rig.fermat.openFiles;
  const admin = await rig.fermat.admin('/readyz');
  for (const client of greedy) client.destroy();
  const freedMs = performance.now();
  await until(
    async () => (await exchange(rig.port, get()).catch(() => null))?.status === 200,
    'a new connection',
    5000,
  );
  const recoveryMs = performance.now() - freedMs;
  const all = await load.end();
  return [
    firm('connections tried', greedy.length),
    firm('let in', held, { atMost: FILES / 2 }),
    firm('descriptors in use', files, { atMost: FILES - 8 }),
    firm('admin answers', admin.status, { atLeast: 200, atMost: 200 }),
    firm('lost on connections that were there', all.lost(), { atMost: 0 }),
    timed('CPU meanwhile, of a core', cpuShare, '%', { atMost: 50 }),
    timed('accepts again after', recoveryMs / 1000, 's', { atMost: 1 }),
  ];
}

async function flood({ isQuick, say }: How): Promise<Figure[]> {
  const [crowd, cap] = [isQuick ? 1000 : 10_000, 100];
  await using rig = await startRig({ config: { limits: { connectionsPerClient: cap } } });
  await using load = await startLoad(rig.port, RATE);
  await pause(isQuick ? 1500 : WARM_UP_MS);
  const startMs = nowMs();
  const peer = new Peer(FLOOD, [String(rig.port), String(crowd), '127.0.0.3']);
  const state = () => peer.ask<{ begun: number; connected: number; closed: number; failed: number }>({}, 10_000);
  await until(
    async () => {
      const { connected, failed } = await state();
      return connected + failed >= crowd;
    },
    'the flood',
    60_000,
  );
  await pause(500);
  const overMs = nowMs();
  const { connected, closed } = await state();
  say(`the flood took ${((overMs - startMs) / 1000).toFixed(1)} s`);
  const inside = await rig.fermat.metric('fermat_connections');
  const all = await load.end();
  await peer.kill();
  const before = all.between(startMs - 2000, startMs);
  const during = all.between(startMs, overMs);
  return [
    firm('connections tried', crowd),
    firm('connected by the kernel', connected),
    firm('kept, of one address', connected - closed, { atMost: cap }),
    firm('fermat_connections', inside, { atMost: cap + 64 }),
    firm('lost by others', all.lost(), { atMost: 0 }),
    timed('others’ p99 before', before.quantileMs(0.99), 'ms'),
    timed('… during', during.quantileMs(0.99), 'ms'),
    ratioOf(before.quantileMs(0.99), during.quantileMs(0.99)),
  ];
}

async function frames({ isQuick, say }: How): Promise<Figure[]> {
  await using rig = await startRig({ start: { prelude: PINNED } });
  await using load = await startLoad(rig.port, RATE);
  await pause(isQuick ? 1000 : WARM_UP_MS);
  const figures: Figure[] = [];
  const marks: [string, number, number][] = [];
  for (const kind of ['rapid-reset', 'continuation', 'settings', 'ping']) {
    say(kind);
    await pause(isQuick ? 500 : CALM_MS);
    const fromMs = nowMs();
    const cpuBefore = cpuMs([rig.fermat.pid]);
    const { connections, frames: sent } = await hostile(kind, rig.port, isQuick ? 0.6 : 4);
    marks.push([kind, fromMs, nowMs()]);
    const share = (100 * (cpuMs([rig.fermat.pid]) - cpuBefore)) / (nowMs() - fromMs);
    figures.push(
      firm(`${kind}: connections shown the door`, connections - 4, { atLeast: 1 }),
      firm(`${kind}: frames sent`, sent),
      timed(`${kind}: CPU of a core`, share, '%', { atMost: 50 }),
    );
  }
  const all = await load.end();
  for (const [kind, fromMs, toMs] of marks) {
    const before = all.between(fromMs - CALM_MS, fromMs).quantileMs(0.99);
    const during = all.between(fromMs, toMs).quantileMs(0.99);
    figures.push({ ...ratioOf(before, during), name: `${kind}: others’ p99, during over before` });
  }
  return [firm('lost by others', all.lost(), { atMost: 0 }), ...figures];
}

/** Four hostile connections that come back whenever they are closed. */
async function hostile(kind: string, port: number, seconds: number): Promise<{ connections: number; frames: number }> {
  const args = [process.execPath, HOSTILE, kind, String(port), '4', String(seconds)];
  const child = spawn('sh', ['-c', ELSEWHERE, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
  return JSON.parse(text);
}

async function heads(): Promise<Figure[]> {
  await using rig = await startRig({ origins: 1 });
  const many = Array.from({ length: 101 }, (_, i) => `X-${i}: 1\r\n`).join('');
  const statuses = [
    (await exchange(rig.port, get('/', many))).status,
    (await exchange(rig.port, get('/', `X-Large: ${'x'.repeat(33 << 10)}\r\n`))).status,
    (await exchange(rig.port, get(`/${'x'.repeat(9000)}`))).status,
    (await exchange(rig.port, get('/', Array.from({ length: 90 }, (_, i) => `X-${i}: 1\r\n`).join('')))).status,
  ];
  const { requests } = await rig.origins[0]!.tally();
  return [
    firm('101 fields', statuses[0]!, { atLeast: 431, atMost: 431 }),
    firm('a head of 33 KiB', statuses[1]!, { atLeast: 431, atMost: 431 }),
    firm('a target of 9,000 bytes', statuses[2]!, { atLeast: 414, atMost: 414 }),
    firm('90 fields', statuses[3]!, { atLeast: 200, atMost: 200 }),
    firm('requests at the endpoint', requests, { atMost: 1 }),
  ];
}

export const CROWDS: readonly FaultCase[] = [
  {
    table: 'lifecycle',
    fault: 'fd exhaustion',
    injected: `${FILES} descriptors in all (ulimit -n), ${2 * FILES} connections from one client on top of 50 requests/s over 20 connections`,
    expected:
      'at most half of the descriptors for connections; no crash, no spin; others lose nothing; accepts again within 1 s',
    isShort: false,
    run: descriptors,
  },
  {
    table: 'lifecycle',
    fault: 'huge / many headers',
    injected: 'a head of 101 fields, one of 33 KiB, a target of 9,000 bytes; and one with 90 fields',
    expected: '431, 431, 414 and nothing at the endpoint; 90 fields pass',
    isShort: true,
    run: heads,
  },
  {
    table: 'lifecycle',
    fault: 'connection flood 10 k',
    injected:
      '10,000 connections from one address as fast as the system can, on top of 200 requests/s; connectionsPerClient: 100',
    expected: 'at most 100 are kept, the others closed at accept; nobody else loses anything; p99 under 2×',
    isShort: false,
    run: flood,
  },
  {
    table: 'lifecycle',
    fault: 'h2 floods (rapid reset, CONTINUATION, SETTINGS, PING)',
    injected:
      'four connections that send rapid resets, then endless CONTINUATIONs, SETTINGS, PINGs, and come back when closed, for 4 s each',
    expected:
      'sessions closed, who comes back again and again is let in late; others lose nothing, p99 under 2×; half a core at most',
    isShort: false,
    run: frames,
  },
];
