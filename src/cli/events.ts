// `events`: what the running node tells of itself, the recent past or, with --follow, from now on. The node repeats its recent
// events to whoever connects; here each is shown once, also when the connection broke or the node was replaced in between.

import type { FermatEvent } from '../control/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { follow } from './events/follow.ts';
import { eventLine } from './events/line.ts';
import { CliError, complain, EXIT, type ExitCode, print } from './exit.ts';

export interface EventsFlags extends AdminFlags {
  readonly follow: boolean;
  /** The lowest that is shown. */
  readonly level: FermatEvent['level'];
  /** Beginning of their type, `endpoint` or `endpoint.state`. */
  readonly type?: string;
  /** Of the past, at most. */
  readonly limit: number;
}

const LEVELS: readonly FermatEvent['level'][] = ['debug', 'info', 'warn', 'error'];

export async function events(flags: EventsFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const least = LEVELS.indexOf(flags.level);
  const isWanted = ({ level, type }: FermatEvent) =>
    LEVELS.indexOf(level) >= least &&
    (flags.type === undefined || type === flags.type || type.startsWith(`${flags.type}.`));
  const show = (event: FermatEvent) => print(flags.json ? JSON.stringify(event) : eventLine(event));
  const past = await client.get<readonly FermatEvent[]>('/api/v1/events');
  const wanted = past.filter(isWanted);
  for (const event of wanted.slice(Math.max(0, wanted.length - flags.limit))) show(event);
  if (!flags.follow) return EXIT.OK;
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  await follow(client, stop.signal, {
    past,
    onEvent: (event) => {
      if (isWanted(event)) show(event);
    },
    onLost: (error) => {
      if (!(error instanceof CliError)) throw error;
      complain(`${error.message}; asking again`);
    },
  });
  return EXIT.OK;
}
