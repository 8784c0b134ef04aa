// Each proxy before all origins, with the health checks that its users switch on: the balancing by least connections where a
// peer has it, retries as they come by default. One worker each, keep-alive on both sides, no access log.
//   fermat   everything by default: probes every 2 s, one retry elsewhere of what is safe to repeat (also after a 503)
//   nginx    passive: out for 10 s after one connect failure or time-out; then the next server (its defaults)
//   haproxy  checks every 2 s, 3 down and 2 up (its defaults); option redispatch, 3 retries of failed connects
//   caddy    checks every 2 s; passive: out for 10 s after one failure or 5xx; no retry (its default)

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nginxConfig, PEERS } from '../../load/peers.ts';
import { NODE_REGION, PLACES } from './fleet.ts';

export interface Setup {
  readonly port: number;
  /** Of Fermat; the others have none. */
  readonly adminPort: number;
  /** By place. */
  readonly originPorts: readonly number[];
  /** For its configuration; removed afterwards. */
  readonly folder: string;
}

type Command = readonly [command: string, ...args: string[]];

export interface Contender {
  /** null = not installed. */
  version(): string | null;
  readonly install: string;
  command(setup: Setup): Command;
}

const LAUNCHER = fileURLToPath(new URL('../../../bin/fermat', import.meta.url));

function fermat({ port, adminPort, originPorts, folder }: Setup): Command {
  const endpoints = PLACES.map(({ id, region }, i) => ({ id, region, url: `http://127.0.0.1:${originPorts[i]}` }));
  const config = {
    workers: 1,
    node: { region: NODE_REGION },
    listeners: [{ name: 'http', address: `127.0.0.1:${port}` }],
    pools: { main: { endpoints } },
    routes: [{ pool: 'main' }],
    admin: { address: `127.0.0.1:${adminPort}` },
    shutdown: { drainDelay: '0s', timeout: '1s' },
  };
  const file = join(folder, 'fermat.yaml');
  writeFileSync(file, JSON.stringify(config)); // JSON is YAML
  return [LAUNCHER, 'run', '-c', file];
}

function nginx({ port, originPorts, folder }: Setup): Command {
  const file = join(folder, 'nginx.conf');
  const http = `upstream origin {
    least_conn;
    ${originPorts.map((origin) => `server 127.0.0.1:${origin};`).join('\n    ')}
    keepalive 256; keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
    }
  }`;
  writeFileSync(file, nginxConfig(folder, http));
  return ['nginx', '-e', join(folder, 'error.log'), '-c', file];
}

function haproxy({ port, originPorts, folder }: Setup): Command {
  const file = join(folder, 'haproxy.cfg');
  const servers = originPorts.map((origin, i) => `  server ${PLACES[i]!.id} 127.0.0.1:${origin} check`);
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  option forwardfor
  option redispatch
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  balance leastconn
  option httpchk GET /
${servers.join('\n')}
`,
  );
  return ['haproxy', '-db', '-f', file];
}

function caddy({ port, originPorts, folder }: Setup): Command {
  const file = join(folder, 'Caddyfile');
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
  log {
    output discard
  }
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  reverse_proxy ${originPorts.map((origin) => `127.0.0.1:${origin}`).join(' ')} {
    lb_policy least_conn
    health_uri /
    health_interval 2s
    fail_duration 10s
    unhealthy_status 5xx
    transport http {
      keepalive 60s
      keepalive_idle_conns_per_host 256
      compression off
    }
  }
}
`,
  );
  return ['env', 'GOMAXPROCS=1', `HOME=${folder}`, 'caddy', 'run', '--config', file, '--adapter', 'caddyfile'];
}

function peer(name: keyof typeof PEERS, command: (setup: Setup) => Command): Contender {
  const { version, install } = PEERS[name]!;
  return { version, install, command };
}

/** By the name that `--proxies` takes, in the order of the table. */
export const PROXIES: Readonly<Record<string, Contender>> = {
  fermat: peer('fermat', fermat),
  nginx: peer('nginx', nginx),
  haproxy: peer('haproxy', haproxy),
  caddy: peer('caddy', caddy),
};
