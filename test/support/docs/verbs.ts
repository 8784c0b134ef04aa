// The command line as it is, read from commander itself: which verbs there are, and which flags each takes.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { ROOT } from './markdown.ts';

const VERBS = join(ROOT, 'src/cli/verbs');
/** What the verbs share; registers none. */
const SHARED = 'verb.ts';

/** All verbs: every file of src/cli/verbs registers its own by the one function that it exports. */
export async function commandLine(): Promise<Command> {
  const fermat = new Command('fermat').option('-V, --version', 'the version');
  for (const name of readdirSync(VERBS).filter((name) => name.endsWith('.ts') && name !== SHARED)) {
    const functions = Object.values((await import(join(VERBS, name))) as Record<string, unknown>).filter(
      (value) => typeof value === 'function',
    );
    if (functions.length !== 1) throw new Error(`${name}: expected one function that registers verbs`);
    (functions[0] as (fermat: Command) => void)(fermat);
  }
  return fermat;
}

/** What is wrong with `fermat …` as it is written; null when its verb and all of its flags exist. */
export function wrongIn(words: readonly string[], fermat: Command): string | null {
  let command = fermat;
  let i = 0;
  for (; i < words.length; i++) {
    const next = command.commands.find((verb) => verb.name() === words[i] || verb.aliases().includes(words[i]!));
    if (next === undefined) break;
    command = next;
  }
  const isPlaceholder = words[i] === undefined || /^[A-Z…-]/.test(words[i]!);
  if (command.commands.length > 0 && !isPlaceholder && words[i] !== 'help') return `there is no verb ${words[i]}`;
  for (const word of words.slice(i)) {
    if (word === '--') return null; // what follows is another command
    const flag = /^(--[a-z][a-z-]*|-[a-zA-Z])(?:=.*)?$/.exec(word)?.[1];
    if (flag === undefined || flag === '--help' || flag === '-h') continue;
    if (!command.options.some(({ long, short }) => flag === long || flag === short)) {
      return `${command.name()} has no ${flag}`;
    }
  }
  return null;
}

/** The words of every `fermat …` in a line of shell or a piece of code in the text. */
export function callsIn(text: string): string[][] {
  const joined = text.replace(/\\\n/g, ' ').replace(/\s#\s.*$/gm, '');
  return joined.split(/\n|&&|\|\|?|;|\$\(/).flatMap((part) => {
    const call = /^(?:\$ |\w+=\S* |exec |sudo {2})*(?:\S*\/)?fermat\s+(\S.*)$/.exec(part.trim())?.[1];
    if (call === undefined) return [];
    return [call.replace(/[)'"`\]]+$/, '').split(/\s+/)];
  });
}
