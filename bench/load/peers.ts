// Every proxy of the benches by the name that `--peers` takes, in the order of the table.

import { caddy } from './proxies/caddy.ts';
import { fermat } from './proxies/fermat.ts';
import { haproxy } from './proxies/haproxy.ts';
import { nginx } from './proxies/nginx.ts';
import { nodePeer } from './proxies/node.ts';
import type { Peer } from './proxies/setup.ts';

export { nginxConfig } from './proxies/nginx.ts';
export type { Peer } from './proxies/setup.ts';

export const PEERS: Readonly<Record<string, Peer>> = {
  nginx,
  haproxy,
  fermat,
  caddy,
  'http-proxy': nodePeer({ package: 'http-proxy', script: 'http-proxy', speaksWebSocket: true }),
  'http-proxy-3': nodePeer({ package: 'http-proxy-3', script: 'http-proxy-3', speaksWebSocket: true }),
  '@fastify/http-proxy': nodePeer({ package: '@fastify/http-proxy', script: 'fastify', speaksWebSocket: true }),
  'fast-proxy': nodePeer({ package: 'fast-proxy', script: 'fast-proxy', speaksWebSocket: false }),
  // What the baseline costs as most people run it.
  'http-proxy-default': nodePeer({
    package: 'http-proxy',
    script: 'http-proxy',
    agent: 'none',
    speaksWebSocket: true,
  }),
};
