// The demo's handle on its origins: starts keeper.ts, asks it to slow, kill and revive regions, and knows what state each
// is in. "Best" here is by the measured matrix, so that a script that kills the best region knows which one it was.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromKeeper, ToKeeper } from './keeper.ts';
import type { OriginState } from './origin.ts';
import type { OriginPlan } from './plan.ts';

export const ACTIONS = { degrade: 'slow', kill: 'down', revive: 'up' } as const satisfies Record<string, OriginState>;
export type Action = keyof typeof ACTIONS;

/** What an action is best done to: first any origin in the first group of states, else in the next. */
const FIT: Readonly<Record<Action, readonly (readonly OriginState[])[]>> = {
  degrade: [['up']],
  kill: [['up'], ['slow']],
  revive: [['down', 'slow']],
};

/** What came of an action: the region it was done to, or why nothing was done. */
export type Deed = { readonly region: string; readonly problem: null } | { readonly problem: string };

const KEEPER = fileURLToPath(new URL('./keeper.ts', import.meta.url));

export class Fleet {
  readonly plans: readonly OriginPlan[];
  readonly ports: Readonly<Record<string, number>>;
  /** Resolves when the keeper has ended. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #states = new Map<string, OriginState>();
  readonly #waiting = new Map<number, (problem: string | null) => void>();
  #lastId = 0;

  /** Origins listen when it resolves; rejects when they cannot. */
  static async start(edge: string, plans: readonly OriginPlan[]): Promise<Fleet> {
    // Detached: a Ctrl-C at the terminal must reach the demo alone, which then ends things in order.
    const child = fork(KEEPER, [], {
      execArgv: [], // flags of this process (a debugger's port, a loader) are not the keeper's
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const ports = await new Promise<Readonly<Record<string, number>>>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the origins' process ended with ${code}`)));
      child.once('message', (message: FromKeeper) => {
        if (message.did === 'start') resolve(message.ports);
      });
      child.send({ do: 'start', edge, origins: plans } satisfies ToKeeper);
    });
    return new Fleet(child, plans, ports);
  }

  private constructor(child: ChildProcess, plans: readonly OriginPlan[], ports: Readonly<Record<string, number>>) {
    this.#child = child;
    this.plans = plans;
    this.ports = ports;
    for (const { region } of plans) this.#states.set(region, 'up');
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        for (const settle of this.#waiting.values()) settle("the origins' process has ended");
        resolve();
      });
    });
    child.on('message', (message: FromKeeper) => {
      if (message.did !== 'go') return;
      this.#waiting.get(message.id)?.(message.problem);
      this.#waiting.delete(message.id);
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  stateOf(region: string): OriginState {
    return this.#states.get(region) ?? 'down';
  }

  /** Should this process vanish, the keeper ends `pid` and removes `folder`. */
  guard(pid: number, folder: string): void {
    this.#child.send({ do: 'guard', pid, folder } satisfies ToKeeper);
  }

  /** Does it to `region`, or to the best that it can be done to. Never rejects. */
  async act(action: Action, region: string | null): Promise<Deed> {
    const target = region === null ? this.#bestFor(action) : this.#named(region);
    if (target === null) {
      const names = this.plans.map((plan) => plan.region).join(', ');
      return { problem: region === null ? `nothing to ${action}` : `no region ${region}; there are ${names}` };
    }
    const problem = await this.#go(target, ACTIONS[action]);
    if (problem !== null) return { problem };
    this.#states.set(target, ACTIONS[action]);
    return { region: target, problem: null };
  }

  /** Ends the origins; resolves when their process is gone. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.ended;
  }

  #go(region: string, state: OriginState): Promise<string | null> {
    if (!this.#child.connected) return Promise.resolve("the origins' process has ended");
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ do: 'go', id, region, state } satisfies ToKeeper);
    });
  }

  /** The nearest whose state comes first in the action's order. `plans` is sorted by distance. */
  #bestFor(action: Action): string | null {
    for (const states of FIT[action]) {
      const found = this.plans.find(({ region }) => states.includes(this.stateOf(region)));
      if (found) return found.region;
    }
    return null;
  }

  #named(region: string): string | null {
    return this.plans.find((plan) => plan.region === region || plan.region.endsWith(`:${region}`))?.region ?? null;
  }
}
