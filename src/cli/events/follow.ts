// Follows a node's events over Server-Sent Events, and comes back when the connection breaks. What it was told before, it does
// not tell again.

import { setTimeout as wait } from 'node:timers/promises';
import type { FermatEvent } from '../../control/types.ts';
import type { AdminClient } from '../client.ts';

export interface FollowOptions {
  /** What is known already. */
  readonly past: readonly FermatEvent[];
  readonly onEvent: (event: FermatEvent) => void;
  /** Of each attempt that failed; what it throws ends it all. */
  readonly onLost: (error: unknown) => void;
}

const AGAIN_MS = 1000;
/** Events; more than a node keeps, and so can tell again. */
const REMEMBERED = 1000;

/** Resolves when it is aborted. */
export async function follow(client: AdminClient, signal: AbortSignal, options: FollowOptions): Promise<void> {
  // By what they say, not by their dates: the clock of a node may go back.
  const told = new Set(options.past.map((event) => JSON.stringify(event)));
  const take = (data: string) => {
    if (told.has(data)) return;
    told.add(data);
    for (const oldest of told) {
      if (told.size <= REMEMBERED) break;
      told.delete(oldest);
    }
    options.onEvent(JSON.parse(data) as FermatEvent);
  };
  while (!signal.aborted) {
    try {
      await client.stream('/api/v1/events', signal, take);
    } catch (error) {
      if (signal.aborted) return;
      options.onLost(error);
    }
    await wait(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}
