// The command line: which verbs there are and what flags they take. Thin: a verb's work is in cli/ or beyond, imported when
// it is asked for, so that `fermat healthcheck` does not wait for the proxy to load.

import { Command, CommanderError, Option } from 'commander';
import { address, collect, list, port, seconds, url, whole } from './cli/arguments.ts';
import type { AdminFlags } from './cli/client.ts';
import type { ConfigureFlags } from './cli/configure.ts';
import type { DecisionsFlags } from './cli/decisions.ts';
import { CliError, complain, EXIT } from './cli/exit.ts';
import type { ExplainFlags } from './cli/explain.ts';
import type { ReplayFlags } from './cli/replay.ts';
import type { TopFlags } from './cli/status.ts';
import { ownVersion } from './cli/version.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

let exitCode: number = EXIT.OK;

/** An action whose result is the exit code. */
function act<A extends unknown[]>(work: (...args: A) => number | Promise<number>): (...args: A) => Promise<void> {
  return async (...args) => {
    exitCode = await work(...args);
  };
}

function program(): Command {
  const fermat = new Command('fermat')
    .description('An edge proxy that takes the path of least time.')
    .version(ownVersion())
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText(
      'after',
      '\nEnvironment: FERMAT_CONFIG, FERMAT_LOG_LEVEL, FERMAT_ADMIN_TOKEN, FERMAT_ADMIN_ADDRESS; a flag wins over it, it over the file.',
    )
    .addHelpText('after', 'Exit codes: 0 ok, 1 failed at run time, 2 bad usage, 78 bad configuration.');
  running(fermat);
  configuring(fermat);
  asking(fermat);
  operating(fermat);
  looking(fermat);
  return fermat;
}

interface RunFlags extends ConfigureFlags {
  token?: string;
  replace?: boolean;
}

const SIGNALS = `
Signals: TERM and INT drain, a second one ends at once; HUP reloads; USR2 is a hot restart, as --replace asks for one.
docs/operating.md tells what each does.`;

function running(fermat: Command): void {
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
        if (flags.replace) return (await import('./cli/replace.ts')).replace(flags);
        const { configFileOf } = await import('./cli/configure.ts');
        const configFile = configFileOf(flags);
        const { run } = await import('./main.ts');
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
        const { demo } = await import('./demo/main.ts');
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

function configuring(fermat: Command): void {
  configFlags(fermat.command('validate'))
    .description('check a configuration and tell every problem at once')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('validate -c fermat.yaml', 'validate -c fermat.yaml --json'))
    .action(act(async (flags: ConfigureFlags) => (await import('./cli/configure.ts')).validate(flags)));

  const config = fermat.command('config').description('the form of the configuration, and the effective one');
  config
    .command('schema')
    .description('print the JSON Schema')
    .option('--json', 'as it is anyway')
    .addHelpText('after', examples('config schema > fermat.schema.json'))
    .action(act(async () => (await import('./cli/configure.ts')).schema()));
  configFlags(config.command('show'))
    .description('print the effective configuration: defaults filled in, secrets redacted')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('config show -c fermat.yaml', 'config show --upstream http://127.0.0.1:9000'))
    .action(act(async (flags: ConfigureFlags) => (await import('./cli/configure.ts')).show(flags)));
  config
    .command('docs')
    .description('print docs/configuration.md')
    .addHelpText('after', examples('config docs > docs/configuration.md'))
    .action(act(async () => (await import('./cli/configure.ts')).docs()));
}

function asking(fermat: Command): void {
  adminFlags(fermat.command('status'))
    .description('endpoints of the running node: health and why, RTT, score, in flight, req/s')
    .addHelpText('after', examples('status', 'status --admin 10.0.0.7:9901 --json'))
    .action(act(async (flags: AdminFlags) => (await import('./cli/status.ts')).status(flags)));

  adminFlags(fermat.command('top'))
    .description('status, refreshed; q leaves')
    .option('--interval <seconds>', 'between refreshes', seconds, 1)
    .option('--count <n>', 'refresh so often; 0 = until stopped (default: 0 on a terminal, else 1)', whole)
    .addHelpText('after', examples('top', 'top --interval 0.5', 'top --count 10 --json'))
    .action(act(async (flags: TopFlags) => (await import('./cli/status.ts')).top(flags)));

  adminFlags(fermat.command('explain'))
    .description('why a request of this client would go where it goes')
    .requiredOption('--client <ip>', 'address of the client')
    .option('--host <host>', 'Host of the request')
    .option('--path <path>', 'path of the request', '/')
    .option('--method <method>', 'method of the request', 'GET')
    .addHelpText(
      'after',
      examples(
        'explain --client 203.0.113.7',
        'explain --client 2001:db8::1 --host shop.example.com --path /api/ --json',
      ),
    )
    .action(act(async (flags: ExplainFlags) => (await import('./cli/explain.ts')).explain(flags)));

  adminFlags(fermat.command('decisions'))
    .description('sampled decisions of the running node: which endpoint, why, and how it went')
    .option('--follow', 'go on, a record a line', false)
    .option('--limit <n>', 'at most; 1 to 1024 (default: 20 on a terminal, else 1024)', whole)
    .option('--pool <name>', 'of this pool only')
    .option('--endpoint <id>', 'that chose this endpoint')
    .addHelpText('after', '\nWith --json, --follow or into a file: one record a line, for `fermat replay`.')
    .addHelpText('after', examples('decisions', 'decisions --pool shop > decisions.jsonl', 'decisions --follow --json'))
    .action(act(async (flags: DecisionsFlags) => (await import('./cli/decisions.ts')).decisions(flags)));

  fermat
    .command('replay <file>')
    .description('decide recorded decisions again: as they were, or under another configuration; - reads stdin')
    .option('-c, --config <file>', 'the other configuration: tells what would have changed')
    .option('--drain <endpoint>', 'without this endpoint; may be repeated', collect, [])
    .option('--json', 'print JSON')
    .addHelpText('after', '\nWithout --config: 1 when a choice is not reproduced bit by bit.')
    .addHelpText('after', examples('replay decisions.jsonl', 'replay decisions.jsonl --config other.yaml --json'))
    .action(act(async (file: string, flags: ReplayFlags) => (await import('./cli/replay.ts')).replay(file, flags)));
}

function operating(fermat: Command): void {
  adminFlags(fermat.command('reload'))
    .description('have the running node read its configuration anew; 78 when it is refused')
    .addHelpText('after', examples('reload'))
    .action(act(async (flags: AdminFlags) => (await import('./cli/operate.ts')).reload(flags)));

  for (const [verb, does] of [
    ['drain', 'no new requests to an endpoint'],
    ['enable', 'requests to an endpoint again'],
  ] as const) {
    adminFlags(fermat.command(`${verb} <endpoint>`))
      .description(`${does}, by its id`)
      .addHelpText('after', examples(`${verb} fra-1`))
      .action(
        act(async (id: string, flags: AdminFlags) => (await import('./cli/operate.ts')).setEndpoint(id, verb, flags)),
      );
  }

  adminFlags(fermat.command('healthcheck'))
    .description('0 when the node is ready; for containers')
    .addHelpText('after', examples('healthcheck', 'healthcheck -c /etc/fermat/fermat.yaml'))
    .action(act(async (flags: AdminFlags) => (await import('./cli/operate.ts')).healthcheck(flags)));
}

interface GeoFlags {
  json?: boolean;
  database: string[];
}

interface ProbeFlags {
  json?: boolean;
  region?: string;
  grpc?: boolean;
  service?: string;
}

function looking(fermat: Command): void {
  fermat
    .command('probe <url...>')
    .description('one-shot: DNS, TCP, TLS, first byte, status, distance, prior, verdict')
    .option('--region <region>', 'where this machine is, for distance and prior')
    .option('--grpc', 'ask grpc.health.v1.Health, of h2:// and h2c:// endpoints')
    .option('--service <name>', 'the gRPC service to ask about; without it, the server as a whole')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('probe https://example.com', 'probe --region aws:eu-central-1 http://10.1.0.5:8080 --json'),
    )
    .action(
      act(async (urls: string[], flags: ProbeFlags) => {
        const { probeVerb } = await import('./control/probe-cli.ts');
        return probeVerb(urls, {
          json: flags.json ?? false,
          ...(flags.region === undefined ? {} : { region: flags.region }),
          ...(flags.grpc || flags.service !== undefined ? { grpc: flags.service ?? '' } : {}),
        });
      }),
    );

  const geoip = fermat.command('geoip').description('where addresses are: the databases');
  geoFlags(geoip.command('lookup <ip>'))
    .description('where an address is')
    .addHelpText('after', examples('geoip lookup 8.8.8.8', 'geoip lookup 2001:4860:4860::8888 --json'))
    .action(
      act(async (ip: string, { json = false, database }: GeoFlags) =>
        (await import('../geoip/cli.ts')).geoipLookup(ip, { json, databases: database }),
      ),
    );
  geoFlags(geoip.command('info'))
    .description('which databases are used, and how old they are')
    .addHelpText('after', examples('geoip info', 'geoip info --database GeoLite2-City.mmdb'))
    .action(
      act(async ({ json = false, database }: GeoFlags) =>
        (await import('../geoip/cli.ts')).geoipInfo({ json, databases: database }),
      ),
    );
  geoip
    .command('update')
    .description('fetch the newest DB-IP Lite')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('geoip update'))
    .action(
      act(async ({ json = false }: { json?: boolean }) => (await import('../geoip/cli.ts')).geoipUpdate({ json })),
    );

  fermat
    .command('version')
    .description('version, Node, build date of the GeoIP database')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('version --json'))
    .action(act(async (flags: { json?: boolean }) => (await import('./cli/version.ts')).version(flags)));
}

/** Where the configuration comes from. */
function configFlags(command: Command): Command {
  return command
    .option('-c, --config <file>', 'YAML or JSON (env: FERMAT_CONFIG)')
    .option('--listen <address>', 'listen here instead; may be repeated', address, [])
    .option('--upstream <url>', 'an endpoint: a whole configuration without a file; may be repeated', url, []);
}

/** Where the node is and how to be let in. */
function adminFlags(command: Command): Command {
  return command
    .option(
      '--admin <address>',
      'admin API of the node (env: FERMAT_ADMIN_ADDRESS; default: the configuration, else 127.0.0.1:9901)',
    )
    .option('-c, --config <file>', 'take admin.address and admin.token from here (env: FERMAT_CONFIG)')
    .option('--token <token>', 'admin token (env: FERMAT_ADMIN_TOKEN)')
    .option('--json', 'print JSON');
}

function geoFlags(command: Command): Command {
  return command
    .option('--database <file>', 'an .mmdb file instead of the bundled ones; may be repeated', collect, [])
    .option('--json', 'print JSON');
}

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  fermat ${line}`).join('\n')}`;
}

/** The exit code of what went wrong; says so first. */
function codeOf(error: unknown): number {
  // Commander has already written its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
  if (error instanceof CliError) {
    complain(`fermat: ${error.message}`);
    return error.code;
  }
  complain(`fermat: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.FAILED;
}

// `fermat status | head -3` closes our stdout: that is the reader's choice, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exitCode : EXIT.FAILED),
);

try {
  await program().parseAsync();
} catch (error) {
  exitCode = codeOf(error);
}
// After what was written is out; a socket somebody forgot does not keep the process.
process.stdout.write('', () => process.exit(exitCode));
