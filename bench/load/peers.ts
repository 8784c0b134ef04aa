// One small adapter a proxy: how to know that it is there, and how to start it before one origin. The same terms for all:
// one worker, keep-alive on both sides without a low limit, X-Forwarded-For, no access log, nothing on disk.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ownPackage from '../../package.json' with { type: 'json' };
import { firstLineOf, packageVersion } from '../support/machine.ts';

export interface Setup {
  readonly port: number;
  readonly originPort: number;
  /** For its configuration; removed afterwards. */
  readonly folder: string;
}

export interface Peer {
  /** null = not installed. */
  version(): string | null;
  /** What to do about that. */
  readonly install: string;
  command(setup: Setup): readonly [command: string, ...args: string[]];
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Also used for the origin (main.ts): the same daemon rules. Paths inside the folder, since / may not be writable. */
export function nginxConfig(folder: string, http: string): string {
  // As root its worker would change to a user that may not read the folder.
  const user = process.getuid?.() === 0 ? 'user root; ' : '';
  return `${user}daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log crit;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_timeout 75s; keepalive_requests 100000000;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  ${http}
}
`;
}

function nginx({ port, originPort, folder }: Setup): readonly [string, ...string[]] {
  const file = join(folder, 'nginx-proxy.conf');
  const http = `upstream origin { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_max_temp_file_size 0;
    }
  }`;
  writeFileSync(file, nginxConfig(folder, http));
  return ['nginx', '-e', join(folder, 'error.log'), '-c', file];
}

function haproxy({ port, originPort, folder }: Setup): readonly [string, ...string[]] {
  const file = join(folder, 'haproxy.cfg');
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
  timeout http-keep-alive 60s
  option http-keep-alive
  option forwardfor
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  server o 127.0.0.1:${originPort} pool-max-conn -1 pool-purge-delay 60s
`,
  );
  return ['haproxy', '-db', '-f', file];
}

function caddy({ port, originPort, folder }: Setup): readonly [string, ...string[]] {
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
  reverse_proxy 127.0.0.1:${originPort} {
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

function fermat({ port, originPort, folder }: Setup): readonly [string, ...string[]] {
  const file = join(folder, 'fermat.yaml');
  const config = {
    workers: 1,
    listeners: [{ name: 'http', address: `127.0.0.1:${port}` }],
    pools: {
      origin: { endpoints: [{ url: `http://127.0.0.1:${originPort}`, id: 'origin' }], probe: { path: '/small' } },
    },
    routes: [{ pool: 'origin' }],
    admin: { address: '127.0.0.1:0' },
    shutdown: { drainDelay: '0s', timeout: '1s' },
  };
  writeFileSync(file, JSON.stringify(config)); // JSON is YAML
  return [`${ROOT}bin/fermat`, 'run', '-c', file];
}

/** `agent` 'none' = as its README starts it: a new connection to the origin for every request. */
function nodePeer(name: string, command: string, agent: 'keep-alive' | 'none' = 'keep-alive'): Peer {
  const script = fileURLToPath(new URL(`./peers/${name}.ts`, import.meta.url));
  return {
    version: () => packageVersion(name),
    install: command,
    command: ({ port, originPort }) => [process.execPath, script, String(port), String(originPort), agent],
  };
}

/** By the name that `--peers` takes, in the order of the table. */
export const PEERS: Readonly<Record<string, Peer>> = {
  nginx: {
    version: () => firstLineOf('nginx', ['-v'])?.replace(/^.*\//, '') ?? null,
    install: 'apt-get install nginx',
    command: nginx,
  },
  haproxy: {
    version: () => /version (\S+)/.exec(firstLineOf('haproxy', ['-v']) ?? '')?.[1] ?? null,
    install: 'apt-get install haproxy',
    command: haproxy,
  },
  fermat: { version: () => ownPackage.version, install: 'npm ci', command: fermat },
  caddy: { version: () => firstLineOf('caddy', ['version']), install: 'apt-get install caddy', command: caddy },
  'http-proxy': nodePeer('http-proxy', 'npm ci'),
  'http-proxy-3': nodePeer('http-proxy-3', 'npm ci'),
  // What the first two cost as most people run them.
  'http-proxy-default': nodePeer('http-proxy', 'npm ci', 'none'),
};
