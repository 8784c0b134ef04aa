// One origin of the demo: a real HTTP server on loopback that answers as late as its region is far away, and can be
// slowed, killed and brought back on the same port. It does not know the proxy. Runs inside keeper.ts.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type OriginPlan, sampleRttMs } from './plan.ts';

/** up: as far as it is · slow: an overloaded server · down: the port refuses. */
export type OriginState = 'up' | 'slow' | 'down';

/** Mean of the work a request costs at the origin, ms. */
const SERVICE_MS = 0.5;
/** What `degrade` adds to every answer, ms: enough to make the nearest region of any edge worse than its neighbour. */
const DEGRADED_MS = 300;
/** Longer than the proxy's pool keeps a connection (4 s), so that it is the proxy that closes first. */
const KEEP_ALIVE_MS = 65_000;

export class Origin {
  readonly plan: OriginPlan;
  readonly #edge: string;
  readonly #random: () => number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;
  #state: OriginState = 'down';

  constructor(plan: OriginPlan, edge: string, random: () => number) {
    this.plan = plan;
    this.#edge = edge;
    this.#random = random;
  }

  get port(): number {
    return this.#port;
  }
  get state(): OriginState {
    return this.#state;
  }

  /** Goes to a state; resolves when it is there. Rejects when the port of a killed origin was taken meanwhile. */
  async go(state: OriginState): Promise<void> {
    if (state === 'down') this.#kill();
    else if (!this.#server) await this.#listen();
    this.#state = state;
  }

  async #listen(): Promise<void> {
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => this.#answer(req, res));
    server.on('connection', (socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As `kill -9` looks from outside: connections are reset, new ones refused. */
  #kill(): void {
    this.#server?.close();
    this.#server = null;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #answer(req: IncomingMessage, res: ServerResponse): void {
    const rttMs = sampleRttMs(this.plan.rtt, this.#random);
    const serviceMs = -Math.log(1 - this.#random()) * SERVICE_MS + (this.#state === 'slow' ? DEGRADED_MS : 0);
    req.resume(); // whatever a curious person POSTs
    const timer = setTimeout(() => this.#write(req, res, rttMs), this.#wholeMs(rttMs + serviceMs));
    res.on('close', () => clearTimeout(timer));
  }

  #write(req: IncomingMessage, res: ServerResponse, rttMs: number): void {
    const { region, place } = this.plan;
    const isJson = req.headers.accept?.includes('json') ?? false;
    const body = isJson
      ? `${JSON.stringify({ region, place, edge: this.#edge, rttMs: Number(rttMs.toFixed(3)) })}\n`
      : `Hello from ${region}, ${place}: ${rttMs.toFixed(1)} ms from ${this.#edge}\n`;
    res.setHeader('Content-Type', isJson ? 'application/json' : 'text/plain; charset=utf-8');
    res.setHeader('Content-Length', Buffer.byteLength(body));
    res.setHeader('X-Demo-Region', region);
    res.end(body);
  }

  /** Timers know whole milliseconds only: the rest is left to chance, so that the mean is right. */
  #wholeMs(ms: number): number {
    const whole = Math.floor(ms);
    return whole + (this.#random() < ms - whole ? 1 : 0);
  }
}
