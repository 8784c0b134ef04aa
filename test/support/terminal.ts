// A command in a real terminal: a pseudo-terminal of a given size (script(1) of util-linux opens it), keys in, the screen out.

import { type ChildProcess, spawn } from 'node:child_process';
import { until } from './until.ts';

export interface TerminalOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env?: Record<string, string>;
}

export class Terminal {
  readonly #child: ChildProcess;
  /** All that was ever written, control sequences included. */
  output = '';
  code: number | null = null;

  constructor(command: readonly string[], { columns, rows, env = {} }: TerminalOptions) {
    const line = `stty cols ${columns} rows ${rows}; exec ${command.map(quoted).join(' ')}`;
    // Named one by one: much of what a machine sets (CI, NO_COLOR, TMUX, …) decides whether a program shows colours.
    const { PATH = '', HOME = '', TMPDIR = '/tmp', LANG = 'C.UTF-8' } = process.env;
    this.#child = spawn('script', ['-qefc', line, '/dev/null'], {
      env: { PATH, HOME, TMPDIR, LANG, TERM: 'xterm-256color', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.#child.on('exit', (code) => {
      this.code = code;
    });
  }

  press(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** Lines of what was drawn last, without colours. */
  get screen(): string[] {
    const drawn = this.output.slice(this.output.lastIndexOf('\x1b[H') + 3);
    return drawn.replace(/\x1b\[[\d;?]*[A-Za-z]/g, '').split(/\r*\n/);
  }

  /** Resolves when a line of the screen matches. */
  async shows(pattern: RegExp): Promise<void> {
    await until(() => this.screen.some((line) => pattern.test(line)), `${pattern} on the screen`);
  }

  async ended(): Promise<number> {
    await until(() => this.code !== null, 'the end of the command');
    return this.code!;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
