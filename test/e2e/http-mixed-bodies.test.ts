// Memory that bodies are read into is used again, and connections serve one client after the other: whatever either side does
// in the midst of a body, nobody ever gets a byte of somebody else's. Every eight bytes say whose they are, and which.

import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Agent as TlsAgent, request as tlsRequest } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Pki, tlsListener } from '../support/pki.ts';
import { delay, until } from '../support/until.ts';

const RUN_MS = 6000;
const CLIENTS = 40;
const MAX_BYTES = 600_000;
const UNDOING = { gzip: createGunzip, br: createBrotliDecompress, zstd: createZstdDecompress };

const pki = new Pki();
const servers: Server[] = [];
const wrong: string[] = [];
let fermat: Fermat;
let seed = 20261121;

/** Of [0, below), the same in every run. */
function chance(below: number): number {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return Math.floor((seed / 0x80000000) * below);
}

const sizeOf = (): number => (chance(3) === 0 ? chance(6000) : chance(MAX_BYTES)) & ~7;

function bodyOf(id: number, bytes: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 8) body.writeUInt32LE(at >>> 3, body.writeUInt32LE(id, at));
  return body;
}

/** Looks at a body as it comes; `isWhole` when `bytes` of the right ones came. */
class Checked {
  #received = 0;
  #rest = Buffer.alloc(0);
  readonly #id: number;
  readonly #what: string;

  constructor(id: number, what: string) {
    this.#id = id;
    this.#what = what;
  }

  take(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    const whole = bytes.length & ~7;
    for (let at = 0; at < whole; at += 8) {
      if (bytes.readUInt32LE(at) !== this.#id || bytes.readUInt32LE(at + 4) !== (this.#received + at) >>> 3) {
        wrong.push(`${this.#what} of ${this.#id} at ${this.#received + at}: ${bytes.toString('hex', at, at + 8)}`);
        break;
      }
    }
    this.#received += whole;
    this.#rest = Buffer.from(bytes.subarray(whole));
  }

  get bytes(): number {
    return this.#received + this.#rest.length;
  }
}

const ANSWER = 0x4000_0000;

/** Answers as `x-mode` says: early, in the end, while it reads, slowly; or breaks off. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = Number(request.headers['x-id']);
  const mode = request.headers['x-mode'];
  const body = bodyOf(id | ANSWER, Number(request.headers['x-bytes']));
  const checked = new Checked(id, 'request');
  request.on('error', () => {}).on('data', (chunk: Buffer) => checked.take(chunk));
  response.on('error', () => {});
  if (mode === 'late') await new Promise((resolve) => request.once('end', resolve).once('close', resolve));
  if (mode === 'slow') {
    request.pause();
    setTimeout(() => request.resume(), chance(60));
  }
  const sent = Number(request.headers['x-request-bytes']);
  if (mode === 'late' && request.complete && checked.bytes !== sent)
    wrong.push(`request of ${id}: ${checked.bytes} bytes instead of ${sent}`);
  const fields = { 'Content-Type': 'text/plain', ...(id % 2 === 0 && { 'Content-Length': body.length }) };
  response.writeHead(200, fields);
  if (mode === 'cut') {
    response.write(body.subarray(0, body.length >> 1));
    setTimeout(() => request.socket.destroy(), chance(20));
    return;
  }
  for (let at = 0; at < body.length; at += 50_000) {
    response.write(body.subarray(at, at + 50_000));
    if (chance(4) === 0) await delay(chance(8));
  }
  response.end();
}

/** One request, to the end or until the client has had enough of it. Never rejects. */
function ask(id: number, agents: { readonly plain: Agent; readonly tls: TlsAgent }, path: string): Promise<void> {
  const isTls = chance(2) === 0;
  const bytes = chance(4) === 0 ? 0 : sizeOf();
  const wanted = sizeOf();
  const mode = ['late', 'late', 'early', 'slow', 'cut'][chance(5)]!;
  const body = bodyOf(id, bytes);
  const checked = new Checked(id | ANSWER, 'answer');
  const coding = ['gzip', 'br', 'zstd'][chance(3)] as keyof typeof UNDOING;
  const options = {
    port: isTls ? fermat.ports.https! : fermat.ports.http!,
    host: '127.0.0.1',
    method: bytes > 0 ? 'POST' : 'GET',
    path,
    headers: {
      host: '127.0.0.1',
      'x-id': id,
      'x-mode': mode,
      'x-bytes': wanted,
      'x-request-bytes': bytes,
      ...(path === '/coded' && { 'accept-encoding': coding }),
      ...(bytes > 0 && (chance(2) === 0 ? { 'content-length': bytes } : { 'transfer-encoding': 'chunked' })),
    },
  };
  let hasLeft = false;
  return new Promise((resolve) => {
    const request = isTls
      ? tlsRequest({ ...options, agent: agents.tls, rejectUnauthorized: false })
      : httpRequest({ ...options, agent: agents.plain });
    request.on('error', () => resolve()).on('close', () => resolve());
    request.on('response', (response) => {
      response.on('error', () => {});
      if (response.statusCode !== 200) {
        response.resume();
        return;
      }
      const { 'content-encoding': coded } = response.headers;
      const content = coded === undefined ? response : response.pipe(UNDOING[coded as keyof typeof UNDOING]());
      content.on('error', () => {}).on('data', (chunk: Buffer) => checked.take(chunk));
      content.on('end', () => {
        if (!hasLeft && response.complete && mode !== 'cut' && checked.bytes !== wanted)
          wrong.push(`answer of ${id}: ${checked.bytes} bytes instead of ${wanted}`);
      });
      if (chance(4) === 0) {
        content.pause();
        setTimeout(() => content.resume(), chance(100));
      }
    });
    for (let at = 0; at < bytes; at += 40_000) request.write(body.subarray(at, at + 40_000));
    request.end();
    if (chance(6) !== 0) return;
    const leave = (): void => {
      hasLeft = true;
      request.destroy();
    };
    setTimeout(leave, chance(60));
  });
}

beforeAll(async () => {
  const issued = pki.issue('all', { san: 'DNS:localhost,IP:127.0.0.1' });
  servers.push(createServer((...both) => void serve(...both)));
  servers.push(createTlsServer({ cert: issued.certPem, key: issued.keyPem }, (...both) => void serve(...both)));
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const [plain, secure] = servers.map((server) => (server.address() as AddressInfo).port);
  fermat = await startFermat({
    listeners: [{ name: 'http', address: '127.0.0.1:0' }, tlsListener([issued])],
    pools: {
      plain: poolOf([`http://127.0.0.1:${plain}`]),
      secure: poolOf([`https://127.0.0.1:${secure}`], { tls: { verify: false } }, 's'),
    },
    routes: [
      { path: '/secure', pool: 'secure' },
      { path: '/coded', pool: 'plain', compress: ['zstd', 'br', 'gzip'] },
      { path: '/', pool: 'plain' },
    ],
  });
});

afterAll(async () => {
  await fermat?.stop();
  for (const server of servers) server.close();
  pki[Symbol.dispose]();
});

it('bodies of many clients are never mixed up, however they and their endpoints break off', async () => {
  const agents = { plain: new Agent({ keepAlive: true }), tls: new TlsAgent({ keepAlive: true }) };
  const endMs = performance.now() + RUN_MS;
  let asked = 0;
  const paths = ['/', '/secure', '/coded'];
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (performance.now() < endMs && wrong.length === 0) {
        asked++;
        await ask(asked, agents, paths[asked % paths.length]!);
      }
    }),
  );
  agents.plain.destroy();
  agents.tls.destroy();
  expect(wrong).toEqual([]);
  expect(asked).toBeGreaterThan(CLIENTS * 3);
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
  await until(async () => (await fermat.metric('fermat_connections')) === 0, 'no open connections');
  await until(async () => (await fermat.metric('fermat_endpoint_inflight')) === 0, 'nothing in flight');
}, 40_000);
