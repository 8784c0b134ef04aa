// The whole terminal for one view: the other screen, no cursor, keys as they come, its size as it changes. Drawn over what stands
// there, so that nothing flickers; `restore` puts everything back. Ctrl-Z gives the terminal to the shell, `fg` takes it again.

const TAKE = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const GIVE_BACK = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const CTRL_Z = '\x1a';
/** By then a stop has come about, or there is no shell that could go on with us, and so none. ms */
const STOPPED_BY_MS = 50;
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';
/** What terminals send for keys that are not characters (xterm, with and without application mode). */
const NAMED: Readonly<Record<string, string>> = {
  '\x1b[A': 'up',
  '\x1bOA': 'up',
  '\x1b[B': 'down',
  '\x1bOB': 'down',
  '\x1b[5~': 'pageup',
  '\x1b[6~': 'pagedown',
};

/** A sequence as ECMA-48 has it, or as of the application mode, or one character. */
const KEY = /\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\x1bO.|[\s\S]/g;

export interface ScreenOptions {
  /** A character, or `up`, `down`, `pageup`, `pagedown`. */
  readonly onKey: (key: string) => void;
  readonly onResize: () => void;
}

export class Screen {
  readonly #options: ScreenOptions;
  readonly #onData = (bytes: Buffer) => {
    for (const key of keysOf(bytes.toString('latin1'))) {
      if (key === CTRL_Z) this.#onStop();
      else this.#options.onKey(key);
    }
  };
  /** Told to stop, by a key or from outside: not before the shell has its terminal back. */
  readonly #onStop = () => {
    if (!this.#isTaken) return;
    this.#giveBack();
    process.off('SIGTSTP', this.#onStop);
    process.kill(0, 'SIGTSTP'); // all of the job, as the terminal would have done it
    this.#again = setTimeout(this.#onContinue, STOPPED_BY_MS);
  };
  /** The shell has changed the modes of the terminal meanwhile, also after a SIGSTOP, which nobody is told of. */
  readonly #onContinue = () => {
    clearTimeout(this.#again);
    process.off('SIGTSTP', this.#onStop).on('SIGTSTP', this.#onStop);
    this.#take();
    this.#options.onResize();
  };
  #again: NodeJS.Timeout | undefined;
  #isTaken = false;
  readonly #onResize = () => this.#options.onResize();

  constructor(options: ScreenOptions) {
    this.#options = options;
    process.stdout.on('resize', this.#onResize);
    if (process.stdin.isTTY) process.stdin.on('data', this.#onData);
    process.on('SIGTSTP', this.#onStop).on('SIGCONT', this.#onContinue);
    this.#take();
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  draw(lines: readonly string[]): void {
    if (!this.#isTaken) return;
    const shown = lines.slice(0, this.rows).map((line) => `${line}${REST_OF_LINE}`);
    process.stdout.write(`${HOME}${shown.join('\n')}${REST_OF_SCREEN}`);
  }

  restore(): void {
    clearTimeout(this.#again);
    process.off('SIGTSTP', this.#onStop).off('SIGCONT', this.#onContinue);
    process.stdout.off('resize', this.#onResize);
    process.stdin.off('data', this.#onData);
    if (this.#isTaken) this.#giveBack();
  }

  #take(): void {
    const { stdin, stdout } = process;
    this.#isTaken = true;
    stdout.write(TAKE);
    // Off first: libuv sets no mode that it believes to be set.
    if (stdin.isTTY) stdin.setRawMode(false).setRawMode(true).resume();
  }

  #giveBack(): void {
    const { stdin, stdout } = process;
    this.#isTaken = false;
    if (stdin.isTTY) stdin.setRawMode(false).pause();
    stdout.write(GIVE_BACK);
  }
}

/** Keys of what was read at once: several, when somebody types fast. Escape sequences that mean nothing here are left out. */
export function keysOf(text: string): string[] {
  return (text.match(KEY) ?? []).flatMap((key) => NAMED[key] ?? (key.startsWith('\x1b') ? [] : key));
}
