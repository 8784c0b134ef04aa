// What may stand where the cursor is, read off the commands as commander has them: verbs, flags and their choices. Values that
// only a running node or the catalogue knows are asked of `Sources`, when they are needed. Nothing here fails: what is not known
// is not offered.

import type { Argument, Command, Option } from 'commander';

export interface Word {
  readonly value: string;
  readonly description: string;
}

/** FILES: the shell offers files. */
export type Offer = readonly Word[] | 'files';

/** Each resolves, with [] for what cannot be had. */
export interface Sources {
  endpoints(): Promise<readonly Word[]>;
  pools(): Promise<readonly Word[]>;
  regions(): readonly Word[];
}

/** By the name of a flag or of an argument. */
const FILES = new Set(['config', 'file', 'database']);
const VALUES: Readonly<Record<string, (sources: Sources) => readonly Word[] | Promise<readonly Word[]>>> = {
  endpoint: (sources) => sources.endpoints(),
  drain: (sources) => sources.endpoints(),
  pool: (sources) => sources.pools(),
  region: (sources) => sources.regions(),
  edge: (sources) => sources.regions(),
  regions: (sources) => sources.regions(),
};

/** `words`: behind the program's name; the last is the one under the cursor, '' when it has not begun. */
export async function offerOf(program: Command, words: readonly string[], sources: Sources): Promise<Offer> {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const { command, positional, pending } = placeOf(program, before);
  if (pending !== null) return starting(await valuesOf(pending, pending.attributeName(), sources), current);
  const [flag, value] = split(current);
  if (value !== null) {
    const option = optionOf(command, flag);
    const offer = option === null ? [] : await valuesOf(option, option.attributeName(), sources);
    return offer === 'files' ? offer : starting(prefixed(offer, `${flag}=`), current);
  }
  if (current.startsWith('-')) return starting(flagsOf(command), current);
  const verbs = verbsOf(command);
  if (verbs.length > 0) return starting(verbs, current);
  const { registeredArguments } = command;
  const argument =
    registeredArguments[positional] ?? (registeredArguments.at(-1)?.variadic ? registeredArguments.at(-1) : undefined);
  if (argument === undefined) return starting(flagsOf(command), current);
  return starting(await valuesOf(argument, argument.name(), sources), current);
}

interface Place {
  readonly command: Command;
  /** So many arguments stand before the cursor. */
  readonly positional: number;
  /** A flag that waits for its value. */
  readonly pending: Option | null;
}

function placeOf(program: Command, before: readonly string[]): Place {
  let command = program;
  let positional = 0;
  let pending: Option | null = null;
  for (const word of before) {
    if (pending !== null) {
      pending = null;
      continue;
    }
    if (word.startsWith('-')) {
      const option = optionOf(command, word);
      pending = option !== null && (option.required || option.optional) ? option : null;
      continue;
    }
    const sub = command.commands.find((candidate) => candidate.name() === word || candidate.aliases().includes(word));
    if (sub === undefined) positional++;
    else command = sub;
  }
  return { command, positional, pending };
}

async function valuesOf({ argChoices }: Option | Argument, name: string, sources: Sources): Promise<Offer> {
  if (argChoices !== undefined) return argChoices.map((value) => ({ value, description: '' }));
  if (FILES.has(name)) return 'files';
  return (await VALUES[name]?.(sources)) ?? [];
}

function verbsOf(command: Command): Word[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((verb) => ({ value: verb.name(), description: verb.description() }));
}

function flagsOf(command: Command): Word[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ value: long ?? short ?? '', description }));
}

function optionOf(command: Command, word: string): Option | null {
  return command.options.find(({ long, short }) => word === long || word === short) ?? null;
}

/** `--flag=value` as two; null where there is no `=`. */
function split(word: string): readonly [flag: string, value: string | null] {
  const at = word.indexOf('=');
  return word.startsWith('--') && at >= 0 ? [word.slice(0, at), word.slice(at + 1)] : [word, null];
}

function prefixed(words: readonly Word[], prefix: string): Word[] {
  return words.map(({ value, description }) => ({ value: `${prefix}${value}`, description }));
}

function starting(offer: Offer, current: string): Offer {
  return offer === 'files' ? offer : offer.filter(({ value }) => value.startsWith(current));
}
