// Fermat as a user runs it: metrics, scoring, probes and time-outs on. What differs from the defaults is what all peers
// have alike (pooled connections stay for 60 s) or what a bench needs (any port for the admin API, no drain).

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ownPackage from '../../../package.json' with { type: 'json' };
import { endpointHosts, routesOf } from '../scale.ts';
import type { Command, Peer, Setup } from './setup.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/fermat', import.meta.url));

function command(setup: Setup): Command {
  const { port, originPort, folder, listener, certificate, workers, routes, endpoints, origin, probe } = setup;
  const file = join(folder, 'fermat.yaml');
  const tls = { certificates: [{ cert: certificate.cert, key: certificate.key }] };
  const config = {
    workers,
    listeners: [{ name: 'in', address: `127.0.0.1:${port}`, ...(listener === 'tls' ? { tls } : {}) }],
    limits: { connections: 16384, idleTimeout: '10m' },
    pools: {
      origin: {
        endpoints: endpointHosts(endpoints).map((host, i) => ({ url: `http://${host}:${originPort}`, id: `o${i}` })),
        probe: origin === 'http' && probe !== 'tcp' ? { path: '/small' } : { type: 'tcp' },
        timeouts: { idle: '60s' },
      },
    },
    routes: routes === 1 ? [{ pool: 'origin' }] : routesOf(routes).map((route) => ({ ...route, pool: 'origin' })),
    admin: { address: '127.0.0.1:0' },
    shutdown: { drainDelay: '0s', timeout: '1s' },
  };
  writeFileSync(file, JSON.stringify(config)); // JSON is YAML
  return [LAUNCHER, 'run', '-c', file];
}

export const fermat: Peer = { version: () => ownPackage.version, install: 'npm ci', command };
