// Verbs that change what the running node does, and the one that containers ask.

import type { Command } from 'commander';
import type { AdminFlags } from '../client.ts';
import { act, adminFlags, examples } from './verb.ts';

export function operating(fermat: Command): void {
  adminFlags(fermat.command('reload'))
    .description('have the running node read its configuration anew; 78 when it is refused')
    .addHelpText('after', examples('reload'))
    .action(act(async (flags: AdminFlags) => (await import('../operate.ts')).reload(flags)));

  for (const [verb, does] of [
    ['drain', 'no new requests to an endpoint'],
    ['enable', 'requests to an endpoint again'],
  ] as const) {
    adminFlags(fermat.command(`${verb} <endpoint>`))
      .description(`${does}, by its id`)
      .addHelpText('after', examples(`${verb} fra-1`))
      .action(
        act(async (id: string, flags: AdminFlags) => (await import('../operate.ts')).setEndpoint(id, verb, flags)),
      );
  }

  adminFlags(fermat.command('healthcheck'))
    .description('0 when the node is ready; for containers')
    .addHelpText('after', examples('healthcheck', 'healthcheck -c /etc/fermat/fermat.yaml'))
    .action(act(async (flags: AdminFlags) => (await import('../operate.ts')).healthcheck(flags)));
}
