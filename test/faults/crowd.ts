// The process of a crowd of slow clients: some never end their heads, some hardly read what they asked for. Whoever is closed comes
// again, so that the crowd stays as large as it is told to be. A process of its own, so that its work is in nobody's figures.

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FLAGS, frameOf, PREFACE_AND_SETTINGS, requestFrame, TYPES, windowFrame } from './h2-bytes.ts';

/** What they speak. */
export type Way = 'h1' | 'tls' | 'h2c';

export interface CrowdPlan {
  readonly port: number;
  readonly way: Way;
  /** Connections whose head gets one byte a second. */
  readonly heads: number;
  /** Connections (over h2c, of READERS_PER_SESSION streams each) that ask for `path` and take a little of it a second. */
  readonly readers: number;
  readonly path: string;
}

export interface CrowdCounts {
  readonly heads: number;
  readonly readers: number;
  /** Connections that the proxy has ended so far. */
  readonly closed: number;
  /** Of bodies, by all. */
  readonly bytes: number;
}

const TICK_MS = 1000;
/** Of an answer's bytes, taken in a second. */
const SIP_BYTES = 256;
/** Connects in one turn of 10 ms: a crowd, not a flood. */
const ARRIVALS = 10;
const READERS_PER_SESSION = 10;
/** A loopback address each for so many, since they are no one client. */
const PER_ADDRESS = 50;

let plan: CrowdPlan | null = null;
let made = 0;
const heads = new Set<Member>();
const readers = new Set<Member>();
const counts = { closed: 0, bytes: 0 };

process.on('disconnect', () => process.exit(0));
process.on('message', (message: { id: number; do: 'gather' | 'count' | 'leave'; plan: CrowdPlan }) => {
  if (message.do === 'gather') plan = message.plan;
  if (message.do === 'leave') {
    plan = null;
    for (const member of [...heads, ...readers]) member.leave();
  }
  process.send?.({
    id: message.id,
    answer: { ...counts, heads: heads.size, readers: streams() } satisfies CrowdCounts,
  });
});
setInterval(gather, 10);
setInterval(() => {
  for (const member of heads) member.drip();
  for (const member of readers) member.sip();
}, TICK_MS);

function streams(): number {
  return readers.size * (plan?.way === 'h2c' ? READERS_PER_SESSION : 1);
}

function gather(): void {
  for (let i = 0; i < ARRIVALS && plan !== null; i++) {
    if (heads.size < plan.heads) heads.add(new Member(plan, false));
    else if (streams() < plan.readers) readers.add(new Member(plan, true));
    else return;
  }
}

class Member {
  readonly #socket: Socket;
  readonly #plan: CrowdPlan;
  #hasLeft = false;

  constructor(plan: CrowdPlan, isReader: boolean) {
    this.#plan = plan;
    const n = made++;
    const where = {
      port: plan.port,
      host: '127.0.0.1',
      localAddress: `127.0.1.${1 + (Math.floor(n / PER_ADDRESS) % 200)}`,
    };
    // A reader over HTTP/1.1 reads so little at a time, and stops; over HTTP/2 the windows do that, and the socket is read.
    const buffer = Buffer.alloc(isReader && plan.way !== 'h2c' ? SIP_BYTES : 4096);
    const isSipping = isReader && plan.way !== 'h2c';
    const onread = {
      buffer,
      callback: (bytes: number) => {
        if (isReader) counts.bytes += bytes;
        return !isSipping;
      },
    };
    const options = { ...where, onread, noDelay: true };
    const socket = plan.way === 'tls' ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!this.#hasLeft) counts.closed++;
      (isReader ? readers : heads).delete(this);
    });
    if (isReader) this.#ask();
    else this.#begin();
  }

  /** The beginning of a head. */
  #begin(): void {
    if (this.#plan.way !== 'h2c') {
      this.#socket.write('GET / HTTP/1.1\r\nHost: example.com\r\nX-Slow: ', 'latin1');
      return;
    }
    const section = Buffer.from([0x82, 0x86, 0x84]);
    this.#socket.write(
      Buffer.concat([PREFACE_AND_SETTINGS, frameOf(TYPES.HEADERS, FLAGS.END_STREAM, 1, section, 8000)]),
    );
  }

  #ask(): void {
    if (this.#plan.way !== 'h2c') {
      this.#socket.write(`GET ${this.#plan.path} HTTP/1.1\r\nHost: example.com\r\n\r\n`, 'latin1');
      return;
    }
    const requests = Array.from({ length: READERS_PER_SESSION }, (_, i) => requestFrame(1 + 2 * i, this.#plan.path));
    this.#socket.write(Buffer.concat([PREFACE_AND_SETTINGS, ...requests]));
  }

  drip(): void {
    this.#socket.write('x');
  }

  sip(): void {
    if (this.#plan.way !== 'h2c') this.#socket.resume();
    else {
      const windows = Array.from({ length: READERS_PER_SESSION }, (_, i) => windowFrame(1 + 2 * i, SIP_BYTES));
      this.#socket.write(Buffer.concat([windowFrame(0, SIP_BYTES * READERS_PER_SESSION), ...windows]));
    }
  }

  leave(): void {
    this.#hasLeft = true;
    if (this.#plan.way === 'tls') this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}
