// Accepting: each worker listens for itself (SO_REUSEPORT, the kernel spreads the connections), so that none has to hand
// sockets to another. Who may connect is decided here, before a byte is read; what it speaks, in entrance.ts.

import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { Census } from '../core/census.ts';
import { canonicalIp } from '../core/ip.ts';
import { CELL } from '../core/lane.ts';
import type { ListenerSpec } from '../core/snapshot.ts';
import { enter } from './entrance.ts';
import type { Plane } from './plane.ts';

/** The kernel caps it at net.core.somaxconn. */
const BACKLOG = 4096;

export class Listener {
  /** As the Snapshot of now has it; its place never changes. */
  spec: ListenerSpec;
  readonly #plane: Plane;
  readonly #census: Census;
  readonly #connectionCap: number;
  readonly #server: Server;
  port: number;

  constructor(plane: Plane, census: Census, connectionCap: number, spec: ListenerSpec, port: number) {
    this.#plane = plane;
    this.#census = census;
    this.#connectionCap = connectionCap;
    this.spec = spec;
    this.port = port;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Rejects with the system's error (EADDRINUSE, EACCES, …). */
  listen(canReusePort: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const onListening = (): void => {
        this.#server.off('error', reject);
        this.#server.on('error', () => {}); // EMFILE at accept: the connection waits in the backlog
        const address = this.#server.address();
        if (address !== null && typeof address === 'object') this.port = address.port;
        resolve();
      };
      const { path, host } = this.spec;
      if (path !== null) {
        rmSync(path, { force: true }); // left over by a process that was killed; a live one was noticed before
        this.#server.listen({ path, backlog: BACKLOG }, onListening);
      } else {
        const where = host === '' ? {} : { host };
        this.#server.listen({ ...where, port: this.port, backlog: BACKLOG, reusePort: canReusePort }, onListening);
      }
    });
  }

  close(): void {
    this.#server.close();
  }

  #accept(socket: Socket): void {
    const plane = this.#plane;
    const address = this.spec.path === null ? (canonicalIp(socket.remoteAddress ?? '') ?? '') : '';
    const key = Census.keyOf(address);
    const limit = plane.limits.connections > 0 ? plane.limits.connections : this.#connectionCap;
    if (!this.#census.enter(key, limit, plane.limits.connectionsPerClient)) {
      socket.destroy();
      return;
    }
    const { uid } = this.spec;
    plane.lane.count(CELL.CONNECTIONS, uid, 0, 0);
    enter(plane, socket, this.spec, this.port, address, () => {
      this.#census.leave(key);
      plane.lane.count(CELL.CONNECTIONS, uid, 0, 0, -1);
    });
  }
}
