// From an accepted socket to the connection that reads it: who is behind a PROXY header, the TLS handshake, and which HTTP is
// spoken. Each step owns the socket until it hands it on; `onClosed` is called exactly once, whoever has it when it closes.

import type { Socket } from 'node:net';
import type { ListenerSpec } from '../core/snapshot.ts';
import { adopt, Tap } from './buffers.ts';
import { ServerConnection } from './h1/server.ts';
import type { Plane } from './plane.ts';
import type { Peer } from './sides.ts';

/** `accepted` is paused and has not been read; `address` is canonical, '' on a UNIX socket. */
export function enter(
  plane: Plane,
  accepted: Socket,
  spec: ListenerSpec,
  port: number,
  address: string,
  onClosed: () => void,
): void {
  const peer: Peer = { address, isTrusted: false, listener: spec.name, localPort: port, tls: null };
  const tap = new Tap();
  const socket = adopt(accepted, tap);
  plane.remember(new ServerConnection(plane, socket, tap, peer, null, onClosed));
}
