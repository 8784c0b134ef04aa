// Peers written in JavaScript: one small script each in ../peers, started on our own Node. `agent` none = as the README of
// http-proxy starts it: a new connection to the origin for every request.

import { fileURLToPath } from 'node:url';
import { packageVersion } from '../../support/machine.ts';
import type { Peer } from './setup.ts';

interface Abilities {
  readonly package: string;
  readonly script: string;
  readonly agent?: 'keep-alive' | 'none';
  readonly speaksWebSocket: boolean;
}

/** One process, plain HTTP/1.1 to one origin: the rest is not what these are for. */
export function nodePeer({ package: name, script, agent = 'keep-alive', speaksWebSocket }: Abilities): Peer {
  const file = fileURLToPath(new URL(`../peers/${script}.ts`, import.meta.url));
  return {
    version: () => packageVersion(name),
    install: 'npm ci',
    command({ port, originPort, listener, workers, routes, endpoints, origin }) {
      const isOther = listener !== 'plain' || workers > 1 || routes > 1 || endpoints > 1;
      if (isOther || (origin === 'websocket' && !speaksWebSocket)) return null;
      return [process.execPath, file, String(port), String(originPort), agent];
    },
  };
}
