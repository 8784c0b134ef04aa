// Opening a connection to an endpoint: TCP, a UNIX socket, or TLS with verification on. What went wrong is told apart here.

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { onread, type Reading } from '../buffers.ts';
import { CONNECT_FAILURE, type ConnectFailure } from '../sides.ts';
import type { EndpointGroup } from '../upstreams.ts';

export interface Dialling extends Reading {
  /** Bytes may be sent: the handshake, where there is one, is over. Nothing is read before. */
  readonly onConnect: () => void;
}

export function dial(group: EndpointGroup, dialling: Dialling): Socket {
  return group.spec.scheme === 'https' ? dialTls(group, dialling) : dialPlain(group, dialling);
}

function dialPlain({ spec }: EndpointGroup, dialling: Dialling): Socket {
  const target = spec.socketPath === null ? { host: spec.host, port: spec.port } : { path: spec.socketPath };
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };
  const socket = connectTcp({ ...target, ...options, onread: onread(dialling) });
  socket.on('connect', dialling.onConnect);
  return socket;
}

function dialTls(group: EndpointGroup, { onConnect, take }: Dialling): Socket {
  const { spec, pool, tlsSession } = group;
  const options: ConnectionOptions = {
    host: spec.host,
    port: spec.port,
    servername: pool.tls.serverName ?? (isIP(spec.host) === 0 ? spec.host : ''),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: pool.tls.verify,
    secureContext: group.secureContext(),
    ...(tlsSession === null ? {} : { session: tlsSession }),
  };
  const socket = connectTls(options);
  socket.setNoDelay(true);
  socket.on('data', take); // TLS decrypts into memory of its own
  socket.on('secureConnect', onConnect);
  socket.on('session', (session: Buffer) => {
    group.tlsSession = session;
  });
  return socket;
}

/** What a system's or OpenSSL's error code says about a connect. */
export function failureOf(code: string, isTls: boolean): ConnectFailure {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return CONNECT_FAILURE.DNS;
    case 'ETIMEDOUT':
      return CONNECT_FAILURE.TIMEOUT;
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENOENT': // no such UNIX socket
      return CONNECT_FAILURE.REFUSED;
    default:
      return isTls ? CONNECT_FAILURE.TLS : CONNECT_FAILURE.REFUSED;
  }
}
