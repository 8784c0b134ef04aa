// The processes of a run: origins that stay, and entrants that are started when a scenario first needs their shape, tried,
// and stopped after the last one that does. An entrant that cannot be had is a reason to print, not the end of the run.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accepting, freePort, type Running, start } from '../support/process.ts';
import type { Certificate } from './certificate.ts';
import { type Placement, placementOf } from './cores.ts';
import { type Origin, startEcho, startOrigin } from './origin.ts';
import { PEERS } from './peers.ts';
import type { Shape } from './proxies/setup.ts';
import type { Entrant, Scenario } from './scenarios.ts';

export interface Stall {
  readonly running: Running;
  readonly port: number;
  readonly shape: Shape;
}

/** Where to put whom, certificate and origins: what all entrants have in common. */
export interface Grounds {
  readonly folder: string;
  readonly certificate: Certificate;
  readonly http: Origin;
  readonly echo: Origin;
}

export async function prepareGrounds(folder: string, certificate: Certificate, endpoints: number): Promise<Grounds> {
  const { load } = placementOf(1);
  return { folder, certificate, http: await startOrigin(folder, load, endpoints), echo: await startEcho(load) };
}

export class Stable {
  readonly #grounds: Grounds;
  readonly #stalls = new Map<string, Stall | string>();

  constructor(grounds: Grounds) {
    this.#grounds = grounds;
  }

  /** The entrant's process, started if need be; a string says why there is none. Never rejects. */
  async get({ peer, shape }: Entrant, placement: Placement): Promise<Stall | string> {
    const key = keyOf(peer, shape);
    const known = this.#stalls.get(key);
    if (known !== undefined) return known;
    const stall = await startStall(this.#grounds, peer, shape, placement.proxy).catch((error: Error) => error.message);
    this.#stalls.set(key, stall);
    return stall;
  }

  /** Ends everybody whom none of these scenarios needs. */
  async keepOnly(scenarios: readonly Scenario[]): Promise<void> {
    const needed = new Set(scenarios.flatMap(({ entrants }) => entrants.map(({ peer, shape }) => keyOf(peer, shape))));
    const ending = [...this.#stalls].filter(([key]) => !needed.has(key));
    for (const [key] of ending) this.#stalls.delete(key);
    await Promise.all(ending.map(([, stall]) => (typeof stall === 'string' ? undefined : stall.running.stop())));
  }
}

/** Rejects with what the process said, or why it cannot be. */
export async function startStall(
  { folder, certificate, http, echo }: Grounds,
  peer: string,
  shape: Shape,
  cores: number | string,
): Promise<Stall> {
  const port = await freePort();
  const own = join(folder, `${peer.replace(/\W/g, '-')}-${port}`);
  mkdirSync(own);
  const originPort = shape.origin === 'http' ? http.port : echo.port;
  const command = PEERS[peer]!.command({ ...shape, port, originPort, folder: own, certificate });
  if (command === null) throw new Error(NOT_SUPPORTED);
  const running = start(cores, command[0], command.slice(1));
  try {
    await accepting(port, running);
  } catch (error) {
    await running.stop();
    const said = running.said().trim();
    throw new Error(said === '' ? String(error) : `does not start: ${said.split('\n').at(-1)}`);
  }
  return { running, port, shape };
}

export const NOT_SUPPORTED = 'not supported';

function keyOf(peer: string, shape: Shape): string {
  return `${peer} ${JSON.stringify(shape)}`;
}
