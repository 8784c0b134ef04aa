// nginx as a proxy, and the daemon's rules, which the origin (../origin.ts) shares.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstLineOf } from '../../support/machine.ts';
import { endpointHosts, PATHS_PER_HOST, routesOf } from '../scale.ts';
import type { Command, Peer, Setup } from './setup.ts';

/** Paths inside the folder, since / may not be writable. */
export function nginxConfig(folder: string, http: string, workers = 1): string {
  // As root its worker would change to a user that may not read the folder.
  const user = process.getuid?.() === 0 ? 'user root; ' : '';
  return `${user}daemon off; worker_processes ${workers}; pid ${folder}/nginx.pid; error_log ${folder}/error.log crit;
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

export function nginxCommand(folder: string, file: string): Command {
  return ['nginx', '-e', join(folder, 'error.log'), '-c', file];
}

function command(setup: Setup): Command {
  const { folder, originPort, endpoints, routes, workers } = setup;
  const file = join(folder, 'nginx-proxy.conf');
  const servers = endpointHosts(endpoints).map((host) => `server ${host}:${originPort};`);
  const http = `upstream origin { ${servers.join(' ')} keepalive 1024; keepalive_requests 100000000; }
  proxy_pass_request_headers on; proxy_http_version 1.1; proxy_max_temp_file_size 0;
  ${tlsOf(setup)}
  ${routes === 1 ? serverOf(setup, '_', ['/']) : manyServers(setup)}`;
  writeFileSync(file, nginxConfig(folder, http, workers));
  return nginxCommand(folder, file);
}

function tlsOf({ listener, certificate }: Setup): string {
  if (listener !== 'tls') return '';
  return `ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:bench:10m;`;
}

function manyServers(setup: Setup): string {
  const byHost = Map.groupBy(routesOf(setup.routes), ({ host }) => host);
  const hashes = `server_names_hash_max_size ${setup.routes * PATHS_PER_HOST};`;
  const servers = [...byHost].map(([host, routes]) =>
    serverOf(
      setup,
      host,
      routes.map(({ path }) => path),
    ),
  );
  return [hashes, ...servers].join('\n  ');
}

function serverOf({ port, listener, origin, workers }: Setup, name: string, paths: readonly string[]): string {
  const modes = { plain: '', tls: ' ssl http2', h2c: ' http2' };
  // A socket a worker, as Fermat has it; else the kernel wakes one worker for most connections.
  const listen = `listen 127.0.0.1:${port}${modes[listener]}${workers > 1 ? ' reuseport' : ''};`;
  const upgrade =
    origin === 'websocket'
      ? 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_read_timeout 1h;'
      : 'proxy_set_header Connection "";';
  const locations = paths.map(
    (path) => `location ${path} {
      proxy_pass http://origin; ${upgrade}
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
    }`,
  );
  return `server { ${listen} server_name ${name}; ${locations.join('\n    ')} }`;
}

export const nginx: Peer = {
  version: () => firstLineOf('nginx', ['-v'])?.replace(/^.*\//, '') ?? null,
  install: 'apt-get install nginx',
  command,
};
