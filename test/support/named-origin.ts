// Servers on one port of several loopback addresses, for endpoints that are called by name: each answers with its own address,
// and counts what it was asked and how many connections it holds.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createH2, type Http2Server } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Socket, type Server as TcpServer } from 'node:net';

export interface NamedOptions {
  /** proxied: HTTP behind a PROXY header, version 1. */
  readonly protocol?: 'http' | 'h2c' | 'https' | 'proxied';
  readonly cert?: string;
  readonly key?: string;
  /** Until each answer, ms. */
  readonly delayMs?: number;
}

export class NamedOrigin {
  readonly address: string;
  readonly port: number;
  requests = 0;
  /** It reads requests, and answers none. */
  isSilent = false;
  /** Host or :authority of the last request. */
  lastHost = '';
  readonly sockets = new Set<Socket>();
  readonly #server: Server | Http2Server | TcpServer;

  private constructor(server: Server | Http2Server | TcpServer, address: string, port: number) {
    this.#server = server;
    this.address = address;
    this.port = port;
  }

  /** `port`: 0 = any. */
  static async start(address: string, port = 0, options: NamedOptions = {}): Promise<NamedOrigin> {
    const { protocol = 'http', cert = '', key = '', delayMs = 0 } = options;
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      origin.requests++;
      origin.lastHost = String(request.headers[':authority'] ?? request.headers.host);
      if (!origin.isSilent) setTimeout(() => response.end(address), delayMs);
    };
    const server =
      protocol === 'h2c'
        ? createH2((request, response) => answer(request as never, response as never))
        : protocol === 'https'
          ? createHttps({ cert, key }, answer)
          : protocol === 'proxied'
            ? behindHeader(createServer({ keepAliveTimeout: 60_000 }, answer))
            : createServer({ keepAliveTimeout: 60_000 }, answer);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
    const origin = new NamedOrigin(server, address, (server.address() as AddressInfo).port);
    server.on('connection', (socket: Socket) => {
      origin.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => origin.sockets.delete(socket));
    });
    return origin;
  }

  /** The port closes and every connection is reset. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.sockets) socket.resetAndDestroy();
    await closed;
  }
}

/** Takes the line off each connection before `http` gets it. */
function behindHeader(http: Server): TcpServer {
  return createTcp((socket) => {
    socket.once('data', (bytes: Buffer) => {
      socket.pause();
      const end = bytes.indexOf('\r\n') + 2;
      if (!bytes.toString('latin1', 0, end).startsWith('PROXY TCP4 ')) return void socket.destroy();
      socket.unshift(bytes.subarray(end));
      http.emit('connection', socket);
      socket.resume();
    });
  });
}
