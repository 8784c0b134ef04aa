// Memory of the proxy's process: what a GiB up and a GiB down add to it, and what an idle keep-alive connection costs, plain
// and over TLS, beside a bare node:net or node:tls server. Each in a process of its own.
// npm run bench:load -- memory [--gib 2] [--connections 10000]

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commandOf, machineOf } from '../support/machine.ts';
import { accepting, freePort, type Running, rssBytes, start, treeOf } from '../support/process.ts';
import { tableOf, writeResult } from '../support/report.ts';
import { makeCertificate } from './certificate.ts';
import { PEERS } from './peers.ts';
import { PLAIN } from './proxies/setup.ts';
import { growth, transfer } from './transfer.ts';

const { values: flags } = parseArgs({
  options: {
    gib: { type: 'string', default: '2' },
    connections: { type: 'string', default: '10000' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log('npm run bench:load -- memory [--gib 2, 0 = none] [--connections 10000] [--quick]');
  process.exit(0);
}
const bytes = flags.quick ? 0 : Math.round(Number(flags.gib) * 2 ** 30);
const connections = flags.quick ? 1000 : Number(flags.connections);

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const SINK = script('./sink.ts');
const BARE = script('./bare.ts');
const IDLE_CLIENT = script('../support/idle-client.ts');
/** Warm: compiled code and pools are not what is asked for. */
const WARM_UP_CONNECTIONS = 300;
const WARM_UP_BYTES = 2 ** 26;
/** After the last connection, before memory is read. */
const REST_MS = 3000;
/** Server and client hold an end each in a process of their own; some more for the rest. */
const FILES_NEEDED = connections + 1000;
const MODES = ['plain', 'tls'] as const;
const TARGET_KIB = { plain: 12, tls: 64 };

export interface Idle {
  readonly who: 'fermat' | 'bare';
  readonly mode: (typeof MODES)[number];
  readonly kibEach: number;
  readonly open: number;
}

const filesAllowed = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 0);
if (filesAllowed < FILES_NEEDED) {
  console.error(`${connections} connections need ${FILES_NEEDED} open files, ${filesAllowed} are allowed. As root:`);
  console.error(`  prlimit --nofile=${FILES_NEEDED} ${commandOf('bench/load/main.ts memory')}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'fermat-memory-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const certificate = makeCertificate(folder);
const running: Running[] = [];
try {
  const machine = machineOf();
  const originPort = await startScript(SINK, []);
  const transfers = bytes > 0 ? await transferred(originPort) : null;
  const idle: Idle[] = [];
  for (const mode of MODES) {
    for (const who of ['fermat', 'bare'] as const) {
      const server = who === 'fermat' ? await startFermat(originPort, mode) : await startBare(mode);
      if (server === null) continue;
      idle.push({ who, mode, ...(await idleCost(server.port, server.running, mode)) });
      await server.running.stop();
    }
  }
  report(transfers, idle);
  const at = new Date().toISOString();
  const result = { at, command: commandOf('bench/load/main.ts memory'), machine, connections, transfers, idle };
  console.log(flags.quick ? '\nQuick: not kept.' : `\nRaw figures: ${writeResult('load-memory', result)}`);
} finally {
  await Promise.all(running.map((process) => process.stop()));
}

async function transferred(originPort: number) {
  const server = (await startFermat(originPort, 'plain'))!;
  const tree = treeOf(server.running.pid);
  await transfer(server.port, 'GET', WARM_UP_BYTES);
  await transfer(server.port, 'PUT', WARM_UP_BYTES);
  const down = await growth(tree, () => transfer(server.port, 'GET', bytes));
  const up = await growth(tree, () => transfer(server.port, 'PUT', bytes));
  await server.running.stop();
  return { gib: bytes / 2 ** 30, down, up };
}

interface Server {
  readonly port: number;
  readonly running: Running;
}

/** null = it does not speak that. */
async function startFermat(originPort: number, mode: Idle['mode']): Promise<Server | null> {
  const port = await freePort();
  const setup = { ...PLAIN, listener: mode, port, originPort, folder, certificate, probe: 'tcp' } as const;
  const [command, ...args] = PEERS.fermat!.command(setup)!;
  const proxy = start(null, command, args);
  running.push(proxy);
  try {
    await accepting(port, proxy);
  } catch (error) {
    console.log(`fermat, ${mode}: ${error instanceof Error ? error.message : error}`);
    return null;
  }
  return { port, running: proxy };
}

async function startBare(mode: Idle['mode']): Promise<Server> {
  const port = await startScript(BARE, mode === 'tls' ? [certificate.cert, certificate.key] : []);
  return { port, running: running.at(-1)! };
}

async function startScript(file: string, args: readonly string[]): Promise<number> {
  const port = await freePort();
  const child = start(null, process.execPath, [file, String(port), ...args]);
  running.push(child);
  await accepting(port, child);
  return port;
}

/** Connections that asked once and now rest. */
async function idleCost(port: number, server: Running, mode: Idle['mode']): Promise<{ kibEach: number; open: number }> {
  const warm = await clients(port, WARM_UP_CONNECTIONS, mode);
  await warm.client.stop();
  await rest();
  const tree = treeOf(server.pid);
  const beforeBytes = rssBytes(tree);
  const { client, open } = await clients(port, connections, mode);
  await rest();
  const kibEach = (rssBytes(tree) - beforeBytes) / open / 1024;
  await client.stop();
  return { kibEach, open };
}

/** Resolves when all have had their answer. */
async function clients(port: number, count: number, mode: Idle['mode']): Promise<{ client: Running; open: number }> {
  const client = start(null, process.execPath, [IDLE_CLIENT, String(port), String(count), mode]);
  running.push(client);
  await new Promise((resolve) => {
    client.child.stdout!.once('data', resolve);
    client.child.once('close', resolve);
  });
  if (client.child.exitCode !== null) throw new Error(`idle-client.ts said:\n${client.said()}`);
  return { client, open: JSON.parse(client.said()).open };
}

function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REST_MS));
}

function report(transfers: Awaited<ReturnType<typeof transferred>> | null, idle: readonly Idle[]): void {
  const mib = (value: number) => `${(value / 2 ** 20).toFixed(1)} MiB`;
  const moved = transfers
    ? [
        [
          `${transfers.gib} GiB down`,
          mib(transfers.down.grewBytes),
          '< 64 MiB',
          `${transfers.down.seconds.toFixed(1)} s`,
        ],
        [`${transfers.gib} GiB up`, mib(transfers.up.grewBytes), '< 64 MiB', `${transfers.up.seconds.toFixed(1)} s`],
      ]
    : [];
  const rested = idle.map(({ who, mode, kibEach, open }) => [
    `an idle connection, ${mode}, ${who === 'bare' ? `bare node:${mode === 'tls' ? 'tls' : 'net'} server` : who}`,
    `${kibEach.toFixed(1)} KiB`,
    who === 'fermat' ? `≤ ${TARGET_KIB[mode]} KiB` : '–',
    `${open} open`,
  ]);
  console.log(tableOf(['what', 'growth of memory', 'target', 'note'], [...moved, ...rested]));
}
