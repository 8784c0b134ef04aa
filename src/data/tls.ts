// TLS towards clients: what a listener's certificates become once they are loaded, and the socket that speaks it. No
// tls.Server: it takes connections from its own port only, and here a PROXY header may come first. When a handshake may begin
// and how long it may take is handshakes.ts's; who the client's certificate says it is, client-cert.ts's.

import { constants, createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { CertificateIndex } from '../core/certificate.ts';
import { NONE, type TlsListenerSpec } from '../core/snapshot.ts';
import { MAX_QUEUED_BYTES, onread, type Reading, readDirectly } from './buffers.ts';
import type { PeerTls } from './sides.ts';

/** A ClientHello may be sent again within a connection, and each costs us a signature: refused (TLS 1.2; 1.3 has none). */
const OPTIONS = constants.SSL_OP_NO_RENEGOTIATION;

type SniCallback = (
  this: ServerTlsSocket,
  serverName: string,
  done: (error: null, context?: SecureContext) => void,
) => void;

/** The contexts of one listener: built once for each change of its files, shared by its connections. */
export class TlsContexts {
  /** Asks clients for a certificate, and lets none in without. */
  readonly wantsClientCert: boolean;
  /** In wire form; null = no ALPN. */
  readonly alpn: Buffer | null;
  /** null where there is nothing to choose. */
  readonly onSni: SniCallback | null;
  readonly #contexts: readonly SecureContext[];
  readonly #names: readonly (readonly string[])[];
  readonly #anyName: readonly string[];
  readonly #index: CertificateIndex;

  /** Throws OpenSSL's error for what it does not take. `id`: the same in all workers, another for every listener. */
  constructor(spec: TlsListenerSpec, id: string, ticketKey: Uint8Array | undefined) {
    const { certificates, clientCa, minVersion, alpn } = spec;
    this.wantsClientCert = clientCa !== null;
    this.alpn = alpn.length === 0 ? null : wireForm(alpn);
    // Whoever trusts other clients must not take tickets that were given to these.
    const sessionIdContext = createHash('sha256').update(`${id}\0${clientCa}`).digest('hex').slice(0, 32);
    this.#contexts = certificates.map(({ cert, key }) =>
      createSecureContext({
        cert,
        key,
        ca: clientCa ?? [], // none are believed, so the system's need not be loaded
        minVersion: minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
        honorCipherOrder: true,
        secureOptions: OPTIONS,
        sessionIdContext,
      }),
    );
    this.#names = certificates.map(({ names }) => names);
    this.#anyName = [...new Set(this.#names.flat())];
    this.#index = new CertificateIndex(this.#names);
    this.onSni = certificates.length === 1 ? null : this.#sniCallback();
    if (ticketKey !== undefined) this.setTicketKey(ticketKey);
  }

  get first(): SecureContext {
    return this.#contexts[0]!;
  }

  /** From now on. A ticket is read with the key of the first context, and written with the one of the chosen. */
  setTicketKey(key: Uint8Array): void {
    const bytes = Buffer.from(key);
    for (const { context } of this.#contexts as readonly ContextWithTickets[]) context.setTicketKeys(bytes);
  }

  /**
   * What the certificate that `socket` showed covers. A resumed session shows none: in TLS 1.3 its client names a host that
   * the certificate it once saw covers (RFC 8446, 4.6.1); in 1.2 OpenSSL does not tell which host was named, so any of ours.
   */
  namesShownTo(socket: ServerTlsSocket): readonly string[] {
    if (this.onSni === null || !socket.isSessionReused()) return this.#names[socket.certificate]!;
    if (socket.getProtocol() !== 'TLSv1.3') return this.#anyName;
    const { servername } = socket as { servername?: unknown };
    return this.#names[typeof servername === 'string' ? this.#certificateFor(servername) : 0]!;
  }

  /** Total by construction: what throws in here would end the worker (CVE-2026-21637). */
  #sniCallback(): SniCallback {
    const contexts = this.#contexts;
    const certificateFor = (serverName: string): number => this.#certificateFor(serverName);
    return function (serverName, done) {
      this.certificate = certificateFor(serverName);
      done(null, this.certificate > 0 ? contexts[this.certificate] : undefined);
    };
  }

  #certificateFor(serverName: string): number {
    const found = this.#index.find(serverName);
    return found === NONE ? 0 : found;
  }
}

/** The part of Node's SecureContext that its types leave out; tls.Server.setTicketKeys does the same. */
interface ContextWithTickets {
  readonly context: { setTicketKeys(keys: Buffer): void };
}

/** What net.Socket and TLSSocket keep in `_handle`. */
interface Handle {
  close(onClosed?: () => void): void;
  reset?(onClosed?: () => void): void;
}

interface TlsHandle extends Handle {
  readonly _parent: Handle;
  receive(bytes: Buffer): void;
  verifyError(): Error | null;
}

interface ServerTlsOptions extends TLSSocketOptions {
  readonly accepted: Handle;
}

/** What of TLSSocket is not in its types. */
interface Inside {
  _handle: TlsHandle | null;
  _tlsOptions: Partial<ServerTlsOptions>;
  connecting: boolean;
  secureConnecting: boolean;
  _releaseControl(): boolean;
}

/**
 * A TLSSocket on the handle of an accepted socket itself, not on the socket: one stream less for each connection, and reads can
 * go where `reading` says, which Node allows to sockets without a socket below only.
 */
export class ServerTlsSocket extends TLSSocket {
  /** Which certificate was chosen. */
  certificate = 0;

  constructor(contexts: TlsContexts, accepted: Handle, reading: Reading) {
    const options: ServerTlsOptions & { allowHalfOpen: boolean; onread: unknown; highWaterMark: number } = {
      isServer: true,
      secureContext: contexts.first,
      requestCert: contexts.wantsClientCert,
      rejectUnauthorized: contexts.wantsClientCert,
      allowHalfOpen: true,
      onread: onread(reading),
      highWaterMark: MAX_QUEUED_BYTES,
      accepted,
    };
    if (contexts.alpn !== null) options.ALPNProtocols = contexts.alpn;
    if (contexts.onSni !== null) options.SNICallback = contexts.onSni as TLSSocketOptions['SNICallback'] & object;
    super(undefined as unknown as Socket, options);
    inside(this).connecting = false;
    readDirectly(this, reading);
  }

  /** Called by TLSSocket's constructor, which would open a handle of its own. */
  _wrapHandle(wrap: null, _none: undefined, hasWrites: boolean): unknown {
    const base = TLSSocket.prototype as unknown as {
      _wrapHandle(wrap: null, handle: unknown, hasWrites: boolean): unknown;
    };
    return base._wrapHandle.call(this, wrap, inside(this)._tlsOptions.accepted, hasWrites);
  }

  /** Bytes that were read from below before the handshake: its first. */
  receive(bytes: Buffer): void {
    inside(this)._handle?.receive(bytes);
  }

  /** Whether the client's certificate is one we asked for. A resumed session carries the one of its first handshake. */
  get hasGoodPeerCertificate(): boolean {
    const handle = inside(this)._handle;
    return handle !== null && handle.verifyError() === null && this.getPeerX509Certificate() !== undefined;
  }

  /** The handshake is over: errors are the stream's again, and what only the handshake needed is let go. */
  release(): void {
    const socket = inside(this);
    socket._releaseControl();
    socket.secureConnecting = false;
    socket._tlsOptions = RELEASED;
    // An error within TLS is told, not acted upon: whoever reads on would wait for ever.
    this.on('error', destroyThis);
  }

  /** The reset is of the connection below: TLS itself knows none. */
  override resetAndDestroy(): this {
    const below = inside(this)._handle?._parent;
    if (below?.reset !== undefined) below.close = below.reset;
    this.destroy();
    return this;
  }
}

/** Not a member: TLSSocket's constructor comes here before there are any. */
function inside(socket: TLSSocket): Inside {
  return socket as unknown as Inside;
}

/** All that an established server socket looks up in its options. */
const RELEASED: Partial<ServerTlsOptions> = Object.freeze({ isServer: true });

function destroyThis(this: TLSSocket): void {
  this.destroy();
}

/** Takes the handle out of an accepted socket that was made with `pauseOnConnect`; null when it is gone already. */
export function takeHandle(accepted: Socket): Handle | null {
  const shell = accepted as unknown as { _handle: Handle | null };
  const handle = shell._handle;
  shell._handle = null;
  return handle;
}

const NO_NAMES: readonly string[] = [];

/** What the exchanges of a connection know of its TLS. */
export function peerTlsOf(
  names: readonly string[],
  clientCert: string,
  clientNames: readonly string[] = NO_NAMES,
  socket: TLSSocket | null = null,
): PeerTls {
  const version = socket?.getProtocol() ?? null;
  const sni = (socket as (TLSSocket & { readonly servername?: string | false }) | null)?.servername || null;
  return { names, clientCert, clientNames, coveredHost: '', version, sni };
}

function wireForm(protocols: readonly string[]): Buffer {
  return Buffer.concat(protocols.map((name) => Buffer.from(String.fromCharCode(name.length) + name, 'latin1')));
}
