// Steady traffic through a proxy, and plain origins that say who they are: for tests in which nothing may be lost.

import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers every request with its name. */
export class Named {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly #server: Server;

  constructor(name: string, server: Server) {
    this.name = name;
    this.#server = server;
    const { address, port } = server.address() as AddressInfo;
    this.port = port;
    this.url = `http://${address}:${port}`;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export async function startNamed(name: string, port = 0, address = '127.0.0.1'): Promise<Named> {
  const server = createServer((_, response) => response.end(name));
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return new Named(name, server);
}

/** One request after another over each of a few kept connections. */
export class Steady {
  ok = 0;
  readonly failures: string[] = [];
  /** Answers by their body. */
  readonly by = new Map<string, number>();
  readonly #port: number;
  readonly #agent: Agent;
  readonly #loops: Promise<void>[];
  #isStopped = false;

  constructor(port: number, connections = 4) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#loops = Array.from({ length: connections }, () => this.#loop());
  }

  /** Forgets who has answered so far. */
  reset(): void {
    this.by.clear();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }

  async #loop(): Promise<void> {
    while (!this.#isStopped) {
      const answer = await this.#ask().catch((error: Error) => error);
      if (answer instanceof Error || answer.status !== 200) {
        this.failures.push(answer instanceof Error ? answer.message : `${answer.status} ${answer.text}`);
      } else {
        this.ok++;
        this.by.set(answer.text, (this.by.get(answer.text) ?? 0) + 1);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  #ask(): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.#port, agent: this.#agent, timeout: 5000 };
      const req = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      });
      req.on('timeout', () => req.destroy(new Error('no answer')));
      req.on('error', reject);
      req.end();
    });
  }
}
