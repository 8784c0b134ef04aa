// Opening a connection to an endpoint: TCP, a UNIX socket, or TLS with verification on. What went wrong is told apart here.

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { EndpointSpec, PoolSpec, TlsSpec } from '../../core/snapshot.ts';
import { onread, type Reading, readDirectly } from '../buffers.ts';
import { CONNECT_FAILURE, type ConnectFailure } from '../sides.ts';

export interface Dialling extends Reading {
  /** Bytes may be sent: the handshake, where there is one, is over. Nothing is read before. */
  readonly onConnect: () => void;
}

/** What is dialled: an endpoint as its group knows it. */
export interface DialTarget {
  readonly spec: EndpointSpec;
  readonly pool: PoolSpec;
  /** Last session ticket, so that the next handshake is short. */
  tlsSession: Buffer | null;
  secureContext(): SecureContext;
}

/** Reading a CA bundle for every handshake would cost milliseconds: groups keep what this gives. */
export function secureContextOf({ ca, cert, key }: TlsSpec): SecureContext {
  return createSecureContext({
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  });
}

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 } as const;

/** `preamble`: latin1 text that is sent before anything else, TLS included. */
export function dial(group: DialTarget, dialling: Dialling, preamble = ''): Socket {
  const { scheme } = group.spec;
  return scheme === 'https' || scheme === 'h2'
    ? dialTls(group, dialling, preamble)
    : dialPlain(group, dialling, preamble);
}

function dialPlain({ spec }: DialTarget, dialling: Dialling, preamble: string): Socket {
  const target = spec.socketPath === null ? { host: spec.host, port: spec.port } : { path: spec.socketPath };
  const socket = connectTcp({ ...target, ...SOCKET_OPTIONS, onread: onread(dialling) });
  if (preamble !== '') socket.once('connect', () => socket.write(preamble, 'latin1'));
  socket.once('connect', () => readDirectly(socket, dialling)); // reading begins after this
  socket.on('connect', dialling.onConnect);
  return socket;
}

function dialTls(group: DialTarget, dialling: Dialling, preamble: string): Socket {
  const { onConnect, take } = dialling;
  const { spec, pool, tlsSession } = group;
  const options: ConnectionOptions = {
    host: spec.host,
    port: spec.port,
    servername: pool.tls.serverName ?? (isIP(spec.host) === 0 ? spec.host : ''),
    ALPNProtocols: [spec.scheme === 'h2' ? 'h2' : 'http/1.1'],
    rejectUnauthorized: pool.tls.verify,
    secureContext: group.secureContext(),
    ...(tlsSession === null ? {} : { session: tlsSession }),
  };
  const isBare = preamble === '';
  const socket = isBare
    ? connectTls({ ...options, onread: onread(dialling) } as ConnectionOptions)
    : connectTlsAfter(preamble, spec, options);
  socket.setNoDelay(true);
  if (isBare) socket.once('secureConnect', () => readDirectly(socket, dialling));
  else socket.on('data', take); // TLS decrypts into memory of its own
  socket.on('secureConnect', onConnect);
  socket.on('session', (session: Buffer) => {
    group.tlsSession = session;
  });
  return socket;
}

/** TLS needs the socket to itself once it has begun, so the preamble is written on the one below it, and before. */
function connectTlsAfter(preamble: string, { host, port }: EndpointSpec, options: ConnectionOptions): Socket {
  const below = connectTcp({ host, port, ...SOCKET_OPTIONS });
  below.once('connect', () => below.write(preamble, 'latin1'));
  const socket = connectTls({ ...options, socket: below });
  below.on('error', (error) => socket.destroy(error));
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
