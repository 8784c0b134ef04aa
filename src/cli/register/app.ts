// An app that runs as our child while it is registered: started, waited for until its port accepts connections, and ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { parseEndpointUrl } from '../../control/config/values.ts';

const KNOCK_MS = 100;
const CANNOT_RUN = 127;

export class App {
  readonly #command: readonly string[];
  readonly #url: string;
  readonly #complain: (line: string) => void;
  readonly #accepting = Promise.withResolvers<true>();
  readonly #ended = Promise.withResolvers<number>();
  #child: ChildProcess | null = null;
  #hasEnded = false;

  /** `url`: where it will accept connections. */
  constructor(command: readonly string[], url: string, complain: (line: string) => void) {
    this.#command = command;
    this.#url = url;
    this.#complain = complain;
  }

  /** Resolves when its port accepts connections; stays open when that never comes. */
  get accepting(): Promise<true> {
    return this.#accepting.promise;
  }

  /** Its exit code, 128 + n for signal n, 127 when it cannot be run. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  start(): void {
    const [file, ...args] = this.#command as [string, ...string[]];
    // Who registers is not the app's business: what breaks into that shall not put endpoints into the pool.
    const { FERMAT_REGISTER_TOKEN: _, ...env } = process.env;
    this.#child = spawn(file, args, { stdio: 'inherit', env });
    this.#child.once('error', (error) => {
      this.#complain(`fermat: ${file} cannot be run: ${error.message}`);
      this.#end(CANNOT_RUN);
    });
    this.#child.once('exit', (code, signal) => this.#end(code ?? 128 + (constants.signals[signal ?? 'SIGKILL'] ?? 0)));
    this.#knock();
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#child?.kill(signal);
  }

  #end(code: number): void {
    this.#hasEnded = true;
    this.#ended.resolve(code);
  }

  #knock(): void {
    if (this.#hasEnded) return;
    const parsed = parseEndpointUrl(this.#url);
    if (typeof parsed === 'string') throw new TypeError(`expected a checked URL, got ${this.#url}`);
    const socket = connect({ host: parsed.host, port: parsed.port });
    socket.setTimeout(1000, () => socket.destroy());
    socket.once('connect', () => {
      this.#accepting.resolve(true);
      socket.removeAllListeners('close');
      socket.destroy();
    });
    socket.once('error', () => {});
    socket.once('close', () => setTimeout(() => this.#knock(), KNOCK_MS));
  }
}
