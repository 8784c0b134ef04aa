// The end of a worker, in steps that lose nobody who keeps to HTTP:
//
//   0          answers say that they are the last of their connection, HTTP/2 is told to go (GOAWAY)
//   delay      nothing new is accepted: balancers have had time to see that the node is not ready
//   + grace    idle connections are closed, a few at a time: their clients come back elsewhere, and not all at once
//   + window   WebSockets are told 1001, one after another over most of what is left
//   + timeout  what has not ended is cut

import type { Drain } from '../core/messages.ts';
import type { Plane } from './plane.ts';

/**
 * What idle clients get, after nothing is accepted any more, before they are closed; ms, and half of a shorter time-out at most.
 * A request that crosses the close on its way is lost to clients that do not repeat it, so where another process serves
 * already, and nobody waits for the end of this one, there is more time to say `Connection: close` instead.
 */
const IDLE_GRACE_MS = 1000;
const HANDED_OVER_GRACE_MS = 5000;
/** Idle connections are closed at this pace, each ms, and all of them in this part of the time-out. */
const IDLE_PER_MS = 0.5;
const IDLE_SHARE = 0.25;
/** The part of the time-out within which WebSockets are told; the rest is for saying goodbye. */
const TUNNEL_SHARE = 0.8;
const TICK_MS = 20;

interface Accepting {
  close(isHandedOver: boolean): void;
}

/** Resolves when nothing is left, at the latest when both times are up. */
export async function drain(plane: Plane, listeners: Iterable<Accepting>, steps: Drain): Promise<void> {
  const { delayMs, timeoutMs, isHandedOver } = steps;
  plane.beginDrain();
  await after(delayMs);
  for (const listener of listeners) listener.close(isHandedOver);
  const untilMs = plane.clock() + timeoutMs;
  void closeIdle(plane, timeoutMs, isHandedOver ? HANDED_OVER_GRACE_MS : IDLE_GRACE_MS);
  void closeTunnels(plane, timeoutMs);
  while (plane.connectionCount > 0 && plane.clock() < untilMs) await after(TICK_MS);
  plane.destroy();
  await after(TICK_MS); // what was cut closes its books
}

async function closeIdle(plane: Plane, timeoutMs: number, graceMs: number): Promise<void> {
  await after(Math.min(graceMs, timeoutMs / 2));
  const all = plane.connections();
  const windowMs = Math.min(all.length / IDLE_PER_MS, timeoutMs * IDLE_SHARE);
  await spread(plane, all, windowMs, (connection) => connection.closeIdle());
  plane.closeIdle(); // and whatever becomes idle from now on
}

async function closeTunnels(plane: Plane, timeoutMs: number): Promise<void> {
  await spread(plane, [...plane.tunnels], timeoutMs * TUNNEL_SHARE, (tunnel) => tunnel.leave());
  for (const tunnel of plane.tunnels) tunnel.leave(); // opened meanwhile
}

/** Does it to all of them, evenly over the window; the first at once. */
async function spread<T>(plane: Plane, all: readonly T[], windowMs: number, act: (one: T) => void): Promise<void> {
  const startMs = plane.clock();
  for (let done = 0; done < all.length; ) {
    const due = Math.min(all.length, 1 + Math.floor((all.length * (plane.clock() - startMs)) / windowMs));
    while (done < due) act(all[done++]!);
    if (done < all.length) await after(TICK_MS);
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
