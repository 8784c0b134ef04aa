// The same requests through what a page migrates from and through Fermat with what it migrates to, one after the other, on the
// same addresses, before the same origins. Says what came back and what the origins saw of each.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createServer, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { until } from '../until.ts';

export interface Ask {
  /** Of the listener. */
  readonly port: number;
  readonly tls?: boolean;
  readonly method?: string;
  readonly host: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes of a body. */
  readonly bodyBytes?: number;
  /** Upgrade to a WebSocket, then a few bytes back and forth. */
  readonly upgrade?: boolean;
  /** How often; default 1. */
  readonly times?: number;
}

export interface Told {
  readonly status: number;
  /** What the origin says it has seen; null for what the proxy answered itself. */
  readonly origin: Readonly<Record<string, unknown>> | null;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface MigrateInput {
  readonly folder: string;
  readonly origins: readonly string[];
  readonly addresses: readonly string[];
  /** The command of each proxy; the ports it listens on are those of `asks`. */
  readonly proxies: readonly (readonly string[])[];
  readonly asks: readonly Ask[];
}

const START_TIMEOUT_MS = 60_000;

const input = JSON.parse(await text(process.stdin)) as MigrateInput;

/** Answers with what it has seen: the pool it is of (10.1.…), method, target, and the fields. */
function startOrigin(address: string): Promise<void> {
  const [host, port] = address.split(':') as [string, string];
  const seen = ({ method, url, headers }: IncomingMessage, bytes: number) => ({
    pool: host.split('.').slice(0, 2).join('.'),
    method,
    url,
    headers,
    bytes,
    padding: url?.startsWith('/big') ? 'x'.repeat(4000) : '',
  });
  const server = createServer(async (request, response) => {
    let bytes = 0;
    for await (const piece of request) bytes += (piece as Buffer).length;
    response.setHeader('content-type', 'application/json');
    response.setHeader('x-powered-by', 'origins');
    response.end(JSON.stringify(seen(request, bytes)));
  });
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => {});
    const key = request.headers['sec-websocket-key'] === 'dGhlIHNhbXBsZSBub25jZQ==';
    const accept = key ? 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' : '';
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.write(Buffer.from([0x81, 2, 0x68, 0x69])); // a text frame: hi
  });
  return new Promise((resolve, reject) => server.on('error', reject).listen(Number(port), host, resolve));
}

async function run(command: readonly string[]): Promise<ChildProcess> {
  const name = command[0] === 'fermat' ? join(input.folder, 'bin/fermat') : command[0]!;
  const child = spawn(name, command.slice(1), { cwd: input.folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
  }
  const isUp = async () => {
    if (child.exitCode !== null) throw new Error(`${command.join(' ')} ended with ${child.exitCode}:\n${output}`);
    for (const { port } of input.asks) if (!(await canConnect(port))) return false;
    return command[0] !== 'fermat' || (await fetch('http://127.0.0.1:9901/readyz').catch(() => null))?.status === 200;
  };
  await until(isUp, `${command.join(' ')} to listen`, START_TIMEOUT_MS, 50);
  return child;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** With its workers. */
async function stop(child: ChildProcess): Promise<void> {
  process.kill(-child.pid!, 'SIGKILL');
  await until(() => child.exitCode !== null || child.signalCode !== null, 'the end of a proxy');
  await until(async () => !(await canConnect(input.asks[0]!.port)), 'the port to be free', START_TIMEOUT_MS, 50);
}

function ask({ port, tls, method = 'GET', host, path, headers = {}, bodyBytes = 0, upgrade }: Ask): Promise<Told> {
  const handshake = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const options: RequestOptions & { servername: string; rejectUnauthorized: boolean } = {
    host: '127.0.0.1',
    port,
    method,
    path,
    agent: false,
    servername: host,
    rejectUnauthorized: false,
    headers: {
      host,
      ...headers,
      ...(upgrade ? handshake : {}),
      ...(bodyBytes > 0 ? { 'content-length': bodyBytes } : {}),
    },
  };
  return new Promise((resolve, reject) => {
    const request = (tls ? httpsRequest : httpRequest)(options);
    request.setTimeout(30_000, () => request.destroy(new Error(`no answer to ${method} ${host}${path}`)));
    request.on('error', reject);
    request.on('response', async (response) => {
      const bytes: Buffer[] = [];
      for await (const piece of response) bytes.push(piece as Buffer);
      const raw = Buffer.concat(bytes);
      const body = (response.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
      const isOrigins = response.headers['content-type'] === 'application/json' && body.includes('"pool"');
      resolve({
        status: response.statusCode!,
        origin: isOrigins ? JSON.parse(body) : null,
        body: isOrigins ? '' : body,
        headers: response.headers,
      });
    });
    request.on('upgrade', (response, socket, head) => {
      const first = head.length > 0 ? Promise.resolve(head) : new Promise<Buffer>((done) => socket.once('data', done));
      void first.then((frame) => {
        socket.destroy();
        resolve({ status: response.statusCode!, origin: null, body: frame.subarray(2).toString(), headers: {} });
      });
    });
    request.end(Buffer.alloc(bodyBytes, 'x'));
  });
}

for (const address of input.addresses) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
await Promise.all(input.origins.map(startOrigin));
const answers: Told[][] = [];
for (const proxy of input.proxies) {
  const child = await run(proxy);
  const told: Told[] = [];
  for (const one of input.asks) for (let i = 0; i < (one.times ?? 1); i++) told.push(await ask(one));
  answers.push(told);
  await stop(child);
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
