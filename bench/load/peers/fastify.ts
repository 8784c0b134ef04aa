// @fastify/http-proxy as its README starts it (undici to the origin), WebSockets on. node fastify.ts PORT ORIGIN_PORT

import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';

const [port, originPort] = process.argv.slice(2, 4).map(Number);
const server = Fastify();
server.register(httpProxy, { upstream: `http://127.0.0.1:${originPort}`, http2: false, websocket: true });
await server.listen({ port: port!, host: '127.0.0.1' });
