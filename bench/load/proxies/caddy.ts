// Caddy as a proxy, on as many Go processors as workers are asked for.

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
  const file = join(folder, 'Caddyfile');
  const site =
    listener === 'tls'
      ? `https://localhost:${port} {\n  tls ${certificate.cert} ${certificate.key}`
      : `http://127.0.0.1:${port}, http://localhost:${port} {`;
  const protocols = { plain: 'h1', tls: 'h1 h2', h2c: 'h1 h2c' }[listener];
  const upstreams = endpointHosts(endpoints).map((host) => `${host}:${originPort}`);
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
  servers {
    protocols ${protocols}
  }
  log {
    output discard
  }
}
${site}
  bind 127.0.0.1
  reverse_proxy ${upstreams.join(' ')} {
    transport http {
      keepalive 60s
      keepalive_idle_conns_per_host 1024
      compression off
    }
  }
}
`,
  );
  return ['env', `GOMAXPROCS=${workers}`, `HOME=${folder}`, 'caddy', 'run', '--config', file, '--adapter', 'caddyfile'];
}

export const caddy: Peer = {
  version: () => firstLineOf('caddy', ['version']),
  install: 'apt-get install caddy',
  command,
};
