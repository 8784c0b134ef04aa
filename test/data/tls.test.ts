// TLS on real sockets: which certificate, what a reset is, how many handshakes at a time, and who a client is said to be.

import { X509Certificate } from 'node:crypto';
import { type AddressInfo, connect as connectTcp, createServer, type Server } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { TlsListenerSpec } from '../../src/core/snapshot.ts';
import { Tap } from '../../src/data/buffers.ts';
import { clientCertOf, subjectOf } from '../../src/data/client-cert.ts';
import { ServerTlsSocket, TlsContexts, takeHandle } from '../../src/data/tls.ts';
import { Pki } from '../support/pki.ts';
import { until } from '../support/until.ts';

const pki = new Pki();
const one = pki.issue('one', { san: 'DNS:one.test' });
const two = pki.issue('two', { san: 'DNS:two.test' });
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => pki[Symbol.dispose]());

function specOf(more: Partial<TlsListenerSpec> = {}): TlsListenerSpec {
  const certificates = [
    { cert: one.certPem, key: one.keyPem, names: ['one.test'], expiresAtMs: 0 },
    { cert: two.certPem, key: two.keyPem, names: ['two.test'], expiresAtMs: 0 },
  ];
  return { certificates, minVersion: '1.2', clientCa: null, alpn: ['http/1.1'], ...more };
}

/** A server whose connections are given to `onSocket`; its port. */
async function serve(contexts: TlsContexts, onSocket: (socket: ServerTlsSocket, tap: Tap) => void): Promise<number> {
  const made = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    const tap = new Tap();
    onSocket(new ServerTlsSocket(contexts, takeHandle(accepted)!, tap), tap);
  });
  servers.push(made);
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return (made.address() as AddressInfo).port;
}

describe('a connection', () => {
  it('covers what the certificate covers that was chosen for it', async () => {
    const contexts = new TlsContexts(specOf(), 'a', undefined);
    for (const [servername, names] of [
      ['two.test', ['two.test']],
      ['ONE.test', ['one.test']],
      ['none.test', ['one.test']],
    ] as const) {
      const shown = Promise.withResolvers<readonly string[]>();
      const port = await serve(contexts, (socket) =>
        socket.on('secure', () => {
          shown.resolve(contexts.namesShownTo(socket));
          socket.destroy();
        }),
      );
      const client = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false });
      client.on('error', () => {});
      expect(await shown.promise).toEqual(names);
      client.destroy();
    }
  });

  it('reads where it is told to, what was there before the handshake too', async () => {
    const contexts = new TlsContexts(specOf(), 'a', undefined);
    let text = '';
    const hello = Promise.withResolvers<void>();
    const made = createServer({ allowHalfOpen: true }, (accepted) => {
      accepted.once('data', (bytes: Buffer) => {
        accepted.pause(); // as a PROXY header read too far would
        const tap = new Tap();
        tap.reader = {
          take: (chunk) => {
            text += chunk.toString('latin1');
          },
          next: () => buffer,
        };
        const socket = new ServerTlsSocket(contexts, takeHandle(accepted)!, tap);
        socket.on('secure', () => hello.resolve());
        socket.receive(bytes);
      });
    });
    const buffer = Buffer.alloc(16_384);
    servers.push(made);
    await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
    const port = (made.address() as AddressInfo).port;
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    client.write('hello');
    await hello.promise;
    await until(() => text === 'hello', 'the text');
    expect(buffer.toString('latin1', 0, 5)).toBe('hello');
    client.destroy();
  });

  it('is reset for real, so that nothing looks whole that is not', async () => {
    const port = await serve(new TlsContexts(specOf(), 'a', undefined), (socket) => {
      socket.on('secure', () => {
        socket.release();
        socket.write('part', () => socket.resetAndDestroy());
      });
    });
    const below = connectTcp(port, '127.0.0.1');
    const client = connect({ socket: below, rejectUnauthorized: false });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
      client.on('error', resolve);
      client.on('data', () => {});
    });
    expect(error.code).toBe('ECONNRESET');
  });

  it('ends with an error within TLS instead of waiting for ever', async () => {
    const closed = Promise.withResolvers<void>();
    const port = await serve(new TlsContexts(specOf(), 'a', undefined), (socket) => {
      socket.on('secure', () => socket.release());
      socket.on('close', () => closed.resolve());
    });
    const below = connectTcp(port, '127.0.0.1');
    const client = connect({ socket: below, rejectUnauthorized: false });
    client.on('error', () => {});
    await new Promise<void>((resolve) => client.once('secureConnect', () => resolve()));
    below.write('\x17\x03\x03\x00\x14this is no record!!!');
    await closed.promise;
    client.destroy();
  });
});

describe('contexts', () => {
  /** Whether a session that `from` gave is resumed by `to`. */
  async function resumes(from: TlsContexts, to: TlsContexts): Promise<boolean> {
    const session = Promise.withResolvers<Buffer>();
    const visit = async (contexts: TlsContexts, options: ConnectionOptions): Promise<TLSSocket> => {
      const port = await serve(contexts, (socket) => socket.on('secure', () => socket.release()));
      const client = connect({
        port,
        host: '127.0.0.1',
        servername: 'two.test',
        rejectUnauthorized: false,
        ...options,
      });
      client.on('error', session.reject);
      client.on('session', session.resolve);
      await new Promise<void>((resolve) => client.once('secureConnect', () => resolve()));
      return client;
    };
    const first = await visit(from, {});
    const second = await visit(to, { session: await session.promise });
    const isResumed = second.isSessionReused();
    first.destroy();
    second.destroy();
    return isResumed;
  }

  it('resume what others with their ticket key began, and no more once that has changed', async () => {
    const [key, other] = [new Uint8Array(48).fill(1), new Uint8Array(48).fill(2)];
    const from = new TlsContexts(specOf(), 'a', key);
    const to = new TlsContexts(specOf(), 'a', undefined);
    expect(await resumes(from, to)).toBe(false);
    to.setTicketKey(key);
    expect(await resumes(from, to)).toBe(true);
    to.setTicketKey(other);
    expect(await resumes(from, to)).toBe(false);
    from.setTicketKey(other);
    expect(await resumes(from, to)).toBe(true);
  });

  it('resume nothing of another listener or of another authority for clients, even under the same key', async () => {
    const key = new Uint8Array(48).fill(1);
    const from = new TlsContexts(specOf(), 'a', key);
    expect(await resumes(from, new TlsContexts(specOf(), 'b', key))).toBe(false);
    expect(await resumes(from, new TlsContexts(specOf({ clientCa: one.certPem }), 'a', key))).toBe(false);
  });

  it('refuse what OpenSSL does not take, in its words', () => {
    const certificates = [{ cert: one.certPem, key: two.keyPem, names: [], expiresAtMs: 0 }];
    expect(() => new TlsContexts(specOf({ certificates }), 'a', undefined)).toThrow(/key values mismatch/i);
  });
});

describe('who a client is', () => {
  it('is the hash of its certificate and its subject, last name first', () => {
    const value = clientCertOf(new X509Certificate(one.certPem));
    expect(value).toMatch(/^Hash=[0-9a-f]{64};Subject="CN=one"$/);
  });

  it.each([
    ['C=DE\nO=Acme\nCN=x', 'CN=x,O=Acme,C=DE'],
    ['O=Acme\\, Inc.\nCN=a\\;b', 'CN=a\\;b,O=Acme\\, Inc.'],
    ['CN=a\\"b', 'CN=a\\22b'],
    ['CN=a\\\\\\"b', 'CN=a\\\\\\22b'],
    ['CN=a"b', 'CN=a\\22b'],
    ['CN=J\u00fcrgen', 'CN=J\xc3\xbcrgen'],
    ['CN=\u0001\r', 'CN=??'],
    [undefined, ''],
  ])('%j is told as %j: no name breaks out of its quotes or its line', (subject, expected) => {
    expect(subjectOf(subject)).toBe(expected);
  });

  it('is the hash alone where a subject is longer than any that people sign', () => {
    expect(subjectOf(`CN=${'x'.repeat(2045)}`)).toHaveLength(2048);
    expect(subjectOf(`CN=${'x'.repeat(2046)}`)).toBe('');
    expect(subjectOf(`CN=${'\u00fc'.repeat(1030)}`)).toBe('');
  });
});
