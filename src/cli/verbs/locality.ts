// Where the data of keys is: looked up, moved, listed, imported.

import type { Command } from 'commander';
import type { LocalityFlags, MoveFlags } from '../locality.ts';
import { act, adminFlags, examples } from './verb.ts';

export function placing(fermat: Command): void {
  const locality = fermat.command('locality').description('where the data of keys is; requests follow it');
  const flagged = (command: Command) =>
    adminFlags(command).option('--directory <name>', 'of these keys (default: the only one of the node)');

  flagged(locality.command('get <key>'))
    .description('where a key is; 1 when it is nowhere')
    .addHelpText('after', examples('locality get acme'))
    .action(act(async (key: string, flags: LocalityFlags) => (await import('../locality.ts')).get(key, flags)));

  flagged(locality.command('set <key>'))
    .description('puts a key to a place, new or not')
    .requiredOption('--to <place>', 'a region or a cloud')
    .option('--from <place>', 'only if it is there now')
    .addHelpText('after', examples('locality set acme --to aws:eu-central-1'))
    .action(act(async (key: string, flags: MoveFlags) => (await import('../locality.ts')).set(key, flags)));

  flagged(locality.command('move [keys...]'))
    .description('moves keys that are somewhere; requests follow within moments')
    .requiredOption('--to <place>', 'a region or a cloud')
    .option('--from <place>', 'only those that are there now')
    .option('--file <file>', 'keys, one a line; - reads stdin')
    .addHelpText(
      'after',
      examples('locality move acme --to gcp:europe-west9', 'locality move --file keys.txt --to aws'),
    )
    .action(act(async (keys: string[], flags: MoveFlags) => (await import('../locality.ts')).move(keys, flags)));

  flagged(locality.command('remove <key>'))
    .description('takes a key out of the directory')
    .addHelpText('after', examples('locality remove acme'))
    .action(act(async (key: string, flags: LocalityFlags) => (await import('../locality.ts')).remove(key, flags)));

  flagged(locality.command('list'))
    .description('all keys and their places, a line each')
    .option('--at <place>', 'those that are there')
    .addHelpText('after', examples('locality list', 'locality list --at aws:us-east-1 > moving.txt'))
    .action(
      act(async (flags: LocalityFlags & { readonly at?: string }) => (await import('../locality.ts')).list(flags)),
    );

  flagged(locality.command('import <file>'))
    .description('puts many keys to places: lines of KEY PLACE; - reads stdin')
    .addHelpText('after', examples('locality import tenants.txt', 'locality list | fermat locality import - --admin …'))
    .action(act(async (file: string, flags: LocalityFlags) => (await import('../locality.ts')).load(file, flags)));
}
