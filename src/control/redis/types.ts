// What whoever asks Redis sees of it: its commands, how a call can end, and what a link is made of.

import type { Redis } from 'ioredis';
import type { EventLog } from '../types.ts';

/** The commands of ioredis; the connection itself is the link's. */
export type RedisCommands = Omit<
  Redis,
  'connect' | 'disconnect' | 'end' | 'quit' | 'duplicate' | 'monitor' | 'subscribe' | 'psubscribe' | 'select' | 'multi'
>;

/**
 * ok · error: Redis refused it · timeout · lost: the connection broke under it · away: not asked, Redis is not there · busy: not
 * asked, too many wait already.
 */
export type CallResult = 'ok' | 'error' | 'timeout' | 'lost' | 'away' | 'busy';

export interface RedisMeter {
  /** One call has ended. `ms` ≥ 0; 0 when nothing was sent. */
  called(what: string, result: CallResult, ms: number): void;
}

export interface RedisLinkOptions {
  readonly events: EventLog;
  /** Monotonic, ms. */
  readonly clock: () => number;
  readonly random: () => number;
  readonly meter?: RedisMeter;
}
