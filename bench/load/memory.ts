// Memory of the proxy's process: what 2 GiB up and 2 GiB down add to it, and what an idle keep-alive connection costs.
// node bench/load/memory.ts [--gib 2] [--connections 5000]

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commandOf, machineOf } from '../support/machine.ts';
import { accepting, freePort, type Running, rssBytes, start, treeOf } from '../support/process.ts';
import { tableOf, writeResult } from '../support/report.ts';

const { values: flags } = parseArgs({
  options: { gib: { type: 'string', default: '2' }, connections: { type: 'string', default: '5000' } },
});
const bytes = Number(flags.gib) * 2 ** 30;
const connections = Number(flags.connections);

const SINK = fileURLToPath(new URL('./sink.ts', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../../bin/fermat', import.meta.url));
const SAMPLE_EVERY_MS = 50;
/** Connections opened at a time, under any listen backlog. */
const BATCH = 100;
/** Both ends of every connection are on this machine, each process with its own limit; Fermat takes up to half of its own. */
const FILES_NEEDED = connections * 2 + 1000;

const filesAllowed = Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0);
if (filesAllowed < FILES_NEEDED) {
  console.error(`${connections} connections need ${FILES_NEEDED} open files, ${filesAllowed} are allowed. As root:`);
  console.error(`  prlimit --nofile=${FILES_NEEDED} ${commandOf('bench/load/memory.ts')}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'fermat-memory-'));
const running: Running[] = [];
try {
  const port = await startBoth();
  const tree = treeOf(running[1]!.pid);
  await transfer(port, 'GET', 2 ** 26); // warm: compiled code and pools are not what is asked for
  await transfer(port, 'PUT', 2 ** 26);
  const [down, up] = [
    await growth(tree, () => transfer(port, 'GET', bytes)),
    await growth(tree, () => transfer(port, 'PUT', bytes)),
  ];
  const idle = await idleCost(port, tree);
  const rows = [
    [`${flags.gib} GiB down`, mib(down.grewBytes), '< 64 MiB', `${down.seconds.toFixed(1)} s`],
    [`${flags.gib} GiB up`, mib(up.grewBytes), '< 64 MiB', `${up.seconds.toFixed(1)} s`],
    [
      `${connections} idle connections, each`,
      `${(idle.bytesEach / 1024).toFixed(1)} KiB`,
      '< 20 KiB',
      `${idle.open} open`,
    ],
  ];
  const result = {
    at: new Date().toISOString(),
    command: commandOf('bench/load/memory.ts'),
    machine: machineOf(),
    down,
    up,
    idle,
  };
  console.log(
    `${tableOf(['what', 'RSS growth', 'target', 'note'], rows)}\n\nRaw figures: ${writeResult('memory', result)}`,
  );
} finally {
  await Promise.all(running.map((process) => process.stop()));
  rmSync(folder, { recursive: true, force: true });
}

/** The sink, then the proxy; gives the proxy's port. */
async function startBoth(): Promise<number> {
  const [port, originPort] = [await freePort(), await freePort()];
  const origin = start(null, process.execPath, [SINK, String(originPort)]);
  running.push(origin);
  await accepting(originPort, origin);
  const file = join(folder, 'fermat.yaml');
  const config = {
    workers: 1,
    listeners: [{ name: 'http', address: `127.0.0.1:${port}` }],
    limits: { idleTimeout: '10m' },
    pools: { origin: { endpoints: [{ url: `http://127.0.0.1:${originPort}` }], probe: { type: 'tcp' } } },
    routes: [{ pool: 'origin' }],
    admin: { address: '127.0.0.1:0' },
    shutdown: { drainDelay: '0s', timeout: '1s' },
  };
  writeFileSync(file, JSON.stringify(config)); // JSON is YAML
  const proxy = start(null, LAUNCHER, ['run', '-c', file]);
  running.push(proxy);
  await accepting(port, proxy);
  return port;
}

/** Peak of resident memory while `work` runs, over what it was before. */
async function growth(
  tree: readonly number[],
  work: () => Promise<void>,
): Promise<{ grewBytes: number; seconds: number }> {
  const beforeBytes = rssBytes(tree);
  let peakBytes = beforeBytes;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, rssBytes(tree));
  }, SAMPLE_EVERY_MS);
  const startMs = performance.now();
  await work();
  clearInterval(timer);
  return { grewBytes: peakBytes - beforeBytes, seconds: (performance.now() - startMs) / 1000 };
}

/** One body through the proxy, counted at the far end. */
function transfer(port: number, method: 'GET' | 'PUT', length: number): Promise<void> {
  const block = Buffer.alloc(64 * 1024, 'y');
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      method,
      agent: new Agent(),
      path: method === 'GET' ? `/${length}` : '/',
    };
    const sent = request(options, (response) => {
      let received = 0;
      let text = '';
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (method === 'PUT') text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        const counted = method === 'GET' ? received : Number(text);
        if (response.statusCode === 200 && counted === length) resolve();
        else reject(new Error(`${method}: status ${response.statusCode}, ${counted} of ${length} bytes`));
      });
    });
    sent.on('error', reject);
    if (method === 'GET') return void sent.end();
    sent.setHeader('Content-Length', length);
    let left = length;
    const more = () => {
      while (left > 0) {
        left -= block.length;
        if (!sent.write(block)) return void sent.once('drain', more);
      }
      sent.end();
    };
    more();
  });
}

/** Connections that asked once and now rest. */
async function idleCost(port: number, tree: readonly number[]): Promise<{ bytesEach: number; open: number }> {
  const sockets: Socket[] = [];
  await Promise.all(Array.from({ length: BATCH }, () => askOnce(port).then((socket) => socket.destroy())));
  const beforeBytes = rssBytes(tree);
  while (sockets.length < connections) {
    sockets.push(...(await Promise.all(Array.from({ length: BATCH }, () => askOnce(port)))));
  }
  const bytesEach = (rssBytes(tree) - beforeBytes) / sockets.length;
  const open = sockets.filter((socket) => !socket.destroyed && socket.readyState === 'open').length;
  for (const socket of sockets) socket.destroy();
  return { bytesEach, open };
}

function askOnce(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /3 HTTP/1.1\r\nHost: bench\r\n\r\n'));
    socket.on('error', reject);
    socket.on('data', (answer) => {
      if (answer.toString('latin1').endsWith('xxx')) resolve(socket);
    });
  });
}

function mib(value: number): string {
  return `${(value / 2 ** 20).toFixed(1)} MiB`;
}
