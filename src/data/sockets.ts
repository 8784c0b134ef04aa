// The listening sockets of one listener in one worker: opened here, or taken over from the process that ran before. A few, since
// libuv accepts one connection from each a turn of its loop (libuv#3696): from a single one, the last of a thousand clients that
// come at once would be let in seconds later, between all the requests of those that were let in before. More when there are
// fewer workers than before, for a socket of the group that nobody accepts from swallows connections.

import { lstatSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { ListeningSocket } from '../core/handover.ts';
import type { ListenerSpec } from '../core/snapshot.ts';

/** The kernel caps it at net.core.somaxconn. */
const BACKLOG = 4096;
const KEEP_ALIVE_S = 60;
/** Sockets for one address and port, where the kernel spreads connections among several. */
const SOCKETS = 8;

export class Sockets {
  readonly #servers: Server[] = [];
  readonly #onConnection: (socket: Socket) => void;
  #path: string | null = null;

  /** `onConnection` gets sockets that have not been read. */
  constructor(onConnection: (socket: Socket) => void) {
    this.#onConnection = onConnection;
  }

  /** Gives the port it is; 0 for a path. Rejects with the system's error (EADDRINUSE, EACCES, …). */
  async open({ host, path }: ListenerSpec, port: number, canReusePort: boolean): Promise<number> {
    if (path !== null) return this.#openPath(path);
    const where = host === '' ? {} : { host };
    const server = await this.#listen({ ...where, port, reusePort: canReusePort });
    const own = portOf(server);
    for (let n = 1; canReusePort && n < SOCKETS; n++) await this.#listen({ ...where, port: own, reusePort: true });
    return own;
  }

  /**
   * libuv removes the path a socket was bound to when it closes it, though a successor may serve it by then. So the socket is
   * bound under another name and moved; whoever was there before (a process that was killed) is replaced in the same step.
   */
  async #openPath(path: string): Promise<number> {
    const bound = `${path}~`;
    removeSocket(bound);
    await this.#listen({ path: bound });
    renameSync(bound, path);
    this.#path = path;
    return 0;
  }

  /** Takes over what another process has opened. Gives the port; rejects when one is not what it is said to be. */
  async adopt(sockets: readonly ListeningSocket[], { path }: ListenerSpec): Promise<number> {
    this.#path = path;
    let port = 0;
    for (const { fd, port: expected, name } of sockets) {
      port = portOf(await this.#listen({ fd }));
      if (port !== expected) throw new Error(`took over a socket of ${name} on port ${port}, expected ${expected}`);
    }
    return port;
  }

  /** Descriptors, valid until `close`. */
  get fds(): number[] {
    return this.#servers.map(fdOf).filter((fd) => fd >= 0);
  }

  /** Nothing is accepted any more. `isHandedOver`: somebody else accepts, from these very sockets. */
  close(isHandedOver: boolean): void {
    for (const server of this.#servers) server.close();
    if (this.#path !== null && !isHandedOver) removeSocket(this.#path);
    this.#path = null;
  }

  #listen(where: Parameters<Server['listen']>[0] & object): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, this.#onConnection);
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, BACKLOG, () => {
        server.off('error', reject);
        server.on('error', () => {}); // EMFILE at accept: the connection waits in the backlog
        keepAlive(server);
        resolve(server);
      });
    });
  }
}

/** Files of others stay, whatever the configuration says is their path. */
function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path, { force: true });
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/**
 * What nobody speaks on for KEEP_ALIVE_S (a stream of events, a watch, a tunnel) is asked whether its client is still there; ten
 * seconds later it is not. Set on the listening socket, whose connections inherit it for nothing.
 */
function keepAlive(server: Server): void {
  const { _handle: handle } = server as unknown as {
    readonly _handle: { setKeepAlive?(isOn: boolean, afterS: number): number };
  };
  handle.setKeepAlive?.(true, KEEP_ALIVE_S);
}

/** Node keeps it to its handles. -1 = closed. */
function fdOf(server: Server): number {
  return (server as unknown as { readonly _handle: { readonly fd: number } | null })._handle?.fd ?? -1;
}
