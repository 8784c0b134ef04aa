// The process that is to take over, as the one that gives sees it: started from the same installation (which may have been
// upgraded under its path), handed the listening sockets, and waited for. Once it is ready it is told what is still counted
// here, and nothing else; if it does not get so far it is ended, and nothing has changed.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ListeningSocket } from '../core/handover.ts';
import { FIRST_FD, HANDOVER_FORM, type Handover, readAnswer, SUCCESSOR_ENV, type Told } from './handover.ts';

/** A successor reads its configuration and databases, and waits for its first probes. ms */
const READY_MS = 30_000;

export type Outcome =
  | { readonly ok: true; readonly pid: number; readonly version: string }
  | { readonly ok: false; readonly isConfig: boolean; readonly problems: readonly string[] };

/** What is handed over, descriptors as this process has them. */
export type Estate = Omit<Handover, 'form'>;

export class Successor {
  readonly #child: ChildProcess;
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  readonly #onLost: (pid: number) => void;
  #settle: (outcome: Outcome) => void = () => {};

  /**
   * Its output goes where ours goes. It is no part of our session: what ends us does not end it. `onLost`: it was ready, and has
   * ended before us.
   */
  constructor(estate: Estate, onLost: (pid: number) => void) {
    this.#onLost = onLost;
    const { sockets, admin } = estate;
    const fds = [...sockets.map(({ fd }) => fd), ...(admin === null ? [] : [admin.fd])];
    const [command, args] = commandLine();
    this.#child = spawn(command, args, {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...fds],
      env: { ...process.env, [SUCCESSOR_ENV]: '1' },
      detached: true,
    });
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#listen();
    this.#child.send(handoverOf(estate), (error) => {
      if (error !== null) this.#fail([`the successor did not take what it was given: ${error.message}`]);
    });
  }

  /** It is not wanted any more, unless it has already taken over. */
  abandon(why: string): void {
    this.#fail([why]);
  }

  /** What was counted here so far. Resolves when it is on its way, or when nobody is there to hear it. */
  tell(counted: unknown): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#child.connected) return resolve();
      this.#child.send({ type: 'counted', counted } satisfies Told, () => resolve());
    });
  }

  #listen(): void {
    const child = this.#child;
    const timer = setTimeout(() => this.#fail([`not ready within ${READY_MS / 1000} s`]), READY_MS);
    child.once('error', (error) => this.#fail([`cannot be started: ${error.message}`]));
    child.once('exit', (code, signal) => this.#fail([`ended before it was ready (${signal ?? `code ${code}`})`]));
    child.on('message', (message) => {
      const answer = readAnswer(message);
      if (answer?.type === 'ready') this.#settle({ ok: true, pid: child.pid!, version: answer.version });
      else if (answer?.type === 'failed') this.#fail(answer.problems, answer.isConfig);
    });
    void this.outcome.then(({ ok }) => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.on('error', () => {}); // of a channel that the other side has closed
      if (ok) child.once('exit', () => this.#onLost(child.pid!));
      else {
        child.kill('SIGKILL'); // it may hold our sockets, and accept from them
        if (child.connected) child.disconnect();
      }
      child.unref();
      child.channel?.unref();
    });
  }

  #fail(problems: readonly string[], isConfig = false): void {
    this.#settle({ ok: false, isConfig, problems });
  }
}

function handoverOf({ sockets, admin, ...rest }: Estate): Handover {
  const moved = sockets.map((socket: ListeningSocket, i) => ({ ...socket, fd: FIRST_FD + i }));
  return {
    ...rest,
    form: HANDOVER_FORM,
    sockets: moved,
    admin: admin === null ? null : { ...admin, fd: FIRST_FD + sockets.length },
  };
}

/** As this process was started; through the launcher, which finds the runtime of what is installed now. */
function commandLine(): [string, string[]] {
  const script = process.argv[1]!;
  const launcher = resolve(dirname(script), '../bin/fermat');
  if (process.execArgv.length === 0 && existsSync(launcher)) return [launcher, process.argv.slice(2)];
  return [process.execPath, [...process.execArgv, ...process.argv.slice(1)]];
}
