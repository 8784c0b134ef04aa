// `completion SHELL` prints what a shell is to read; `complete -- WORDS` is what it then asks at each TAB. That must be quick and
// never noisy: a node that does not answer soon, or does not let us in, means that fewer words are offered.

import type { Command } from 'commander';
import type { EndpointView, RouteView } from '../control/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { FILES, NO_FILES, SCRIPTS, type Shell } from './completion/scripts.ts';
import { offerOf, type Sources, type Word } from './completion/words.ts';
import { EXIT, type ExitCode, print } from './exit.ts';
import { plain } from './table.ts';

/** Longer than that, and people think the shell hangs. ms */
const PATIENCE_MS = 700;

export function completion(shell: Shell): ExitCode {
  process.stdout.write(SCRIPTS[shell]);
  return EXIT.OK;
}

export async function complete(program: Command, words: readonly string[]): Promise<ExitCode> {
  const flags: AdminFlags = flagsIn(words);
  const { findRegion, regionNames } = await import('../../geoip/regions.ts');
  const sources: Sources = {
    endpoints: async () =>
      (await asked<EndpointView[]>(flags, '/api/v1/endpoints')).map(({ id, pool, state }) => ({
        value: id,
        description: `${pool}, ${state}`,
      })),
    pools: async () => {
      const routes = await asked<RouteView[]>(flags, '/api/v1/routes');
      const names = new Set(routes.map(({ pool }) => pool).filter((pool) => pool !== null));
      return [...names].map((value) => ({ value, description: '' }));
    },
    regions: () => regionNames().map((value) => ({ value, description: findRegion(value)?.label ?? '' })),
  };
  const offer = await offerOf(program, words, sources);
  if (offer === 'files') print(FILES);
  else print([...offer.map(lineOf), NO_FILES].join('\n'));
  return EXIT.OK;
}

function lineOf({ value, description }: Word): string {
  return plain(value) + (description === '' ? '' : `\t${plain(description)}`);
}

/** Where the node is, as far as the line says so already. */
function flagsIn(words: readonly string[]): AdminFlags {
  const given = (...names: string[]) => {
    const joined = words.find((word) => names.some((name) => word.startsWith(`${name}=`)));
    if (joined !== undefined) return joined.slice(joined.indexOf('=') + 1);
    const at = words.findIndex((word) => names.includes(word));
    return at < 0 ? undefined : words[at + 1];
  };
  const admin = given('--admin');
  const config = given('-c', '--config');
  const token = given('--token');
  return {
    ...(admin === undefined ? {} : { admin }),
    ...(config === undefined ? {} : { config }),
    ...(token === undefined ? {} : { token }),
  };
}

async function asked<T extends readonly unknown[]>(flags: AdminFlags, path: string): Promise<T | []> {
  try {
    const { status, text } = await (await AdminClient.open(flags)).ask('GET', path, PATIENCE_MS);
    return status === 200 ? (JSON.parse(text) as T) : [];
  } catch {
    return [];
  }
}
