// The commands of a `sh` block: one for each that a reader would paste, whatever lines it takes.

import { spawnSync } from 'node:child_process';
import type { Block } from './markdown.ts';

export interface Command {
  readonly page: string;
  /** 1-based, of its first line. */
  readonly line: number;
  readonly text: string;
  /** The exit code that the block promises: `sh exit=1`. */
  readonly exit: number;
  /** What a machine needs for it beyond what is installed with Fermat (`sh needs=docker`); null: it is run. */
  readonly needs: string | null;
}

/** Throws when the shell cannot read the block. */
export function commandsOf(block: Block): Command[] {
  const { page, info } = block;
  const commands: Command[] = [];
  let gathered: string[] = [];
  let begun = 0;
  const lines = block.text.trimEnd().split('\n');
  for (const [i, line] of lines.entries()) {
    if (gathered.length === 0) {
      if (/^\s*(#|$)/.test(line)) continue;
      begun = block.line + i;
    }
    gathered.push(line);
    if (!isWhole(gathered)) continue;
    commands.push(commandOf(gathered));
    gathered = [];
  }
  if (gathered.length > 0) throw new Error(`${page}:${begun}: the shell cannot read\n${gathered.join('\n')}`);
  return commands;

  function commandOf(text: readonly string[]): Command {
    return {
      page,
      line: begun,
      text: text.join('\n'),
      exit: Number(info.values.exit ?? 0),
      needs: info.values.needs ?? null,
    };
  }
}

function isWhole(lines: readonly string[]): boolean {
  if (lines.at(-1)!.endsWith('\\')) return false;
  const text = lines.join('\n');
  const document = /<<-?\s*['"]?(\w+)['"]?/.exec(text);
  if (document && !lines.some((line) => line.trim() === document[1])) return false;
  return spawnSync('sh', ['-n'], { input: `${text}\n`, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

/** A comment behind a command, and the spaces before it, taken off. */
export function withoutComment(text: string): string {
  return text.replace(/\s+#\s.*$/gm, '').trim();
}
