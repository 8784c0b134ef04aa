// `fermat geoip update`: its flags made into what geoip/update.ts takes, and the signals that end `--every`.

import { geoipUpdate } from '../../geoip/cli.ts';
import { DEFAULT_EDITION, whyNever } from '../../geoip/download.ts';
import { parseDuration } from '../control/config/values.ts';
import { CliError, EXIT } from './exit.ts';

export interface GeoUpdateFlags {
  readonly json?: boolean;
  readonly to?: string;
  readonly edition?: string;
  readonly from?: string;
  readonly every?: string;
}

const LEAST_EVERY_MS = 60_000;

/** Gives the exit code of geoipUpdate. Throws a CliError for flags that do not go together. */
export async function updating({ json = false, to, edition, from, every }: GeoUpdateFlags): Promise<number> {
  if (to === undefined && (edition ?? from ?? every) !== undefined) {
    throw new CliError('--edition, --from and --every are about a file: name it by --to', EXIT.USAGE);
  }
  const everyMs = every === undefined ? undefined : parseDuration(every);
  if (everyMs === null || (everyMs !== undefined && everyMs < LEAST_EVERY_MS)) {
    throw new CliError(`--every: expected 1m or more, such as 24h, got ${JSON.stringify(every)}`, EXIT.USAGE);
  }
  // It would be tried in vain, with --every for ever.
  const never = to === undefined ? null : whyNever(edition ?? DEFAULT_EDITION, from);
  if (never !== null) throw new CliError(never, EXIT.USAGE);
  const ended = new Promise<void>((resolve) => {
    if (everyMs === undefined) return;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  return geoipUpdate({ json, to, edition, from, everyMs, ended });
}
