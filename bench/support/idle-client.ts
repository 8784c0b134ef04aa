// Clients that rest: opens connections, asks once on each, prints how many are open as JSON, and holds them until it is ended.
// From several loopback addresses, since one has some 28,000 ports. node idle-client.ts PORT COUNT plain|tls

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** At a time: under any listen backlog, and under a bound on handshakes. */
const BATCH = 50;
const ADDRESSES = 8;
const TIMEOUT_MS = 20_000;

const [port, count] = process.argv.slice(2, 4).map(Number) as [number, number];
const isTls = process.argv[4] === 'tls';
const sockets: Socket[] = [];

try {
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(BATCH, count - sockets.length) }, (_, i) => askOnce(i));
    sockets.push(...(await Promise.all(batch)));
  }
} catch (error) {
  console.error(`after ${sockets.length} connections: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
console.log(JSON.stringify({ open: openNow() }));
process.on('SIGUSR2', () => console.log(JSON.stringify({ open: openNow() })));
setInterval(() => {}, 60_000);

function openNow(): number {
  return sockets.filter((socket) => !socket.destroyed && socket.readyState === 'open').length;
}

function askOnce(i: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', localAddress: `127.0.0.${2 + ((sockets.length + i) % ADDRESSES)}` };
    const socket = isTls
      ? connectTls({ socket: connect(options), servername: 'localhost', rejectUnauthorized: false })
      : connect(options);
    const timer = setTimeout(() => reject(new Error('no answer in time')), TIMEOUT_MS);
    socket.once(isTls ? 'secureConnect' : 'connect', () => socket.write('GET /3 HTTP/1.1\r\nHost: localhost\r\n\r\n'));
    socket.on('error', reject);
    socket.on('data', (answer: Buffer) => {
      if (!answer.toString('latin1').endsWith('xxx')) return;
      clearTimeout(timer);
      resolve(socket);
    });
  });
}
