// Before anybody is measured: does it answer what the origin answers, in the protocol asked for? A proxy that answers with
// an error page would else win every race.

import { request as requestHttp } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { connect as connectTls } from 'node:tls';
import type { Demand } from '../support/load.ts';
import { ANSWERS, SMALL_BODY } from './origin.ts';
import { routesOf } from './scale.ts';
import { NOT_SUPPORTED, type Stall } from './stable.ts';

const TIMEOUT_MS = 10_000;

interface Answer {
  readonly status: number;
  readonly bytes: number;
}

/** null = all is well, else what is not. Never rejects. WebSocket generators check for themselves. */
export async function whatIsWrong({ port, shape }: Stall, demand: Demand): Promise<string | null> {
  if (demand.protocol === 'websocket') return null;
  const base = baseOf({ port, shape });
  const isSecure = shape.listener === 'tls';
  const route = demand.routes === undefined ? null : routesOf(demand.routes).at(-1)!;
  const path = route === null ? demand.path : `${route.path}small`;
  try {
    if (demand.protocol === 'h2' && isSecure && (await cipherOf(port, 'h2')).alpn !== 'h2') return NOT_SUPPORTED;
    const { status, bytes } =
      demand.protocol === 'h2' ? await askHttp2(base, path) : await askHttp(base, path, demand, route?.host);
    const expected = ANSWERS[path] ?? SMALL_BODY.length;
    return status === 200 && bytes === expected ? null : `answers ${status} with ${bytes} bytes for ${path}`;
  } catch (error) {
    return `${path}: ${error instanceof Error ? error.message : error}`;
  }
}

export function baseOf({ port, shape }: Pick<Stall, 'port' | 'shape'>): string {
  return `${shape.listener === 'tls' ? 'https' : 'http'}://localhost:${port}`;
}

function askHttp(base: string, path: string, demand: Demand, host: string | undefined): Promise<Answer> {
  const headers: Record<string, string> = { ...demand.headers, ...(host === undefined ? {} : { Host: host }) };
  const options = { method: demand.method ?? 'GET', headers, timeout: TIMEOUT_MS, agent: false } as const;
  return new Promise((resolve, reject) => {
    const sent = base.startsWith('https')
      ? requestHttps(base + path, { ...options, rejectUnauthorized: false })
      : requestHttp(base + path, options);
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('response', (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes }));
    });
    sent.end('x'.repeat(demand.bodyBytes ?? 0));
  });
}

async function askHttp2(base: string, path: string): Promise<Answer> {
  const session = connectHttp2(base, { rejectUnauthorized: false });
  try {
    return await new Promise((resolve, reject) => ask(session, path, resolve, reject));
  } finally {
    session.destroy();
  }
}

function ask(
  session: ClientHttp2Session,
  path: string,
  resolve: (answer: Answer) => void,
  reject: (error: Error) => void,
): void {
  session.on('error', reject);
  const stream = session.request({ ':path': path });
  let [status, bytes] = [0, 0];
  stream.setTimeout(TIMEOUT_MS, () => reject(new Error('no answer in time')));
  stream.on('response', (head) => {
    status = Number(head[':status']);
  });
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.on('error', reject);
  stream.on('end', () => resolve({ status, bytes }));
  stream.end();
}

/** What a handshake agrees on. Rejects when there is none. */
export function cipherOf(port: number, protocol: 'h2' | 'http/1.1'): Promise<{ alpn: string; cipher: string }> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ALPNProtocols: [protocol],
      rejectUnauthorized: false,
    });
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      const cipher = `${socket.getProtocol()} ${socket.getCipher().standardName}`;
      socket.destroy();
      resolve({ alpn: socket.alpnProtocol || 'none', cipher });
    });
  });
}
