// Follows a node's events over Server-Sent Events, and comes back when the connection breaks. What it was told before, it does
// not tell again.

import { setTimeout as wait } from 'node:timers/promises';
import type { FermatEvent } from '../../control/types.ts';
import type { AdminClient } from '../client.ts';

export interface FollowOptions {
  /** What is known already; only its last moment matters. */
  readonly past: readonly FermatEvent[];
  readonly onEvent: (event: FermatEvent) => void;
  /** Of each attempt that failed; what it throws ends it all. */
  readonly onLost: (error: unknown) => void;
}

const AGAIN_MS = 1000;

/** Resolves when it is aborted. */
export async function follow(client: AdminClient, signal: AbortSignal, options: FollowOptions): Promise<void> {
  let sinceAt = options.past.at(-1)?.at ?? '';
  /** Of that very moment, as they came. */
  let told = new Set(options.past.filter(({ at }) => at === sinceAt).map((event) => JSON.stringify(event)));
  const take = (data: string) => {
    const event = JSON.parse(data) as FermatEvent;
    if (event.at < sinceAt || told.has(data)) return;
    if (event.at > sinceAt) told = new Set();
    sinceAt = event.at;
    told.add(data);
    options.onEvent(event);
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
