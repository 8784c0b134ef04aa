// Verbs that run something: the proxy, and the demonstration.

import { type Command, Option } from 'commander';
import { list, port } from '../arguments.ts';
import type { ConfigureFlags } from '../configure.ts';
import { act, configFlags, examples } from './verb.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

interface RunFlags extends ConfigureFlags {
  token?: string;
  replace?: boolean;
}

const SIGNALS = `
Signals: TERM and INT drain, a second one ends at once; HUP reloads; USR2 is a hot restart, as --replace asks for one.
docs/operating.md tells what each does.`;

export function running(fermat: Command): void {
  configFlags(fermat.command('run'))
    .description('run the proxy')
    .addOption(new Option('--log-level <level>', 'of the events on stderr (env: FERMAT_LOG_LEVEL)').choices(LEVELS))
    .option('--token <token>', 'token of the admin API (env: FERMAT_ADMIN_TOKEN)')
    .option('--replace', 'have the node that runs hand over to a process of what is installed now (hot restart)')
    .option('--json', 'with --replace: print JSON')
    .addHelpText('after', SIGNALS)
    .addHelpText(
      'after',
      examples(
        'run -c fermat.yaml',
        'run -c fermat.yaml --replace',
        'run --listen :8080 --upstream http://127.0.0.1:9000 --upstream http://127.0.0.1:9001',
      ),
    )
    .action(
      act(async (flags: RunFlags) => {
        if (flags.replace) return (await import('../replace.ts')).replace(flags);
        const { configFileOf } = await import('../configure.ts');
        const configFile = configFileOf(flags);
        const { run } = await import('../../main.ts');
        const { listen = [], upstream = [], logLevel, token } = flags;
        return run({
          configFile,
          listen: [...listen],
          upstream: [...upstream],
          ...(logLevel === undefined ? {} : { logLevel }),
          ...(token === undefined ? {} : { adminToken: token }),
        });
      }),
    );

  fermat
    .command('demo')
    .description('regional origins on loopback, a real proxy before them, and some traffic to watch')
    .option('--edge <region>', 'where the proxy stands', 'aws:eu-central-1')
    .option('--regions <list>', 'where the origins stand, comma-separated (default: six from near to far)', list)
    .option('--port <port>', 'of the proxy; 0 = any', port, 8080)
    .option('--admin-port <port>', 'of the admin API and console; 0 = any', port, 9901)
    .option('--quiet', 'no table and no summaries', false)
    .option('--no-traffic', 'make no requests')
    .option('--json', 'events as JSON lines')
    .addHelpText(
      'after',
      examples('demo', 'demo --edge aws:us-east-1 --regions aws:us-east-1,aws:eu-west-1 --no-traffic'),
    )
    .action(
      act(async (flags: DemoFlags) => {
        const { demo } = await import('../../demo/main.ts');
        return demo({ ...flags, regions: flags.regions ?? null });
      }),
    );
}

interface DemoFlags {
  edge: string;
  regions?: string[];
  port: number;
  adminPort: number;
  quiet: boolean;
  traffic: boolean;
}
