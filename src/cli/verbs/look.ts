// Verbs that need no node: a probe from here, where addresses are, what is installed.

import type { Command } from 'commander';
import { collect } from '../arguments.ts';
import { act, examples } from './verb.ts';

interface GeoFlags {
  json?: boolean;
  database: string[];
}

interface GeoUpdateFlags {
  json?: boolean;
  to?: string;
  edition?: string;
  from?: string;
  every?: string;
}

interface ProbeFlags {
  json?: boolean;
  region?: string;
  grpc?: boolean;
  service?: string;
}

export function looking(fermat: Command): void {
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
        const { probeVerb } = await import('../probe.ts');
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
        (await import('../../../geoip/cli.ts')).geoipLookup(ip, { json, databases: database }),
      ),
    );
  geoFlags(geoip.command('info'))
    .description('which databases are used, and how old they are')
    .addHelpText('after', examples('geoip info', 'geoip info --database GeoLite2-City.mmdb'))
    .action(
      act(async ({ json = false, database }: GeoFlags) =>
        (await import('../../../geoip/cli.ts')).geoipInfo({ json, databases: database }),
      ),
    );
  geoip
    .command('update')
    .description(
      'fetch the newest DB-IP Lite: of the installation, or with --to a file of its own, which may be MaxMind’s too',
    )
    .option('--to <file>', 'an .mmdb file to bring up to date from its publisher; a running node takes it over')
    .option('--edition <name>', 'dbip-city-lite, dbip-country-lite, GeoLite2-City, … (default: "dbip-city-lite")')
    .option('--from <url>', 'a mirror; {edition} and {month} (2026-11) are filled in')
    .option('--every <duration>', 'go on, and look again that often, such as 24h')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nMaxMind: GEOIPUPDATE_ACCOUNT_ID and GEOIPUPDATE_LICENSE_KEY, as their own tool has them. Proxies: NODE_USE_ENV_PROXY=1.',
    )
    .addHelpText(
      'after',
      examples(
        'geoip update',
        'geoip update --to dbip-city-lite.mmdb',
        'geoip update --to /geoip/city.mmdb --every 24h',
      ),
    )
    .action(act(async (flags: GeoUpdateFlags) => (await import('../geoip.ts')).updating(flags)));

  fermat
    .command('version')
    .description('version, Node, build date of the GeoIP database')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('version --json'))
    .action(act(async (flags: { json?: boolean }) => (await import('../version.ts')).version(flags)));
}

function geoFlags(command: Command): Command {
  return command
    .option('--database <file>', 'an .mmdb file instead of the bundled ones; may be repeated', collect, [])
    .option('--json', 'print JSON');
}
