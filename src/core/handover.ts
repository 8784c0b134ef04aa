// Listening sockets on their way from one process to its successor: which listener a socket belongs to, and which worker takes
// it. The sockets of one port form a group (SO_REUSEPORT) among which the kernel spreads the connections, and it never asks
// whether somebody accepts them: a socket that nobody took over would swallow its share.

import type { ListenerSpec } from './snapshot.ts';

/** One listening socket, with the descriptor it has in the process that holds it. */
export interface ListeningSocket {
  /** Name of its listener. */
  readonly name: string;
  /** Where the configuration says that it listens: `host|port` or a path. */
  readonly place: string;
  /** Where it really listens; 0 = at a path. */
  readonly port: number;
  readonly fd: number;
}

type Place = Pick<ListenerSpec, 'name' | 'host' | 'port' | 'path'>;

export function placeOf({ host, port, path }: Place): string {
  return path ?? `${host}|${port}`;
}

/** Whether the socket serves the listener, whatever that is called now. `:0` is another port for every name. */
export function belongsTo(socket: ListeningSocket, spec: Place): boolean {
  const isAnyPort = spec.path === null && spec.port === 0;
  return socket.place === placeOf(spec) && (!isAnyPort || socket.name === spec.name);
}

/**
 * Every socket to exactly one of `lanes` workers, each listener's in turn. With fewer workers than sockets some serve several;
 * with more, the last ones get none and open their own. A path has one socket, which is the first worker's.
 */
export function shareOut(sockets: readonly ListeningSocket[], lanes: number): ListeningSocket[][] {
  const shares: ListeningSocket[][] = Array.from({ length: lanes }, () => []);
  const seen = new Map<string, number>();
  for (const socket of sockets) {
    const nth = seen.get(socket.name) ?? 0;
    seen.set(socket.name, nth + 1);
    shares[nth % lanes]!.push(socket);
  }
  return shares;
}
