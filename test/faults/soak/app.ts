// The process of an application for the soak: compressible pages, large bodies, an endless stream of events, WebSockets that echo.
// Prints its port; ends when its input closes.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const EVENT_MS = 200;
const PAGE = '<p>All that moves is lighter than it looks.</p>\n'.repeat(500);
const LARGE = Buffer.alloc(1 << 20, 'x');

const server = createServer((request, response) => {
  request.resume();
  switch (request.url) {
    case '/events': {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const timer = setInterval(() => response.write(`data: ${Date.now()}\n\n`), EVENT_MS);
      response.on('close', () => clearInterval(timer));
      return;
    }
    case '/page':
      response.writeHead(200, { 'Content-Type': 'text/html' });
      response.end(PAGE);
      return;
    case '/large':
      response.writeHead(200, { 'Content-Length': LARGE.length });
      response.end(LARGE);
      return;
    default:
      request.on('end', () => response.end('ok'));
  }
});
server.keepAliveTimeout = 60_000;
const sockets = new WebSocketServer({ server, path: '/ws' });
sockets.on('connection', (socket) => {
  socket.on('message', (data) => socket.send(data));
  socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as { port: number }).port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
