// A publisher of databases: a real HTTP server on this machine that does what the test says.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export const FIXTURES = join(import.meta.dirname, '../fixtures/geoip');
export const CITY = readFileSync(join(FIXTURES, 'GeoLite2-City-Test.mmdb'));
export const COUNTRY = readFileSync(join(FIXTURES, 'GeoLite2-Country-Test.mmdb'));
/** When everything here was published. */
export const PUBLISHED = 'Sun, 01 Nov 2026 03:04:05 GMT';

export class Publisher {
  /** Paths, in order. */
  readonly asked: string[] = [];
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.writeHead(404).end();
  readonly #server: Server = createServer((request, response) => {
    this.asked.push(request.url!);
    this.answer(request, response);
  });

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Everybody who asks for anything gets this. */
  serve(body: Uint8Array): void {
    this.answer = (_, response) => response.setHeader('last-modified', PUBLISHED).end(body);
  }

  /** … or this. */
  fail(status: number): void {
    this.answer = (_, response) => response.writeHead(status).end();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
