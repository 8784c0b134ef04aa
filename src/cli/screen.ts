// The whole terminal for one view: the other screen, no cursor, keys as they come, its size as it changes. Drawn over what stands
// there, so that nothing flickers; `restore` puts everything back.

const TAKE = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const GIVE_BACK = '\x1b[?7h\x1b[?25h\x1b[?1049l';
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
    for (const key of keysOf(bytes.toString('latin1'))) this.#options.onKey(key);
  };
  readonly #onResize = () => this.#options.onResize();

  constructor(options: ScreenOptions) {
    this.#options = options;
    const { stdin, stdout } = process;
    stdout.write(TAKE);
    stdout.on('resize', this.#onResize);
    if (stdin.isTTY) stdin.setRawMode(true).resume().on('data', this.#onData);
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.rows).map((line) => `${line}${REST_OF_LINE}`);
    process.stdout.write(`${HOME}${shown.join('\n')}${REST_OF_SCREEN}`);
  }

  restore(): void {
    const { stdin, stdout } = process;
    stdout.off('resize', this.#onResize);
    if (stdin.isTTY) stdin.off('data', this.#onData).setRawMode(false).pause();
    stdout.write(GIVE_BACK);
  }
}

/** Keys of what was read at once: several, when somebody types fast. Escape sequences that mean nothing here are left out. */
export function keysOf(text: string): string[] {
  return (text.match(KEY) ?? []).flatMap((key) => NAMED[key] ?? (key.startsWith('\x1b') ? [] : key));
}
