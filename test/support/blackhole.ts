// An address that never answers a SYN: a listening socket with a full accept queue, in a process that is stopped, so
// that nobody empties it. All on loopback.

import { type ChildProcess, spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { within } from './until.ts';

const SERVER =
  "const s = require('node:net').createServer(); s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port));";
/** A SYN that is not answered within this is taken for dropped; loopback answers in microseconds. */
const DROPPED_MS = 250;

export class Blackhole {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #sockets: Socket[];

  constructor(port: number, child: ChildProcess, sockets: Socket[]) {
    this.port = port;
    this.#child = child;
    this.#sockets = sockets;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#child.kill('SIGKILL');
  }
}

export async function startBlackhole(): Promise<Blackhole> {
  const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'ignore'] });
  const line = new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())));
  const port = Number(await within(5000, 'the port of the black hole', line));
  child.kill('SIGSTOP');
  const sockets: Socket[] = [];
  for (let i = 0; i < 20; i++) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    sockets.push(socket);
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      setTimeout(() => resolve(false), DROPPED_MS);
    });
    if (!connected) return new Blackhole(port, child, sockets);
  }
  child.kill('SIGKILL');
  throw new Error('the accept queue never filled up');
}
