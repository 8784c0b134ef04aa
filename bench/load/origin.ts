// What all proxies stand before: nginx with answers of three sizes, and an echo of WebSocket messages. Both beside the load
// generator's core, never on the proxy's.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepting, freePort, type Running, start } from '../support/process.ts';
import { nginxCommand, nginxConfig } from './proxies/nginx.ts';
import { endpointHosts } from './scale.ts';

export const SMALL_BODY = JSON.stringify({
  id: 4711,
  name: 'a small answer',
  ok: true,
  note: 'about 130 bytes of JSON, as an API would say'.padEnd(70, '.'),
});

/** Path → bytes of the answer; any other path is answered as /small is. */
export const ANSWERS: Readonly<Record<string, number>> = {
  '/small': SMALL_BODY.length,
  '/16k': 2 ** 14,
  '/1m': 2 ** 20,
};

const ECHO = fileURLToPath(new URL('./echo.ts', import.meta.url));

export interface Origin {
  readonly port: number;
  readonly running: Running;
}

/** Listens on as many loopback addresses as `endpoints` asks for, and on 127.0.0.1. */
export async function startOrigin(folder: string, core: number | string, endpoints = 1): Promise<Origin> {
  const port = await freePort();
  const own = join(folder, 'origin');
  mkdirSync(own, { recursive: true });
  for (const path of ['/16k', '/1m']) writeFileSync(own + path, Buffer.alloc(ANSWERS[path]!, 'x'));
  const hosts = new Set(['127.0.0.1', ...endpointHosts(endpoints)]);
  const http = `client_body_buffer_size 64k;
  server {
    ${[...hosts].map((host) => `listen ${host}:${port} backlog=4096;`).join(' ')}
    location / { default_type application/json; return 200 '${SMALL_BODY}'; }
    location = /16k { root ${own}; }
    location = /1m { root ${own}; }
  }`;
  const file = join(own, 'nginx.conf');
  writeFileSync(file, nginxConfig(own, http));
  const [command, ...args] = nginxCommand(own, file);
  return accepted(port, start(core, command, args));
}

export async function startEcho(core: number | string): Promise<Origin> {
  const port = await freePort();
  return accepted(port, start(core, process.execPath, [ECHO, String(port)]));
}

async function accepted(port: number, running: Running): Promise<Origin> {
  await accepting(port, running);
  return { port, running };
}
