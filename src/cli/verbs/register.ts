// The verb that runs beside an app, and tells edges that it is there.

import type { Command } from 'commander';
import { amount, collect, list } from '../arguments.ts';
import type { RegisterFlags } from '../register.ts';
import { act, examples } from './verb.ts';

export function registering(fermat: Command): void {
  fermat
    .command('register [command...]')
    .description('tell edges that an endpoint is there, until told to end; with a command, for as long as that runs')
    .requiredOption('--pool <name>', 'the pool, which has `discover: [{ registry: … }]` at the edges')
    .requiredOption('--url <url>', 'where the edges reach the endpoint')
    .requiredOption('--to <urls>', 'admin listeners of the edges, http://host:port[,…]', list)
    .option('--token <token>', 'the token of the registry (env: FERMAT_REGISTER_TOKEN, which other users cannot see)')
    .option('--id <id>', 'name of the endpoint; default: host:port')
    .option('--region <region>', 'where it is, such as aws:eu-central-1')
    .option('--weight <n>', 'its share under the policy weighted', amount)
    .option('--capacity <n>', 'requests per second it can take', amount)
    .option('--egress <usd>', 'what a gigabyte sent from there costs', amount)
    .option('--label <name=value>', 'free text; may be repeated', collect, [])
    .option('--ttl <duration>', 'gone when nothing is heard for this long; told anew every third of it', '10s')
    .option('--leave-delay <duration>', 'from leaving to ending the command, so that edges have heard', '1500ms')
    .option('--once', 'tell it once, and end')
    .option('--json', 'print JSON, one event a line')
    .addHelpText(
      'after',
      examples(
        'register --pool shop --url http://10.0.0.7:8080 --region aws:eu-central-1 --to http://edge-1:9901,http://edge-2:9901',
        'register --pool shop --url http://10.0.0.7:8080 --to http://edge-1:9901 -- node server.js',
      ),
    )
    .action(
      act(async (command: string[], flags: RegisterFlags) => (await import('../register.ts')).register(command, flags)),
    );
}
