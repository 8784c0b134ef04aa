// The process of a scripted origin: a bare socket server that behaves as it is told over IPC and counts what it sees. A process
// of its own, so that it can be killed and stopped, and so that a late event loop here is not the proxy's.
// It ends when the suite's end of the channel closes.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { ChunkedBody, framingOf, headLength, parseHead } from '../support/message.ts';
import {
  ANSWER,
  type Behaviour,
  type Command,
  monotonicMs,
  type OriginTls,
  PROBE_PATH,
  type Tally,
  type TlsManner,
} from './behaviour.ts';

/** SYNs beyond this are dropped once the process stands still; the system's minimum is one more. */
const BACKLOG = 64;
/** Connections that fill the backlog from within. */
const FILLERS = BACKLOG + 16;
const PIECE = Buffer.alloc(64 << 10, 'x');
const MAX_ARRIVALS = 500_000;

const tls: OriginTls | null = JSON.parse(process.argv[2] ?? 'null');
const contexts = new Map(
  Object.entries(tls?.certificates ?? {}).map(([manner, pair]) => [manner, createSecureContext(pair)]),
);

let server: Server | null = null;
let traffic: Behaviour = ANSWER;
let probes: Behaviour = ANSWER;
let manner: TlsManner = 'good';
let probesNow = 0;
const open = new Set<Socket>();
const seen = {
  port: 0,
  connections: 0,
  requests: 0,
  probes: 0,
  mostProbesAtOnce: 0,
  bodyBytes: 0,
  plaintext: 0,
  malformed: 0,
  arrivalsMs: [] as number[],
  probesMs: [] as number[],
};

process.on('disconnect', () => process.exit(0));
process.on('message', (message: Command & { readonly id: number }) => {
  void run(message).then((answer) => process.send?.({ id: message.id, answer }));
});

async function run(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'listen':
      return listen(command.port);
    case 'refuse':
      return refuse();
    case 'vanish':
      return vanish();
    case 'behave':
      ({ traffic, probes, tls: manner } = command);
      return null;
    default:
      return { ...seen, openConnections: open.size } satisfies Tally;
  }
}

async function listen(port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server = createServer({ allowHalfOpen: true }, accept);
  server.once('error', reject);
  server.listen({ port, host: '127.0.0.1', backlog: BACKLOG }, resolve);
  await promise;
  seen.port = (server.address() as { port: number }).port;
  return seen.port;
}

/** The port closes, and connections are reset. */
async function refuse(): Promise<null> {
  const closing = server;
  server = null;
  const closed = new Promise<void>((resolve) => (closing === null ? resolve() : closing.close(() => resolve())));
  for (const socket of open) reset(socket);
  await closed;
  return null;
}

/**
 * As if the host were gone, for whoever connects: in one turn of the event loop the accept queue is filled from within, connections
 * are reset and the process stops itself, so that no SYN is answered until it is continued. Nothing can slip in between.
 */
function vanish(): null {
  for (let i = 0; i < FILLERS; i++) connect({ port: seen.port, host: '127.0.0.1' }).on('error', () => {});
  // Connects to an address begin on the next tick.
  process.nextTick(() =>
    process.nextTick(() => {
      for (const socket of open) reset(socket);
      process.kill(process.pid, 'SIGSTOP');
    }),
  );
  return null;
}

function reset(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

function accept(raw: Socket): void {
  seen.connections++;
  open.add(raw);
  raw.setNoDelay(true);
  raw.on('error', () => {});
  raw.on('close', () => open.delete(raw));
  if (tls === null) return void new Reader(raw);
  if (manner === 'silent') return void raw.resume();
  if (manner === 'plaintext') return void new Reader(raw);
  const socket = new TLSSocket(raw, { isServer: true, secureContext: contexts.get(manner)! });
  socket.on('error', () => raw.destroy());
  socket.on('close', () => raw.destroy());
  void new Reader(socket);
}

/** Cuts the bytes of a connection into requests; each begins to be answered when its body is in. */
class Reader {
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #left = 0;
  #chunked: ChunkedBody | null = null;
  #isInBody = false;
  #isProbe = false;
  #isHead = false;
  #isProbing = false;
  /** The probe in hand is over: answered, or its connection is gone. */
  readonly #probed = (): void => {
    if (this.#isProbing) probesNow--;
    this.#isProbing = false;
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => socket.end());
    socket.on('close', this.#probed);
  }

  #take(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    try {
      while (this.#isInBody ? this.#body() : this.#head()) {}
    } catch {
      seen.malformed++;
      this.#socket.destroy();
    }
  }

  #head(): boolean {
    const length = headLength(this.#pending);
    if (length < 0) {
      // A handshake where plain text is spoken: what an origin says that was configured without TLS.
      if (tls !== null && manner === 'plaintext' && this.#pending[0] === 0x16) {
        this.#pending = Buffer.alloc(0);
        this.#socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
      }
      return false;
    }
    const message = parseHead(this.#pending.toString('latin1', 0, length));
    this.#pending = this.#pending.subarray(length);
    if (tls !== null && manner === 'plaintext') seen.plaintext++;
    const [method, target] = message.start.split(' ') as [string, string];
    this.#isProbe = target === PROBE_PATH;
    this.#isHead = method === 'HEAD';
    this.#count();
    const framing = framingOf(message);
    this.#left = framing.kind === 'length' ? framing.length : 0;
    this.#chunked =
      framing.kind === 'chunked'
        ? new ChunkedBody((bytes) => {
            seen.bodyBytes += bytes.length;
          })
        : null;
    this.#isInBody = true;
    if (this.#behaviour.kind === 'reset') reset(this.#socket);
    return true;
  }

  #count(): void {
    if (this.#isProbe) {
      seen.probes++;
      seen.mostProbesAtOnce = Math.max(seen.mostProbesAtOnce, ++probesNow);
      if (seen.probesMs.length < MAX_ARRIVALS) seen.probesMs.push(monotonicMs());
      this.#isProbing = true;
      return;
    }
    seen.requests++;
    if (seen.arrivalsMs.length < MAX_ARRIVALS) seen.arrivalsMs.push(monotonicMs());
  }

  get #behaviour(): Behaviour {
    return this.#isProbe ? probes : traffic;
  }

  #body(): boolean {
    if (this.#chunked !== null) {
      this.#pending = this.#pending.subarray(this.#chunked.take(this.#pending));
      if (!this.#chunked.isDone) return false;
    } else if (this.#left > 0) {
      const taken = Math.min(this.#left, this.#pending.length);
      seen.bodyBytes += taken;
      this.#left -= taken;
      this.#pending = this.#pending.subarray(taken);
      if (this.#left > 0) return false;
    }
    this.#isInBody = false;
    const answered = behave(this.#socket, this.#behaviour, this.#isHead);
    if (this.#isProbe && this.#behaviour.kind !== 'silent') void answered.then(this.#probed);
    return this.#pending.length > 0;
  }
}

async function behave(socket: Socket, behaviour: Behaviour, isHead: boolean): Promise<void> {
  if (behaviour.kind === 'bytes') {
    socket.write(behaviour.text, 'latin1');
    if (behaviour.ending === 'end') socket.end();
    // Behind the bytes: a reset at once would take them along.
    if (behaviour.ending === 'reset') setTimeout(() => reset(socket), 20);
    return;
  }
  if (behaviour.kind !== 'answer') return;
  const { status = 200, headMs = 0, bodyBytes = 2, pieces = 1, pieceMs = 0, fields = '' } = behaviour;
  const { lateShare = 0, lateMs = 0 } = behaviour;
  const waitMs = Math.random() < lateShare ? lateMs : headMs;
  if (waitMs > 0) await pause(waitMs);
  const head = `HTTP/1.1 ${status} Reason\r\nContent-Length: ${bodyBytes}\r\n${fields}\r\n`;
  if (isHead) return void socket.write(head, 'latin1');
  if (pieces === 1 && bodyBytes <= PIECE.length) return void socket.write(head + 'x'.repeat(bodyBytes), 'latin1');
  socket.write(head, 'latin1');
  for (let i = 0; i < pieces; i++) {
    if (i > 0 && pieceMs > 0) await pause(pieceMs);
    await pour(
      socket,
      i === pieces - 1 ? bodyBytes - i * Math.floor(bodyBytes / pieces) : Math.floor(bodyBytes / pieces),
    );
  }
}

/** So many bytes, no faster than they are taken. */
async function pour(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0 && socket.writable; left -= PIECE.length) {
    if (socket.write(left >= PIECE.length ? PIECE : PIECE.subarray(0, left))) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        socket.off('drain', go);
        socket.off('close', go);
        resolve();
      };
      socket.on('drain', go);
      socket.on('close', go);
    });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
