// A fresh connection to an endpoint with each phase timed by hand: DNS, TCP (or UNIX) connect, TLS. undici would do all
// this behind one number. No request is made here (ask.ts, h2.ts).

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { EndpointSpec, PoolSpec, TlsSpec } from '../../core/snapshot.ts';
import type { Names } from '../names.ts';
import { codedFailure, timeoutFailure, tlsFailure } from './failure.ts';
import { Ended, type Limit } from './limit.ts';

/** Of an endpoint: what it takes to reach it. */
export type Address = Pick<EndpointSpec, 'scheme' | 'host' | 'port' | 'socketPath' | 'authority'> & {
  /** Connections begin with a PROXY header; undefined = off. */
  readonly proxyProtocol?: PoolSpec['proxyProtocol'];
};

/** Filled in as the phases end, so that a probe that fails late still tells what it measured. ms. */
export interface Phases {
  dnsMs: number | null;
  connectMs: number | null;
  tlsMs: number | null;
  /** The IP address that answered. */
  address: string | null;
}

export function noPhases(): Phases {
  return { dnsMs: null, connectMs: null, tlsMs: null, address: null };
}

/** Addresses of one name that are tried in one probe. */
const MOST_ADDRESSES = 4;

type Place = { readonly path: string } | { readonly host: string; readonly port: number };

const quiet = (): void => undefined;

const lateError = (): Error => Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });

/** PROXY, version 2: the sender speaks for itself. */
const LOCAL_HEADER = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

/**
 * Version 1 has no such word. UNKNOWN would do, but some servers refuse it, so the specification (haproxy, proxy-protocol.txt,
 * 2.1) wants a probe to name its own connection.
 */
function ownLine({ localAddress, localPort, remoteAddress, remotePort, remoteFamily }: Socket): string {
  if (localAddress === undefined || remoteAddress === undefined) return 'PROXY UNKNOWN\r\n'; // a UNIX socket
  const family = remoteFamily === 'IPv6' ? 'TCP6' : 'TCP4';
  return `PROXY ${family} ${localAddress} ${remoteAddress} ${localPort} ${remotePort}\r\n`;
}

/** Everything about an endpoint that outlives one dial. */
export class Dialer {
  readonly #to: Address;
  readonly #tls: TlsSpec | null;
  readonly #names: Names;
  readonly #clock: () => number;
  #context: SecureContext | null = null;
  /** The address that worked last is tried first. */
  #lastGood: string | null = null;
  /** And the one that failed last at the end. */
  #lastBad: string | null = null;

  /** `tls` null: never TLS, whatever the scheme (a `tcp` probe). */
  constructor(to: Address, tls: TlsSpec | null, names: Names, clock: () => number) {
    this.#to = to;
    this.#tls = to.scheme === 'https' || to.scheme === 'h2' ? tls : null;
    this.#names = names;
    this.#clock = clock;
  }

  /** The caller owns the socket. Rejects with ProbeFailure, or with Ended when stopped. */
  async dial(limit: Limit, phases: Phases): Promise<Socket> {
    const socket = await this.#connect(limit, phases);
    const { proxyProtocol } = this.#to;
    if (proxyProtocol === 'v1') socket.write(ownLine(socket));
    else if (proxyProtocol === 'v2') socket.write(LOCAL_HEADER);
    return this.#tls === null ? socket : this.#secure(socket, this.#tls, limit, phases);
  }

  async #connect(limit: Limit, phases: Phases): Promise<Socket> {
    const { host, port, socketPath } = this.#to;
    if (socketPath !== null) return this.#open({ path: socketPath }, limit, phases, Number.POSITIVE_INFINITY);
    const { addresses, dnsMs } = await this.#names.resolve(host, limit);
    phases.dnsMs = dnsMs;
    let failure: unknown = null;
    const ordered = this.#inOrder(addresses);
    for (const [i, address] of ordered.entries()) {
      // A silent one must not take the time of those behind it.
      const shareMs = i === ordered.length - 1 ? Number.POSITIVE_INFINITY : limit.timeoutMs / ordered.length;
      try {
        const socket = await this.#open({ host: address, port }, limit, phases, shareMs);
        phases.address = address;
        this.#lastGood = address;
        return socket;
      } catch (error) {
        failure = error;
        if (error instanceof Ended) throw error;
        this.#lastBad = address;
      }
    }
    this.#lastGood = null;
    throw failure;
  }

  #inOrder(addresses: readonly string[]): readonly string[] {
    const rank = (address: string) => (address === this.#lastGood ? 0 : address === this.#lastBad ? 2 : 1);
    return addresses.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST_ADDRESSES);
  }

  async #open(to: Place, limit: Limit, phases: Phases, shareMs: number): Promise<Socket> {
    const startMs = this.#clock();
    let timer: NodeJS.Timeout | undefined;
    try {
      const socket = await limit.run<Socket>((settle) => {
        const opening = connectTcp({ ...to, noDelay: true, autoSelectFamily: false });
        opening.on('error', settle);
        opening.once('connect', () => settle(null, opening));
        if (shareMs !== Number.POSITIVE_INFINITY) timer = setTimeout(() => opening.destroy(lateError()), shareMs);
        return () => opening.destroy();
      });
      phases.connectMs = this.#clock() - startMs;
      return socket;
    } catch (error) {
      if (!(error instanceof Ended)) throw codedFailure('connect', error);
      throw error.why === 'stopped' ? error : timeoutFailure('connect', limit.timeoutMs);
    } finally {
      clearTimeout(timer);
    }
  }

  async #secure(socket: Socket, tls: TlsSpec, limit: Limit, phases: Phases): Promise<Socket> {
    const startMs = this.#clock();
    const { host, scheme } = this.#to;
    // SNI carries names only; an address is verified against the certificate's IP entries by `host`.
    const serverName = tls.serverName ?? (isIP(host) === 0 ? host : '');
    try {
      const secureContext = this.#contextOf(tls);
      const secured = await limit.run<Socket>((settle) => {
        // No session is resumed: a resumed handshake never shows the certificate, and that it expired.
        const securing = connectTls({
          socket,
          host: serverName === '' ? host : serverName,
          servername: serverName,
          secureContext,
          rejectUnauthorized: tls.verify,
          ALPNProtocols: [scheme === 'h2' ? 'h2' : 'http/1.1'],
        });
        securing.on('error', settle);
        securing.once('secureConnect', () => {
          if (scheme === 'h2' && securing.alpnProtocol !== 'h2') settle(new Error('it does not speak HTTP/2'));
          else settle(null, securing);
        });
        return () => securing.destroy();
      });
      phases.tlsMs = this.#clock() - startMs;
      return secured;
    } catch (error) {
      socket.on('error', quiet);
      socket.destroy();
      if (!(error instanceof Ended)) throw tlsFailure(error);
      throw error.why === 'stopped' ? error : timeoutFailure('tls', limit.timeoutMs);
    }
  }

  /** Built once: it parses PEM. Throws on what is none. */
  #contextOf(tls: TlsSpec): SecureContext {
    this.#context ??= createSecureContext({
      ...(tls.ca !== null && { ca: tls.ca }),
      ...(tls.cert !== null && { cert: tls.cert }),
      ...(tls.key !== null && { key: tls.key }),
    });
    return this.#context;
  }
}

/** Ends a connection politely and at once: close_notify for TLS, FIN rather than RST. Errors are nobody's any more. */
export function hangUp(socket: Socket): void {
  socket.on('error', quiet);
  socket.destroySoon();
}
