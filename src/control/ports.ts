// Whether a listener can be opened, asked before any worker tries. Workers share their ports (SO_REUSEPORT), so the system
// would let a second Fermat share them too, without a word; a bind that does not share tells.

import { type Stats, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';
import type { ListenerSpec } from '../core/snapshot.ts';

/** Null when the place is free, else a sentence that says what is wrong and what to do. */
export async function whyNotListen(
  spec: Pick<ListenerSpec, 'name' | 'host' | 'port' | 'path'>,
): Promise<string | null> {
  if (spec.path !== null) return whyNotPath(spec.path);
  if (spec.port === 0) return null;
  const error = await bind(spec.host, spec.port);
  if (error === null) return null;
  return sentence(
    `${spec.host.includes(':') ? `[${spec.host}]` : spec.host}:${spec.port}`,
    error.code ?? '',
    error.message,
  );
}

/** A socket on which nobody answers was left by a process that was killed, and is replaced. Anything else is somebody's. */
async function whyNotPath(path: string): Promise<string | null> {
  const there = statOf(path);
  if (there === null) return statOf(dirname(path)) === null ? `${path} needs its directory, which is not there` : null;
  if (!there.isSocket()) return `${path} is there already and is no socket: choose another path, or move it away`;
  return (await answers(path)) ? `${path} is in use by another process` : null;
}

/** Null when nothing is there, or nothing that one may know of: then the bind tells. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}

type Place = Pick<ListenerSpec, 'name' | 'host' | 'port' | 'path'>;

/** One sentence for every listener that is not among those that `ours` already holds and cannot be opened. */
export async function whyNotListenAll(wanted: readonly Place[], ours: readonly Place[]): Promise<string[]> {
  const problems: string[] = [];
  for (const spec of wanted) {
    if (ours.some((held) => isSamePlace(held, spec))) continue;
    const problem = await whyNotListen(spec);
    if (problem !== null) problems.push(`listener ${spec.name}: ${problem}`);
  }
  return problems;
}

/** `:0` is another port for every name. */
function isSamePlace(a: Place, b: Place): boolean {
  return a.host === b.host && a.port === b.port && a.path === b.path && (a.port !== 0 || a.name === b.name);
}

/** What a failed bind means for who reads it. */
export function sentence(address: string, code: string, message: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `${address} is in use: stop what listens there (ss -ltnp shows it) or choose another port`;
    case 'EACCES':
      return `${address} needs a privilege: use a port from 1024 on, or grant CAP_NET_BIND_SERVICE`;
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this machine`;
    default:
      return `${address} cannot be listened on: ${message}`;
  }
}

function bind(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(error));
    server.listen({ port, exclusive: true, ...(host === '' ? {} : { host }) }, () => server.close(() => resolve(null)));
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
