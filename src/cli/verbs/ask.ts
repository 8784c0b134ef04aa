// Verbs that ask the running node what it does and why; and one that decides again what it has told.

import type { Command } from 'commander';
import { collect, seconds, whole } from '../arguments.ts';
import type { AdminFlags } from '../client.ts';
import type { DecisionsFlags } from '../decisions.ts';
import type { ExplainFlags } from '../explain.ts';
import type { ReplayFlags } from '../replay.ts';
import type { TopFlags } from '../status.ts';
import { act, adminFlags, examples } from './verb.ts';

export function asking(fermat: Command): void {
  adminFlags(fermat.command('status'))
    .description('endpoints of the running node: health and why, RTT, score, in flight, req/s')
    .addHelpText('after', examples('status', 'status --admin 10.0.0.7:9901 --json'))
    .action(act(async (flags: AdminFlags) => (await import('../status.ts')).status(flags)));

  adminFlags(fermat.command('top'))
    .description('status, refreshed; q leaves')
    .option('--interval <seconds>', 'between refreshes', seconds, 1)
    .option('--count <n>', 'refresh so often; 0 = until stopped (default: 0 on a terminal, else 1)', whole)
    .addHelpText('after', examples('top', 'top --interval 0.5', 'top --count 10 --json'))
    .action(act(async (flags: TopFlags) => (await import('../status.ts')).top(flags)));

  adminFlags(fermat.command('explain'))
    .description('why a request of this client would go where it goes')
    .requiredOption('--client <ip>', 'address of the client')
    .option('--host <host>', 'Host of the request')
    .option('--path <path>', 'path of the request', '/')
    .option('--method <method>', 'method of the request', 'GET')
    .option('--key <key>', 'whose data it is about, on routes with locality')
    .addHelpText(
      'after',
      examples(
        'explain --client 203.0.113.7',
        'explain --client 2001:db8::1 --host shop.example.com --path /api/ --json',
      ),
    )
    .action(act(async (flags: ExplainFlags) => (await import('../explain.ts')).explain(flags)));

  adminFlags(fermat.command('decisions'))
    .description('sampled decisions of the running node: which endpoint, why, and how it went')
    .option('--follow', 'go on, a record a line', false)
    .option('--limit <n>', 'at most; 1 to 1024 (default: 20 on a terminal, else 1024)', whole)
    .option('--pool <name>', 'of this pool only')
    .option('--endpoint <id>', 'that chose this endpoint')
    .addHelpText('after', '\nWith --json, --follow or into a file: one record a line, for `fermat replay`.')
    .addHelpText('after', examples('decisions', 'decisions --pool shop > decisions.jsonl', 'decisions --follow --json'))
    .action(act(async (flags: DecisionsFlags) => (await import('../decisions.ts')).decisions(flags)));

  fermat
    .command('replay <file>')
    .description('decide recorded decisions again: as they were, or under another configuration; - reads stdin')
    .option('-c, --config <file>', 'the other configuration: tells what would have changed')
    .option('--drain <endpoint>', 'without this endpoint; may be repeated', collect, [])
    .option('--json', 'print JSON')
    .addHelpText('after', '\nWithout --config: 1 when a choice is not reproduced bit by bit.')
    .addHelpText('after', examples('replay decisions.jsonl', 'replay decisions.jsonl --config other.yaml --json'))
    .action(act(async (file: string, flags: ReplayFlags) => (await import('../replay.ts')).replay(file, flags)));
}
