// WebSocket load: on each connection one message is on its way, and the next follows its echo. Frames by hand, since a
// library would cost this core more than the proxy costs the other. Prints a LoadResult as JSON.
// node websocket-client.ts URL CONNECTIONS MESSAGE_BYTES SECONDS

import { connect, type Socket } from 'node:net';
import { quantileOf } from './report.ts';

const HANDSHAKE_TIMEOUT_MS = 5000;
const TWO_BYTE_LENGTH = 126;

const [url, connections, messageBytes, seconds] = [
  new URL(process.argv[2]!),
  ...process.argv.slice(3).map(Number),
] as unknown as readonly [URL, number, number, number];

const frame = maskedFrame(messageBytes);
const echoBytes = frame.length - 4; // answers are not masked
const latenciesMs: number[] = [];
let errors = 0;
let isOver = false;

const sockets = await Promise.all(Array.from({ length: connections }, open));
const startMs = performance.now();
for (const socket of sockets) pingPong(socket);
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
isOver = true;
const tookS = (performance.now() - startMs) / 1000;
for (const socket of sockets) socket.destroy();
const result = {
  requests: latenciesMs.length,
  seconds: tookS,
  bytes: latenciesMs.length * echoBytes,
  p50Ms: quantileOf(latenciesMs, 0.5),
  p99Ms: quantileOf(latenciesMs, 0.99),
  errors,
};
console.log(JSON.stringify(result));

/** A text message from a client; the mask is all zeros, which costs neither side anything special. */
function maskedFrame(length: number): Buffer {
  const isLong = length >= TWO_BYTE_LENGTH;
  const head = isLong ? Buffer.from([0x81, 0x80 | TWO_BYTE_LENGTH, length >> 8, length & 255]) : [0x81, 0x80 | length];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), Buffer.alloc(length, 'x')]);
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname);
    const timer = setTimeout(() => reject(new Error('no handshake in time')), HANDSHAKE_TIMEOUT_MS);
    let head = '';
    const take = (bytes: Buffer) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      clearTimeout(timer);
      socket.off('data', take);
      if (head.startsWith('HTTP/1.1 101 ')) resolve(socket);
      else reject(new Error(`handshake answered ${head.slice(0, 200)}`));
    };
    socket.setNoDelay();
    socket.on('data', take);
    socket.on('error', reject);
    socket.write(
      `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
  });
}

function pingPong(socket: Socket): void {
  let received = 0;
  let sentMs = performance.now();
  const lost = () => {
    if (!isOver) errors++;
    socket.destroy();
  };
  socket.on('data', (bytes: Buffer) => {
    received += bytes.length;
    if (received < echoBytes || isOver) return;
    if (received > echoBytes) return lost();
    received = 0;
    const nowMs = performance.now();
    latenciesMs.push(nowMs - sentMs);
    sentMs = nowMs;
    socket.write(frame);
  });
  socket.on('error', lost);
  socket.on('end', lost);
  socket.write(frame);
}
