// Verbs about a configuration, of no node in particular.

import type { Command } from 'commander';
import type { ConfigureFlags } from '../configure.ts';
import { act, configFlags, examples } from './verb.ts';

export function configuring(fermat: Command): void {
  configFlags(fermat.command('validate'))
    .description('check a configuration and tell every problem at once')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('validate -c fermat.yaml', 'validate -c fermat.yaml --json'))
    .action(act(async (flags: ConfigureFlags) => (await import('../configure.ts')).validate(flags)));

  const config = fermat.command('config').description('the form of the configuration, and the effective one');
  config
    .command('schema')
    .description('print the JSON Schema')
    .option('--json', 'as it is anyway')
    .addHelpText('after', examples('config schema > fermat.schema.json'))
    .action(act(async () => (await import('../configure.ts')).schema()));
  configFlags(config.command('show'))
    .description('print the effective configuration: defaults filled in, secrets redacted')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('config show -c fermat.yaml', 'config show --upstream http://127.0.0.1:9000'))
    .action(act(async (flags: ConfigureFlags) => (await import('../configure.ts')).show(flags)));
  config
    .command('docs')
    .description('print docs/configuration.md')
    .addHelpText('after', examples('config docs > docs/configuration.md'))
    .action(act(async () => (await import('../configure.ts')).docs()));
}
