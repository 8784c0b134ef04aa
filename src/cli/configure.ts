// The verbs that look at a configuration without running it: validate, config schema, config show, config docs.

import { loadConfig, type Overrides } from '../control/config/load.ts';
import { CliError, complain, EXIT, type ExitCode, print, printJson } from './exit.ts';
import { styled } from './table.ts';

export interface ConfigureFlags extends Overrides {
  readonly config?: string;
  readonly json?: boolean;
}

/** The file a command is about: the flag, else FERMAT_CONFIG; null with `--upstream`, which is a configuration by itself. */
export function configFileOf(
  { config, upstream = [] }: ConfigureFlags,
  env: NodeJS.ProcessEnv = process.env,
): string | null {
  if (upstream.length > 0) {
    if (config === undefined) return null;
    throw new CliError(
      '--upstream is a whole configuration by itself: leave out -c, or put the endpoint into the file',
      EXIT.USAGE,
    );
  }
  const file = config ?? (env.FERMAT_CONFIG || undefined);
  if (file !== undefined) return file;
  throw new CliError('no configuration: give -c FILE, set FERMAT_CONFIG, or use --listen and --upstream', EXIT.USAGE);
}

export async function validate(flags: ConfigureFlags): Promise<ExitCode> {
  const file = configFileOf(flags);
  const loaded = loadConfig(file, flags);
  const warnings = loaded.ok ? [...loaded.config.warnings, ...(await unusable(loaded.config.geoipDatabases))] : [];
  if (flags.json) printJson({ ok: loaded.ok, file, problems: loaded.ok ? [] : loaded.problems, warnings });
  else if (loaded.ok) print(`${styled('green', 'valid')}  ${loaded.source}: ${summaryOf(loaded.config)}`);
  else tell(loaded.problems);
  if (!flags.json) for (const warning of warnings) complain(`${styled('yellow', 'warning')}  ${warning}`);
  return loaded.ok ? EXIT.OK : EXIT.CONFIG;
}

/** GeoIP databases that a node would go on without, each with the reason. */
async function unusable(databases: readonly string[]): Promise<string[]> {
  if (databases.length === 0) return [];
  const { loadGeoFile } = await import('../../geoip/load.ts');
  const why: string[] = [];
  // One after the other: each may be large.
  for (const path of databases) await loadGeoFile(path).catch((error: Error) => why.push(error.message));
  return why;
}

function summaryOf({
  listeners,
  pools,
  routes,
}: {
  listeners: readonly unknown[];
  pools: readonly { endpoints: readonly unknown[] }[];
  routes: readonly unknown[];
}): string {
  const endpoints = pools.reduce((n, pool) => n + pool.endpoints.length, 0);
  return [
    count(listeners.length, 'listener'),
    count(routes.length, 'route'),
    count(pools.length, 'pool'),
    count(endpoints, 'endpoint'),
  ].join(', ');
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function tell(problems: readonly string[]): void {
  for (const problem of problems) complain(problem);
  complain(styled('red', count(problems.length, 'problem')));
}

/** The effective configuration: everything filled in, secrets out; YAML that can be used again. */
export async function show(flags: ConfigureFlags): Promise<ExitCode> {
  const loaded = loadConfig(configFileOf(flags), flags);
  if (!loaded.ok) {
    tell(loaded.problems);
    return EXIT.CONFIG;
  }
  const { redact } = await import('../control/config/redact.ts');
  const shown = redact(loaded.config);
  if (flags.json) printJson(shown);
  else process.stdout.write((await import('yaml')).stringify(shown, { lineWidth: 120 }));
  return EXIT.OK;
}

export async function schema(): Promise<ExitCode> {
  const { jsonSchema } = await import('../control/config/schema.ts');
  printJson(jsonSchema());
  return EXIT.OK;
}

export async function docs(): Promise<ExitCode> {
  const { configurationPage } = await import('../control/config/docs.ts');
  process.stdout.write(configurationPage());
  return EXIT.OK;
}
