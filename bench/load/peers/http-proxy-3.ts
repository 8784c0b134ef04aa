// The baseline's maintained successor, http-proxy-3: one process, keep-alive to the origin. node http-proxy-3.ts PORT ORIGIN_PORT [keep-alive|none]

import { Agent, createServer } from 'node:http';
import type { Socket } from 'node:net';
import httpProxy from 'http-proxy-3';

const [port, originPort] = process.argv.slice(2, 4).map(Number);
const agent =
  process.argv[4] === 'none' ? {} : { agent: new Agent({ keepAlive: true, maxSockets: 1024, maxFreeSockets: 1024 }) };
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${originPort}`, ...agent, xfwd: true });
proxy.on('error', (_error, _req, res) => void (res && 'writeHead' in res ? res.writeHead(502).end() : res?.destroy()));
createServer((req, res) => proxy.web(req, res))
  .on('upgrade', (req, socket, head) => proxy.ws(req, socket as Socket, head))
  .listen(port, '127.0.0.1');
