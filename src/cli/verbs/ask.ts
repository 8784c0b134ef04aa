// Verbs that ask the running node what it does and why; and one that decides again what it has told.

import { type Command, Option } from 'commander';
import { collect, seconds, whole } from '../arguments.ts';
import type { DecisionsFlags } from '../decisions.ts';
import { SORTS } from '../endpoints.ts';
import type { EvacuateFlags } from '../evacuate.ts';
import type { EventsFlags } from '../events.ts';
import type { ExplainFlags } from '../explain.ts';
import type { ReplayFlags } from '../replay.ts';
import type { StatusFlags } from '../status.ts';
import type { TopFlags } from '../top.ts';
import { act, adminFlags, examples } from './verb.ts';

const EVENT_LEVELS = ['debug', 'info', 'warn', 'error'];

export function asking(fermat: Command): void {
  endpointFlags(adminFlags(fermat.command('status')))
    .description('endpoints of the running node: health and why, RTT, score, in flight, req/s')
    .addHelpText('after', examples('status', 'status --unhealthy', 'status --admin 10.0.0.7:9901 --json'))
    .action(act(async (flags: StatusFlags) => (await import('../status.ts')).status(flags)));

  endpointFlags(adminFlags(fermat.command('top')))
    .description('status, refreshed and sorted; keys sort, filter, scroll and pause, q leaves')
    .option('--interval <seconds>', 'between refreshes', seconds, 1)
    .option('--count <n>', 'refresh so often; 0 = until stopped (default: 0 on a terminal, else 1)', whole)
    .addHelpText('after', examples('top', 'top --sort score --interval 0.5', 'top --count 10 --json'))
    .action(act(async (flags: TopFlags) => (await import('../top.ts')).top(flags)));

  adminFlags(fermat.command('events'))
    .description('what the running node tells of itself: health, reloads, workers, limits')
    .option('--follow', 'go on; comes back when the node restarts', false)
    .addOption(new Option('--level <level>', 'the lowest that is shown').choices(EVENT_LEVELS).default('info'))
    .option('--type <type>', 'of this type only, or of those below it: endpoint, config.reload')
    .option('--limit <n>', 'of the past, at most', whole, 100)
    .addHelpText('after', examples('events', 'events --follow --level warn', 'events --type endpoint --json'))
    .action(act(async (flags: EventsFlags) => (await import('../events.ts')).events(flags)));

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

  adminFlags(fermat.command('evacuate [regions...]'))
    .description(
      'what would happen if regions or endpoints were drained: load, latency by country; changes nothing without --apply',
    )
    .option('--endpoint <id>', 'an endpoint instead of, or beside, regions; may be repeated', collect, [])
    .option('--pool <name>', 'in this pool only')
    .option('--apply', 'drain them, after showing it', false)
    .addHelpText('after', '\n1 when requests would be left without an endpoint, or one could not be drained.')
    .addHelpText('after', examples('evacuate aws:eu-central-1', 'evacuate --endpoint fra-1 --endpoint fra-2 --json'))
    .action(
      act(async (regions: string[], flags: EvacuateFlags) => (await import('../evacuate.ts')).evacuate(regions, flags)),
    );

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

function endpointFlags(command: Command): Command {
  return command
    .option('--pool <name>', 'endpoints of this pool only')
    .option('--region <region>', '… of this region only')
    .option('--unhealthy', 'only those that are not healthy')
    .addOption(new Option('--sort <what>', 'in this order').choices(Object.keys(SORTS)))
    .option('--reverse', 'the other way round');
}
