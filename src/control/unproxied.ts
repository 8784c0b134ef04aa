// Connections that were closed for their PROXY header, told of. Every worker says so once a minute; once a minute is enough of all
// of them together.

import type { ProxyRefusal } from '../core/messages.ts';
import type { EventLog } from './types.ts';

const EVERY_MS = 60_000;
const WHY: Readonly<Record<ProxyRefusal, string>> = {
  untrusted: 'it is not one of trustedProxies, so it may not send a PROXY header',
  malformed: 'it did not begin with a valid PROXY header',
  late: 'its PROXY header was not whole in time',
};

export interface Unproxied {
  readonly listener: string;
  readonly address: string;
  readonly why: ProxyRefusal;
}

export class UnproxiedTeller {
  readonly #events: EventLog;
  #fromMs = 0;

  constructor(events: EventLog) {
    this.#events = events;
  }

  tell({ listener, address, why }: Unproxied, nowMs: number): void {
    if (nowMs < this.#fromMs) return;
    this.#fromMs = nowMs + EVERY_MS;
    const message = `closed a connection from ${address} to ${listener}: ${WHY[why]}`;
    this.#events.emit('warn', 'listener.proxy', message, { listener, address, why });
  }
}
