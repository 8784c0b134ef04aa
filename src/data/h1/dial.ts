// Opening a connection to an endpoint: TCP, a UNIX socket, or TLS with verification on. A name is never looked up here: the
// worker knows its addresses, and they are tried one after the other within the pool's time. What went wrong is told apart in
// failure.ts.

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { EndpointSpec, PoolSpec, TlsSpec } from '../../core/snapshot.ts';
import type { AddressBook } from '../addresses.ts';
import { onread, type Reading, readDirectly } from '../buffers.ts';
import type { Doubt } from '../doubt.ts';
import { CONNECT_FAILURE, type ConnectFailure } from '../sides.ts';
import { NEVER } from '../wheel.ts';
import { failureOf } from './failure.ts';

export interface Dialling extends Reading {
  /** Bytes may be sent: the handshake, where there is one, is over. Nothing is read before. */
  readonly onConnect: () => void;
}

/** What is dialled: an endpoint as its group knows it. */
export interface DialTarget {
  readonly plane: {
    readonly addresses: AddressBook;
    readonly clock: () => number;
    readonly random: () => number;
  };
  readonly spec: EndpointSpec;
  readonly pool: PoolSpec;
  readonly doubt: Doubt;
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

/** A connection ends up to so much before its age: those of one busy moment must not all end together. */
const AGE_JITTER_RATIO = 0.2;

/** One connection being made, and then where it leads. */
export class Dial {
  readonly socket: Socket;
  /** From then on it is to serve no further request; 0 = DNS does not lead where it leads any more. */
  retireAtMs = NEVER;
  readonly #target: DialTarget;
  readonly #isTls: boolean;
  /** The address behind the endpoint's name that was connected to; '' = not yet, or no name was needed. */
  #address = '';
  /** TCP is through, and TLS is not. */
  #isShakingHands = false;
  #errorCode = '';
  readonly #startMs: number;
  #isAwaited = true;
  #isLate = false;

  /** `preamble`: latin1 text that is sent before anything else, TLS included. */
  constructor(target: DialTarget, dialling: Dialling, preamble: string) {
    const { scheme, host } = target.spec;
    this.#target = target;
    this.#isTls = scheme === 'https' || scheme === 'h2';
    const { connectionAgeMs } = target.pool.timeouts;
    const { clock, random } = target.plane;
    this.#startMs = clock();
    if (connectionAgeMs > 0) this.retireAtMs = this.#startMs + connectionAgeMs * (1 - AGE_JITTER_RATIO * random());
    target.doubt.dialled();
    const watch = (socket: Socket): void => this.#watch(socket, host !== '' && isIP(host) === 0);
    this.socket = this.#isTls
      ? dialTls(target, dialling, preamble, watch)
      : dialPlain(target, dialling, preamble, watch);
    this.socket.once('secureConnect', () => {
      this.#isShakingHands = false;
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#errorCode = error.code ?? 'ERROR';
    });
    this.socket.once(this.#isTls ? 'secureConnect' : 'connect', () => this.#tell(true));
    this.socket.once('close', () => this.#tell(false));
  }

  /** What came of it; the first word counts. */
  #tell(isEstablished: boolean): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    const { doubt, plane } = this.#target;
    const code = this.#errorCode;
    const isTheirs = code !== '' && failureOf(code, this.#isShakingHands) !== CONNECT_FAILURE.DESCRIPTORS;
    if (isEstablished) doubt.established(plane.clock() - this.#startMs);
    else if (this.#isLate || isTheirs) doubt.failed();
    else doubt.dropped();
  }

  /** To be called when addresses have changed. */
  checkAddress(): void {
    const { plane, spec } = this.#target;
    if (this.#address !== '' && !plane.addresses.has(spec.host, this.#address)) this.retireAtMs = 0;
  }

  /** Why it came to nothing; `isLate`: its time was over. */
  failure(isLate: boolean): ConnectFailure {
    this.#isLate = isLate;
    if (this.#isShakingHands && this.#address !== '')
      this.#target.plane.addresses.shun(this.#target.spec.host, this.#address);
    if (!isLate) return failureOf(this.#errorCode, this.#isShakingHands);
    if (this.#isShakingHands) return CONNECT_FAILURE.TLS_TIMEOUT;
    const { spec, plane } = this.#target;
    const isNamed = spec.host !== '' && isIP(spec.host) === 0;
    return isNamed && plane.addresses.count(spec.host) === 0 ? CONNECT_FAILURE.DNS : CONNECT_FAILURE.TIMEOUT;
  }

  /** `socket`: the one that TCP is seen on. */
  #watch(socket: Socket, isNamed: boolean): void {
    socket.once('connect', () => {
      this.#isShakingHands = this.#isTls;
      if (!isNamed) return;
      this.#address = socket.remoteAddress ?? '';
      this.checkAddress(); // they may have changed meanwhile
    });
    if (!isNamed) return;
    const { plane, spec } = this.#target;
    const shun = (address: string): void => plane.addresses.shun(spec.host, address);
    socket.on('connectionAttemptFailed', shun);
    socket.on('connectionAttemptTimeout', shun);
  }
}

type Watch = (socket: Socket) => void;

/** net tries the addresses of a name by itself, and each but the last for its share of the time. */
function placeOf({ spec, pool, plane }: DialTarget) {
  const { host, port } = spec;
  const shares = Math.max(2, plane.addresses.count(host)); // of a name that is still awaited nothing is known
  const autoSelectFamilyAttemptTimeout = Math.max(10, Math.floor(pool.timeouts.connectMs / shares));
  return { host, port, lookup: plane.addresses.lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout };
}

function dialPlain(target: DialTarget, dialling: Dialling, preamble: string, watch: Watch): Socket {
  const { socketPath } = target.spec;
  const place = socketPath === null ? placeOf(target) : { path: socketPath };
  const socket = connectTcp({ ...place, ...SOCKET_OPTIONS, onread: onread(dialling) });
  watch(socket);
  if (preamble !== '') socket.once('connect', () => socket.write(preamble, 'latin1'));
  socket.once('connect', () => readDirectly(socket, dialling)); // reading begins after this
  socket.on('connect', dialling.onConnect);
  return socket;
}

function dialTls(target: DialTarget, dialling: Dialling, preamble: string, watch: Watch): Socket {
  const { onConnect, take } = dialling;
  const { spec, pool, tlsSession } = target;
  const options: ConnectionOptions = {
    ...placeOf(target),
    servername: pool.tls.serverName ?? (isIP(spec.host) === 0 ? spec.host.replace(/\.$/, '') : ''),
    ALPNProtocols: [spec.scheme === 'h2' ? 'h2' : 'http/1.1'],
    rejectUnauthorized: pool.tls.verify,
    secureContext: target.secureContext(),
    ...(tlsSession === null ? {} : { session: tlsSession }),
  };
  const isBare = preamble === '';
  const socket = isBare
    ? connectTls({ ...options, onread: onread(dialling) } as ConnectionOptions)
    : connectTlsAfter(preamble, target, options, watch);
  if (isBare) watch(socket);
  socket.setNoDelay(true);
  if (isBare) socket.once('secureConnect', () => readDirectly(socket, dialling));
  else socket.on('data', take); // TLS decrypts into memory of its own
  socket.on('secureConnect', onConnect);
  socket.on('session', (session: Buffer) => {
    target.tlsSession = session;
  });
  return socket;
}

/**
 * TLS needs the socket to itself once it has begun, so the preamble is written on the one below it, and before. TLS takes that
 * one's handle at once, and net would make another for each further address: so this dials one address, for its share of the
 * time, and what it has shunned then leads whoever asks again to the next.
 */
function connectTlsAfter(preamble: string, target: DialTarget, options: ConnectionOptions, watch: Watch): Socket {
  const { spec, plane } = target;
  const { autoSelectFamilyAttemptTimeout, ...place } = placeOf(target);
  const below = connectTcp({ ...place, ...SOCKET_OPTIONS, autoSelectFamily: false });
  watch(below);
  let dialled = '';
  below.once('lookup', (_error, address) => {
    dialled = address ?? '';
  });
  below.on('error', () => {
    if (dialled !== '') plane.addresses.shun(spec.host, dialled);
  });
  if (plane.addresses.hasAnother(spec.host))
    below.setTimeout(autoSelectFamilyAttemptTimeout, () =>
      below.destroy(new Error('no connection in its share of time')),
    );
  below.once('connect', () => {
    below.setTimeout(0);
    dialled = '';
    below.write(preamble, 'latin1');
  });
  const socket = connectTls({ ...options, socket: below });
  below.on('error', (error) => socket.destroy(error));
  return socket;
}
