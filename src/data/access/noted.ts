// What the lines of a connection have in common, put together when it changes: who the client is, how it asks, what its fields
// say. Kept by the exchange, made by the first line, so that most of a line is a few pieces that are there already.

import type { EndpointSpec } from '../../core/snapshot.ts';
import { FIELD } from '../../wire/fields.ts';
import type { RequestHead } from '../../wire/request.ts';
import type { Exchange } from '../exchange.ts';
import type { RouteRuntime } from '../generation.ts';
import { NOWHERE, type Place } from '../locate.ts';
import { clientAddress } from '../request.ts';

/** Longer blocks of fields are read again for every line. */
const MAX_KEPT = 2048;

export class Noted {
  /** Of which AccessLog.epoch the pieces are. */
  epoch = -1;
  client = '';
  place: Place = NOWHERE;
  /** Pieces, by what they are made of. */
  who = '';
  /** `who` and `how` as one. */
  asker = '';
  method = '';
  authority = '';
  minor = -1;
  how = '';
  path = '';
  hasQuery = false;
  asked = '';
  /** From the client to the status as one (of a combined line: `asked`), '' until two lines in a row have agreed on it. */
  front = '';
  frontAsker = '';
  frontAsked = '';
  frontEnding = '';
  route: RouteRuntime | null = null;
  endpoint: EndpointSpec | null = null;
  role = -1;
  attempts = -1;
  hedged = -1;
  way = '';
  text = '\0';
  said = '';
  /** What stands before `said`: the trace that the client named. */
  traced = '';
  /** `traced` and `said` as one. */
  back = '';

  forget(epoch: number): void {
    this.epoch = epoch;
    this.who = '';
    this.asker = '';
    this.how = '';
    this.front = '';
    this.frontAsked = '';
    this.path = '';
    this.hasQuery = false;
    this.asked = '';
    this.way = '';
    this.text = '\0';
  }

  /** Whether the fields are those that `said` was made of. */
  hasSaid(head: RequestHead): boolean {
    return head.text === this.text;
  }

  keepSaid(head: RequestHead, said: string): void {
    // A text that is not kept is one that no other equals.
    this.text = head.text.length > MAX_KEPT ? '\0' : head.text;
    this.said = said;
  }
}

/** Who the client is; behind a trusted proxy, whom that names. '' on a UNIX socket. */
export function clientOf(ex: Exchange, noted: Noted): string {
  if (!ex.down.peer.isTrusted) return ex.down.peer.address;
  // What X-Forwarded-For says is a field like others.
  return noted.hasSaid(ex.head) ? noted.client : clientAddress(ex);
}

/** Where the fields are that lines tell; -1 = not there. One walk for all. */
export const found = { agent: -1, referer: -1, traceparent: -1 };

export function find(head: RequestHead): void {
  const { id, count } = head;
  found.agent = -1;
  found.referer = -1;
  found.traceparent = -1;
  for (let i = 0; i < count; i++) {
    const field = id[i]!;
    if (field === FIELD.USER_AGENT) found.agent = i;
    else if (field === FIELD.REFERER) found.referer = i;
    else if (field === FIELD.TRACEPARENT) found.traceparent = i;
  }
}
