// The process of everything but plain HTTP/1.1 in the soak: HTTP/2 and HTTP/1.1 over TLS, compression, WebSockets, streams of events,
// and clients that go away in the middle. Each kind begins something at a rate of its own and counts what became of it.
// Commands over IPC: `start` with ports, `end`, `tally`.

import { type ClientHttp2Session, connect as connectH2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';

/** A second. */
const RATES = { h2: 30, tls: 5, compressed: 10, webSocket: 3, events: 2, abort: 30, upload: 5 } as const;
type Kind = keyof typeof RATES;

const TIMEOUT_MS = 20_000;
const STREAMS_A_SESSION = 200;
const MESSAGES = 20;
const EVENTS_MS = 1500;

const tally: Record<Kind, { begun: number; ended: number; failed: number }> = Object.fromEntries(
  Object.keys(RATES).map((kind) => [kind, { begun: 0, ended: 0, failed: 0 }]),
) as never;
const timers = new Set<NodeJS.Timeout>();
let ports = { http: 0, https: 0 };
let session: ClientHttp2Session | null = null;
let streams = 0;

process.on('disconnect', () => process.exit(0));
process.on('message', (message: { id: number; do: 'start' | 'end' | 'tally'; ports: typeof ports }) => {
  if (message.do === 'start') start(message.ports);
  const done = message.do === 'end' ? end() : Promise.resolve();
  void done.then(() => process.send?.({ id: message.id, answer: tally }));
});

function start(to: typeof ports): void {
  ports = to;
  for (const [kind, rate] of Object.entries(RATES)) {
    timers.add(setInterval(() => void begin(kind as Kind), 1000 / rate));
  }
}

/** Nothing new; resolves when nothing is under way. */
async function end(): Promise<void> {
  for (const timer of timers) clearInterval(timer);
  timers.clear();
  while (Object.values(tally).some(({ begun, ended, failed }) => begun > ended + failed)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  session?.close();
  session = null;
}

async function begin(kind: Kind): Promise<void> {
  const counts = tally[kind];
  counts.begun++;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, TIMEOUT_MS, false);
  KINDS[kind](resolve);
  if (await promise) counts.ended++;
  else counts.failed++;
  clearTimeout(timer);
}

/** Calls back once at least: true = as it should be. */
type Done = (isGood: boolean) => void;

const KINDS: Record<Kind, (done: Done) => void> = {
  h2(done) {
    if (session === null || session.closed || session.destroyed || streams >= STREAMS_A_SESSION) {
      session?.close();
      session = connectH2(`https://127.0.0.1:${ports.https}`, { rejectUnauthorized: false });
      session.on('error', () => {});
      streams = 0;
    }
    const isPost = streams++ % 3 === 0;
    const stream = session.request({ ':path': '/', ':method': isPost ? 'POST' : 'GET', ':authority': 'localhost' });
    let status = 0;
    stream.on('response', (head) => {
      status = Number(head[':status']);
    });
    stream.on('error', () => done(false));
    stream.on('close', () => done(status === 200));
    stream.resume();
    stream.end(isPost ? 'x'.repeat(100) : undefined);
  },
  tls(done) {
    const socket = connectTls({ port: ports.https, host: '127.0.0.1', rejectUnauthorized: false });
    ask(socket, 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', done);
  },
  compressed(done) {
    const coding = ['gzip', 'br', 'zstd'][tally.compressed.begun % 3];
    const head = `GET /page HTTP/1.1\r\nHost: app.test\r\nAccept-Encoding: ${coding}\r\nConnection: close\r\n\r\n`;
    ask(connectTcp(ports.http, '127.0.0.1'), head, done);
  },
  upload(done) {
    const head = 'POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n';
    ask(connectTcp(ports.http, '127.0.0.1'), head + 'x'.repeat(200_000), done);
  },
  webSocket(done) {
    const socket = new WebSocket(`ws://127.0.0.1:${ports.http}/ws`, { headers: { Host: 'app.test' } });
    let left = MESSAGES;
    socket.on('open', () => socket.send('x'.repeat(500)));
    socket.on('message', () => (--left > 0 ? socket.send('x'.repeat(500)) : socket.close(1000)));
    socket.on('error', () => done(false));
    socket.on('close', () => done(left === 0));
  },
  events(done) {
    const socket = connectTcp(ports.http, '127.0.0.1');
    let bytes = 0;
    socket.on('connect', () => socket.write('GET /events HTTP/1.1\r\nHost: app.test\r\n\r\n'));
    socket.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    socket.on('error', () => done(false));
    socket.on('close', () => done(bytes > 300));
    setTimeout(() => socket.destroy(), EVENTS_MS);
  },
  /** Closes or resets before the answer, or in the middle of it. */
  abort(done) {
    const n = tally.abort.begun;
    const socket = connectTcp(ports.http, '127.0.0.1');
    const leave = () => {
      if (n % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    };
    socket.on('connect', () => {
      socket.write(`GET /${n % 3 === 0 ? 'large' : ''} HTTP/1.1\r\nHost: app.test\r\n\r\n`);
      if (n % 3 === 1) setTimeout(leave, n % 5);
    });
    socket.on('data', leave);
    socket.on('error', () => {});
    socket.on('close', () => done(true));
  },
};

/** Sends, reads to the end; good if the answer is 200 and whole as far as the connection says. */
function ask(socket: ReturnType<typeof connectTcp>, request: string, done: Done): void {
  let head = '';
  socket.write(request, 'latin1');
  socket.on('data', (part: Buffer) => {
    if (head.length < 12) head += part.toString('latin1', 0, 12);
  });
  socket.on('error', () => done(false));
  socket.on('close', () => done(head.startsWith('HTTP/1.1 200')));
}
