// Scripted origins as the suite holds them: each a process (origin.ts) that can be killed and started again on its port, stopped,
// made to vanish, told to behave otherwise, and asked what it saw.

import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, within } from '../support/until.ts';
import { ANSWER, type Behaviour, type Command, type OriginTls, type Tally, type TlsManner } from './behaviour.ts';

const PROGRAM = join(import.meta.dirname, 'origin.ts');
const COMMAND_TIMEOUT_MS = 20_000;

/** Whoever has not ended: a suite that dies must not leave stopped processes behind. */
const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** A child that speaks in numbered commands. It is killed when this process ends, whatever ends it. */
export class Peer {
  readonly child: ChildProcess;
  #next = 1;
  readonly #waiting = new Map<number, (answer: unknown) => void>();

  constructor(program: string, args: readonly string[] = []) {
    this.child = fork(program, args, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    alive.add(this.child);
    this.child.once('exit', () => alive.delete(this.child));
    // A command to a process that has just been killed.
    this.child.on('error', () => {});
    this.child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  /** Rejects after `timeoutMs` without an answer. */
  ask<T>(command: object, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T> {
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, resolve);
    this.child.send({ ...command, id }, () => {});
    return within(timeoutMs, `an answer to ${JSON.stringify(command).slice(0, 80)}`, promise) as Promise<T>;
  }

  async kill(): Promise<void> {
    if (!alive.has(this.child)) return;
    const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.kill('SIGKILL');
    await gone;
  }
}

export class FaultyOrigin {
  port = 0;
  readonly #tls: OriginTls | null;
  #peer: Peer;
  #now = { traffic: ANSWER, probes: ANSWER, tls: 'good' as TlsManner };

  constructor(tls: OriginTls | null) {
    this.#tls = tls;
    this.#peer = new Peer(PROGRAM, [JSON.stringify(tls)]);
  }

  get url(): string {
    return `${this.#tls === null ? 'http' : 'https'}://127.0.0.1:${this.port}`;
  }

  /** Listens; after `refuse` or `kill` on the port it had, and behaves as it was told last. */
  async listen(): Promise<this> {
    await this.#peer.ask({ do: 'behave', ...this.#now } satisfies Command);
    this.port = await this.#peer.ask<number>({ do: 'listen', port: this.port } satisfies Command);
    return this;
  }

  /** Traffic does this from now on, and so do probes unless they are told otherwise. */
  async behave(traffic: Behaviour, probes: Behaviour = traffic): Promise<void> {
    this.#now = { ...this.#now, traffic, probes };
    await this.#peer.ask({ do: 'behave', ...this.#now } satisfies Command);
  }

  async speakTls(tls: TlsManner): Promise<void> {
    this.#now = { ...this.#now, tls };
    await this.#peer.ask({ do: 'behave', ...this.#now } satisfies Command);
  }

  /** The port closes, connections are reset, the process lives. */
  async refuse(): Promise<void> {
    await this.#peer.ask({ do: 'refuse' } satisfies Command);
  }

  /** SIGKILL: the kernel closes the port and resets what is open. */
  kill(): Promise<void> {
    return this.#peer.kill();
  }

  /** A new process on the old port. */
  async restart(): Promise<void> {
    this.#peer = new Peer(PROGRAM, [JSON.stringify(this.#tls)]);
    await this.listen();
  }

  /** SIGSTOP: the kernel goes on accepting, nobody answers. */
  stop(): void {
    this.#peer.child.kill('SIGSTOP');
  }

  /** From now on no SYN is answered; resolves when that is so. */
  async vanish(): Promise<void> {
    this.#peer.child.send({ do: 'vanish', id: 0 } satisfies Command & { id: number });
    const stat = `/proc/${this.#peer.child.pid}/stat`;
    await until(() => / T /.test(readFileSync(stat, 'latin1')), 'the stop of the origin');
  }

  /** After `stop` or `vanish`. */
  resume(): void {
    this.#peer.child.kill('SIGCONT');
  }

  tally(): Promise<Tally> {
    return this.#peer.ask({ do: 'tally' } satisfies Command);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer.kill();
  }
}

export async function startFaultyOrigin(tls: OriginTls | null = null): Promise<FaultyOrigin> {
  return new FaultyOrigin(tls).listen();
}
