// HAProxy as a proxy. It upgrades to HTTP/2 by ALPN, and by the preface on plain listeners.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstLineOf } from '../../support/machine.ts';
import { endpointHosts } from '../scale.ts';
import type { Command, Peer, Setup } from './setup.ts';

function command({
  port,
  originPort,
  folder,
  listener,
  certificate,
  workers,
  routes,
  endpoints,
}: Setup): Command | null {
  if (routes > 1) return null;
  const file = join(folder, 'haproxy.cfg');
  const tls = listener === 'tls' ? ` ssl crt ${certificate.both} alpn h2,http/1.1 ssl-min-ver TLSv1.2` : '';
  const servers = endpointHosts(endpoints).map(
    (host, i) => `  server o${i} ${host}:${originPort} pool-max-conn -1 pool-purge-delay 60s`,
  );
  writeFileSync(
    file,
    `global
  nbthread ${workers}
  maxconn 4096
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-keep-alive 60s
  option http-keep-alive
  option forwardfor
  http-reuse always
frontend in
  bind 127.0.0.1:${port}${tls}
  default_backend origin
backend origin
${servers.join('\n')}
`,
  );
  return ['haproxy', '-db', '-f', file];
}

export const haproxy: Peer = {
  version: () => /version (\S+)/.exec(firstLineOf('haproxy', ['-v']) ?? '')?.[1] ?? null,
  install: 'apt-get install haproxy',
  command,
};
