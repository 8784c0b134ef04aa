// A hot restart, from this process's side: everything that listens is counted, a successor gets it, and when it is ready this
// process has only to drain. Until then nothing is given up: whatever goes wrong, all is as it was.

import { setTimeout as after } from 'node:timers/promises';
import type { Discovery } from './discovery/discovery.ts';
import type { Fleet } from './fleet.ts';
import type { Metrics } from './metrics.ts';
import type { Names } from './names.ts';
import type { Predecessor } from './predecessor.ts';
import type { Running } from './running.ts';
import { type Outcome, Successor } from './successor.ts';
import type { Supervisor } from './supervisor.ts';
import type { TicketKeys } from './tickets.ts';
import type { EventLog, ReplaceResult } from './types.ts';

/** How often a successor hears what is counted here while this process drains. */
const TELL_MS = 2000;

export interface SuccessionParts {
  readonly events: EventLog;
  readonly discovery: Discovery;
  readonly fleet: Fleet;
  readonly metrics: Metrics;
  readonly names: Names;
  readonly running: Running;
  readonly supervisor: Supervisor;
  readonly tickets: TicketKeys;
  readonly version: string;
  /** Does the work while nothing else changes what runs. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
  /** Why this process cannot be replaced now; null = it can. */
  readonly whyNot: () => string | null;
  /** The successor accepts: this process may go. */
  readonly onReplaced: () => void;
}

export class Succession {
  readonly #parts: SuccessionParts;
  #successor: Successor | null = null;
  /** It has taken over, and is told what is still counted here. */
  #heir: Successor | null = null;
  #telling: NodeJS.Timeout | null = null;
  #predecessorGone: Promise<void> = Promise.resolve();
  #isUnderWay = false;
  #isAbandoned = false;

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
  }

  /** Resolves when the successor serves, or when it is certain that it will not. Never rejects. */
  async replace(why: string): Promise<ReplaceResult> {
    const refusal = this.#isUnderWay ? 'a hot restart is under way' : (this.#parts.whyNot() ?? whyNever());
    if (refusal !== null) return this.#failed(why, { code: 'refused', problems: [refusal] });
    this.#isUnderWay = true;
    try {
      return await this.#parts.alone(() => this.#replace(why));
    } finally {
      this.#isUnderWay = false;
    }
  }

  /** This process ends: nobody shall take over. */
  abandon(why: string): void {
    this.#isAbandoned = true;
    this.#successor?.abandon(why);
  }

  async #replace(why: string): Promise<ReplaceResult> {
    const { events, supervisor, onReplaced } = this.#parts;
    events.emit('info', 'node.replace', `hot restart (${why}): starting a successor`, { pid: process.pid });
    const startMs = performance.now();
    const outcome = await this.#attempt();
    const readyMs = Math.round(performance.now() - startMs);
    if (!outcome.ok) {
      supervisor.release();
      return this.#failed(why, { code: outcome.isConfig ? 'config_invalid' : 'failed', problems: outcome.problems });
    }
    const { pid, version } = outcome;
    events.emit('info', 'node.replaced', `process ${pid} has taken over; ${process.pid} ends what it has begun`, {
      pid,
      version,
      readyMs,
    });
    onReplaced();
    return { ok: true, code: 'replaced', pid, version, readyMs, problems: [] };
  }

  async #attempt(): Promise<Outcome> {
    const { discovery, fleet, metrics, names, running, supervisor, tickets, version } = this.#parts;
    try {
      const sockets = await supervisor.hold();
      if (this.#isAbandoned) throw new Error('this process is ending');
      const estate = {
        version,
        sockets,
        admin: running.adminSocket,
        tickets: tickets.packed(),
        names: names.known(),
        discovered: discovery.memory(),
        memory: fleet.memory(),
        counted: await metrics.inheritance.counted(),
      };
      this.#successor = new Successor(estate, (pid) => this.#lost(pid));
      const outcome = await this.#successor.outcome;
      if (outcome.ok) await this.#bequeath(this.#successor);
      return outcome;
    } catch (error) {
      return { ok: false, isConfig: false, problems: [error instanceof Error ? error.message : String(error)] };
    } finally {
      this.#successor = null;
    }
  }

  async #bequeath(heir: Successor): Promise<void> {
    this.#heir = heir;
    this.#telling = setInterval(() => void this.#tell(heir), TELL_MS).unref();
    await this.#tell(heir);
  }

  async #tell(heir: Successor): Promise<void> {
    await heir.tell(await this.#parts.metrics.inheritance.counted());
  }

  /** Scrapes wait until the process before has told what it has counted. */
  inheritFrom(predecessor: Predecessor): void {
    const { metrics } = this.#parts;
    metrics.inheritance.take(predecessor.handover.counted);
    metrics.await(predecessor.hearCounted((counted) => metrics.inheritance.take(counted)));
    this.#predecessorGone = predecessor.gone;
  }

  /** Nothing is counted here any more: the successor gets the last of it, for `graceMs` also of the one before that still drains. */
  async conclude(graceMs: number): Promise<void> {
    await Promise.race([this.#predecessorGone, after(graceMs)]);
    if (this.#telling !== null) clearInterval(this.#telling);
    if (this.#heir !== null) await this.#tell(this.#heir);
  }

  /** It is too late to go on: our sockets are closed. */
  #lost(pid: number): void {
    const message = `process ${pid} has ended while ${process.pid} still drains: nobody accepts connections`;
    this.#parts.events.emit('error', 'node.replace', message, { pid });
  }

  #failed(why: string, { code, problems }: Pick<ReplaceResult, 'code' | 'problems'>): ReplaceResult {
    const message = `not replaced (${why}), process ${process.pid} goes on: ${problems[0]}`;
    this.#parts.events.emit('error', 'node.replace', message, { problems });
    return { ok: false, code, pid: null, version: null, readyMs: null, problems };
  }
}

/** Where it can never be. */
function whyNever(): string | null {
  if (process.platform === 'win32') return 'Windows cannot hand listening sockets over';
  if (process.pid === 1) return 'it is process 1: its container would end with it. Replace the container instead';
  return null;
}
