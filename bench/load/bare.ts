// The least that Node can hold: a bare server that answers once and keeps the connection, with TLS if there is a certificate.
// node bare.ts PORT [CERT KEY]

import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

const [port, cert, key] = process.argv.slice(2);
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxxx';
const serve = (socket: Socket) => {
  socket.on('data', () => socket.write(ANSWER));
  socket.on('error', () => socket.destroy());
};
const server =
  cert && key ? createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, serve) : createServer(serve);
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 });
