// From an accepted socket to the connection that reads it: who is behind a PROXY header, the TLS handshake, and which HTTP is
// spoken. Each step owns the socket until it hands it on; `onClosed` is called exactly once, whoever has it when it closes.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ListenerSpec } from '../core/snapshot.ts';
import type { ProxyEnds } from '../wire/proxy.ts';
import { adopt, Tap } from './buffers.ts';
import { ServerConnection } from './h1/server.ts';
import { H2ServerConnection } from './h2/server.ts';
import type { Handshakes } from './handshakes.ts';
import type { Plane } from './plane.ts';
import type { Peer, PeerTls } from './sides.ts';
import type { TlsContexts } from './tls.ts';

/** What a listener tells of itself to the connections it lets in. */
export interface Door {
  readonly spec: ListenerSpec;
  /** null = plain text. */
  readonly tls: TlsContexts | null;
  readonly handshakes: Handshakes;
}

/**
 * `accepted` is paused; what was read behind a PROXY header waits in it, otherwise it has not been read. `ends`: the client's,
 * addresses canonical, '' on a UNIX socket.
 */
export function enter(plane: Plane, accepted: Socket, door: Door, ends: ProxyEnds, onClosed: () => void): void {
  const { spec, tls, handshakes } = door;
  if (tls === null) return enterPlain(plane, accepted, peerOf(spec, ends, null), onClosed);
  handshakes.begin(
    accepted,
    tls,
    spec.uid,
    (socket, tap, shown) => serve(plane, socket, tap, peerOf(spec, ends, shown), onClosed),
    onClosed,
  );
}

function enterPlain(plane: Plane, accepted: Socket, peer: Peer, onClosed: () => void): void {
  const tap = new Tap();
  const socket = adopt(accepted, tap);
  serve(plane, socket, tap, peer, onClosed);
  if (accepted.readableLength > 0) tap.take(accepted.read() as Buffer);
}

/** HTTP/2 is spoken where ALPN agreed on it, and without TLS to whoever begins with its preface. */
function serve(plane: Plane, socket: Socket, tap: Tap, peer: Peer, onClosed: () => void): void {
  if (peer.tls !== null && (socket as TLSSocket).alpnProtocol === 'h2') {
    serveH2(plane, socket, tap, peer, onClosed);
    return;
  }
  const onPreface = (bytes: Buffer): void => serveH2(plane, socket, tap, peer, onClosed).take(bytes);
  plane.remember(new ServerConnection(plane, socket, tap, peer, peer.tls === null ? onPreface : null, onClosed));
}

function serveH2(plane: Plane, socket: Socket, tap: Tap, peer: Peer, onClosed: () => void): H2ServerConnection {
  const connection = new H2ServerConnection(plane, socket, tap, peer, onClosed);
  plane.remember(connection);
  return connection;
}

/** A peer's certificate says which edge it is, and nothing of the client that it speaks for. */
function peerOf(spec: ListenerSpec, ends: ProxyEnds, shown: PeerTls | null): Peer {
  const tls = shown !== null && spec.isForPeers === true ? { ...shown, clientCert: '' } : shown;
  return {
    address: ends.source,
    port: ends.sourcePort,
    localAddress: ends.destination,
    localPort: ends.destinationPort,
    isTrusted: false,
    listener: spec.name,
    tls,
  };
}
