// Says when workers begin to turn requests away, why, and when that is over: once each, however many requests and workers it
// is. What they do is theirs to decide (data/admission.ts); here it is read from their lanes and told.

import { SHED_REASONS } from '../core/cells.ts';
import type { LaneReader } from '../core/lane-reader.ts';
import type { EventLog } from './types.ts';

const WHY: Readonly<Record<(typeof SHED_REASONS)[number], string>> = {
  loop: 'the workers have more to do than they can (limits.loopDelay)',
  memory: 'memory is short (limits.memory)',
  requests: 'too many requests are in flight (limits.requests)',
  client: 'a client has too many requests in flight (limits.requestsPerClient)',
  pool: 'too many requests are in flight in a pool (pools.NAME.limits.requests)',
  endpoint: 'endpoints have as much as they may get, and their queues are full or too slow (pools.NAME.limits)',
};

export class Shedding {
  readonly #events: EventLog;
  /** A bit for each reason. */
  #now = 0;

  constructor(events: EventLog) {
    this.#events = events;
  }

  /** For which requests are turned away now. */
  get reasons(): readonly string[] {
    return SHED_REASONS.filter((_, i) => (this.#now & (1 << i)) !== 0);
  }

  look(lanes: Iterable<{ readonly reader: LaneReader }>): void {
    let bits = 0;
    for (const { reader } of lanes) bits |= reader.shedding;
    const changed = bits ^ this.#now;
    this.#now = bits;
    if (changed === 0) return;
    SHED_REASONS.forEach((reason, i) => {
      if ((changed & (1 << i)) === 0) return;
      if ((bits & (1 << i)) === 0)
        this.#events.emit('info', 'shedding.end', `no request is turned away any more: ${reason}`, { reason });
      else this.#events.emit('warn', 'shedding.begin', `requests are turned away: ${WHY[reason]}`, { reason });
    });
  }
}
