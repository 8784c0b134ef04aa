// What lies around a cluster on loopback, in a process of its own so that a busy test delays nobody: origins at addresses
// of their own, and ways, which are TCP proxies that can be slow, swallow everything, or be cut. Obeys by messages
// (cluster.ts); ends with its parent.

import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** How an origin answers; every part may change while it runs. */
export interface OriginState {
  /** Request read → answer written, ms. */
  delayMs: number;
  /** The same for a probe of `/health`; null = as a request. */
  probeDelayMs: number | null;
  status: number;
  /** Accepts connections. */
  isUp: boolean;
}

/** What a way does to what passes. */
export interface WayState {
  /** Added to every byte in each direction, ms: a round trip takes twice as much longer. */
  delayMs: number;
  /** `open`; `swallow`: connections are taken, nothing passes, nobody is told; `cut`: reset, and refused from then on. */
  mode: 'open' | 'swallow' | 'cut';
}

export type Order =
  | { readonly op: 'origin'; readonly name: string; readonly host: string; readonly state: Partial<OriginState> }
  | { readonly op: 'way'; readonly name: string; readonly target: Address; readonly state: Partial<WayState> }
  | { readonly op: 'count'; readonly name: string };

export interface Address {
  readonly host: string;
  readonly port: number;
}

class Origin {
  readonly state: OriginState = { delayMs: 0, probeDelayMs: null, status: 200, isUp: true };
  readonly #name: string;
  readonly #host: string;
  readonly #server: HttpServer;
  /** Requests that came since the start, probes of `/health` not counted. */
  count = 0;
  port = 0;

  constructor(name: string, host: string) {
    this.#name = name;
    this.#host = host;
    this.#server = createHttp({ keepAliveTimeout: 65_000 }, (req, res) => {
      const isProbe = req.url === '/health';
      if (!isProbe) this.count++;
      req.resume();
      const { status, probeDelayMs } = this.state;
      const delayMs = isProbe ? (probeDelayMs ?? this.state.delayMs) : this.state.delayMs;
      const answer = () => res.writeHead(status, { 'x-origin': this.#name, 'content-length': '3' }).end('ok\n');
      if (delayMs > 0) setTimeout(answer, delayMs);
      else answer();
    });
  }

  async apply(state: Partial<OriginState>): Promise<Address> {
    Object.assign(this.state, state);
    if (this.state.isUp && !this.#server.listening) await listening(this.#server, this.port, this.#host);
    if (!this.state.isUp && this.#server.listening) {
      this.#server.close();
      this.#server.closeAllConnections();
    }
    this.port = portOf(this.#server) ?? this.port;
    return { host: this.#host, port: this.port };
  }
}

class Way {
  readonly state: WayState = { delayMs: 0, mode: 'open' };
  readonly #target: Address;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  port = 0;

  constructor(target: Address) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#take(socket));
  }

  async apply(state: Partial<WayState>): Promise<Address> {
    Object.assign(this.state, state);
    const isOpen = this.state.mode !== 'cut';
    if (isOpen && !this.#server.listening) await listening(this.#server, this.port, '127.0.0.1');
    if (!isOpen && this.#server.listening) this.#server.close();
    if (!isOpen) for (const socket of this.#sockets) socket.resetAndDestroy();
    this.port = portOf(this.#server) ?? this.port;
    return { host: '127.0.0.1', port: this.port };
  }

  #take(near: Socket): void {
    const far = connect({ ...this.#target, allowHalfOpen: true });
    this.#pump(near, far);
    this.#pump(far, near);
  }

  /** What is swallowed is gone for good, as behind a firewall that forgot a connection. */
  #pump(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    const later = (what: () => void) => {
      if (this.state.mode === 'swallow') return;
      if (this.state.delayMs === 0) what();
      else setTimeout(what, this.state.delayMs);
    };
    from.on('data', (bytes) => later(() => void (to.writable && to.write(bytes))));
    from.on('end', () => later(() => to.end()));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      if (this.state.mode !== 'swallow') later(() => to.destroy());
    });
  }
}

function listening(server: Server | HttpServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

function portOf(server: Server | HttpServer): number | null {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : null;
}

const origins = new Map<string, Origin>();
const ways = new Map<string, Way>();

async function obey(order: Order): Promise<Address | number> {
  if (order.op === 'count') return origins.get(order.name)?.count ?? 0;
  if (order.op === 'way') {
    const way = ways.get(order.name) ?? new Way(order.target);
    ways.set(order.name, way);
    return way.apply(order.state);
  }
  const origin = origins.get(order.name) ?? new Origin(order.name, order.host);
  origins.set(order.name, origin);
  return origin.apply(order.state);
}

process.on('message', ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (result) => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
