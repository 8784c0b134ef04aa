// One probe of one endpoint, from the first packet to the verdict. Every probe opens a fresh connection, because its
// connect time is the network term of the score (and for https its handshake shows the certificate), and asks over the
// connection of an earlier probe where there is one, because a warm first byte is what a request on a pooled connection
// meets. The fresh one is closed without a request: kept idle it would block a worker of a single-threaded server.
// Rejected: asking on the fresh one each time (no warm sample ever), and alternating (half the connect samples).

import type { Socket } from 'node:net';
import type { TlsSpec } from '../../core/snapshot.ts';
import type { Names } from '../names.ts';
import type { ProbeResult, ProbeSpec } from '../types.ts';
import { H1Line } from './ask.ts';
import { type Address, Dialer, hangUp, noPhases, type Phases } from './dial.ts';
import { ProbeFailure } from './failure.ts';
import { H2Line } from './h2.ts';
import { Ended, Limit, type StallWatch } from './limit.ts';
import type { Answer, Line } from './line.ts';

/** A kept connection is renewed after so many requests: behind a balancer it shows one server only. */
const ASKS_PER_LINE = 10;

/**
 * A time-out means nothing when our own loop stood still for so much of the time; not for less: on a machine that is always a
 * little late, a silent endpoint would never be found out.
 */
const OUR_FAULT_RATIO = 1 / 4;

export interface Probed {
  readonly result: ProbeResult;
  /** It failed, and that was our own loop's doing: it says nothing of the endpoint. */
  readonly isVoid: boolean;
  /** The IP address that answered; null for UNIX sockets, and when none did. */
  readonly address: string | null;
}

/** Probes one endpoint again and again, one at a time; between probes it holds at most one connection. */
export class Probe {
  readonly #to: Address;
  readonly #spec: ProbeSpec;
  readonly #dialer: Dialer;
  readonly #clock: () => number;
  readonly #stalls: StallWatch;
  #limit: Limit | null = null;
  #kept: Line | null = null;
  /** Where it leads; null = to a UNIX socket. */
  #keptAddress: string | null = null;
  readonly #names: Names;
  #isStopped = false;

  constructor(to: Address, tls: TlsSpec, spec: ProbeSpec, names: Names, stalls: StallWatch, clock: () => number) {
    this.#to = to;
    this.#spec = spec;
    this.#names = names;
    this.#dialer = new Dialer(to, spec.type === 'tcp' ? null : tls, names, clock);
    this.#clock = clock;
    this.#stalls = stalls;
  }

  /** null when it was stopped meanwhile. Never rejects; takes `timeoutMs`, and once as much after a stall, at most. */
  async run(): Promise<Probed | null> {
    if (this.#isStopped) return null;
    const atMs = this.#clock();
    const phases = noPhases();
    const limit = new Limit(this.#spec.timeoutMs, this.#clock);
    this.#limit = limit;
    const begun = this.#stalls.begin();
    let answer: Answer = { status: null, firstByteMs: null, failure: null };
    let isWarm = false;
    try {
      ({ answer, isWarm } = await this.#measure(limit, phases));
    } catch (error) {
      if (!(error instanceof Ended)) answer = { status: null, firstByteMs: null, failure: failureOf(error) };
      // An endpoint that cannot be connected to has no living connection worth keeping.
      this.#drop();
    } finally {
      limit.clear();
      this.#limit = null;
    }
    const stalledMs = this.#stalls.end(begun);
    if (this.#isStopped) return null;
    const isVoid = answer.failure?.isLate === true && stalledMs > this.#spec.timeoutMs * OUR_FAULT_RATIO;
    return { result: resultOf(atMs, phases, answer, isWarm, stalledMs > 0), isVoid, address: phases.address };
  }

  /** Ends a running probe and the kept connection. */
  stop(): void {
    this.#isStopped = true;
    this.#limit?.stop();
    this.#drop();
  }

  async #measure(limit: Limit, phases: Phases): Promise<{ answer: Answer; isWarm: boolean }> {
    const fresh = await this.#dialer.dial(limit, phases);
    if (this.#spec.type === 'tcp') {
      hangUp(fresh);
      return { answer: { status: null, firstByteMs: null, failure: null }, isWarm: false };
    }
    const kept = this.#usable();
    if (kept === null) return { answer: await this.#askOn(fresh, limit, phases), isWarm: false };
    hangUp(fresh);
    const answer = await kept.ask(this.#spec, this.#to, limit);
    // It was closed while nobody looked. That is the way of idle connections, and no fault.
    const isStale = answer.failure !== null && answer.failure.kind === 'protocol' && answer.failure.isBeforeAnswer;
    if (!isStale) return { answer, isWarm: true };
    this.#drop();
    return { answer: await this.#askOn(await this.#dialer.dial(limit, phases), limit, phases), isWarm: false };
  }

  /** Asks on a new connection, and keeps it if the endpoint lets us. */
  async #askOn(socket: Socket, limit: Limit, { address }: Phases): Promise<Answer> {
    this.#drop();
    this.#keptAddress = address;
    const { scheme } = this.#to;
    const isH2 = scheme === 'h2' || scheme === 'h2c';
    const line = isH2 ? new H2Line(socket, this.#clock) : new H1Line(socket, this.#to, this.#clock);
    this.#kept = line;
    return line.ask(this.#spec, this.#to, limit);
  }

  #usable(): Line | null {
    if (this.#kept?.isOpen !== true || this.#kept.asked >= ASKS_PER_LINE) return null;
    const isThere = this.#keptAddress === null || this.#names.isAt(this.#to.host, this.#keptAddress);
    return isThere ? this.#kept : null;
  }

  #drop(): void {
    this.#kept?.close();
    this.#kept = null;
  }
}

function failureOf(error: unknown): ProbeFailure {
  if (error instanceof ProbeFailure) return error;
  return new ProbeFailure('protocol', error instanceof Error ? error.message : String(error));
}

function resultOf(atMs: number, phases: Phases, answer: Answer, warm: boolean, stalled: boolean): ProbeResult {
  return {
    ok: answer.failure === null,
    atMs,
    dnsMs: phases.dnsMs,
    connectMs: phases.connectMs,
    tlsMs: phases.tlsMs,
    firstByteMs: answer.firstByteMs,
    warm,
    status: answer.status,
    error: answer.failure?.message ?? null,
    failure: answer.failure?.kind ?? null,
    stalled,
  };
}
