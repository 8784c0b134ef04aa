// Listeners that ask clients who they are: none without a certificate of the right authority, whatever the version of TLS and
// also when a session is resumed; and endpoints are told who it was in words that no client can put there.

import { createHash, X509Certificate } from 'node:crypto';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Issued, Pki, tlsClient, tlsConnect, tlsListener } from '../support/pki.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

const pki = new Pki();
const VERSIONS = [['TLSv1.2'], ['TLSv1.3']] as const;
let origin: Origin;
let fermat: Fermat;
let authority: Issued;
let alice: Issued;

beforeAll(async () => {
  origin = await startOrigin();
  const site = pki.issue('site', { san: 'DNS:example.com' });
  const other = pki.issue('other-site', { san: 'DNS:other.test' });
  authority = pki.issue('authority');
  alice = pki.issue('alice', { by: authority, subject: '/C=DE/O=Example, Inc./CN=Alice "A" Ünal;Hash=0' });
  const listeners = [
    tlsListener([site], { clientCa: authority.cert }),
    { ...tlsListener([site, other], { clientCa: authority.cert }), name: 'second' },
    { name: 'http', address: '127.0.0.1:0' },
  ];
  fermat = await startFermat(simpleConfig([origin.url], {}, { listeners, trustedProxies: ['127.0.0.2/32'] }));
});

afterEach(() => {
  origin.reset();
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});

afterAll(async () => {
  await fermat?.stop();
  await origin?.refuse();
  pki[Symbol.dispose]();
});

const as = ({ certPem, keyPem }: Issued): ConnectionOptions => ({ cert: certPem, key: keyPem });
const only = (version: 'TLSv1.2' | 'TLSv1.3'): ConnectionOptions => ({ minVersion: version, maxVersion: version });

async function status(client: RawClient, fields = ''): Promise<number> {
  await client.send(get('/', fields));
  return (await client.answer()).status;
}

/** Whether a connection with these options gets no answer. In TLS 1.3 a client believes itself connected before it is judged. */
async function isTurnedAway(options: ConnectionOptions, port = fermat.ports.https!): Promise<boolean> {
  try {
    using client = await tlsClient(port, options);
    await status(client);
    return false;
  } catch {
    return origin.requests.length === 0;
  }
}

describe.each(VERSIONS)('with clientCa, over %s', (version) => {
  it('a client without a certificate is turned away', async () => {
    expect(await isTurnedAway(only(version))).toBe(true);
  });

  it('a client whose certificate another authority signed is turned away', async () => {
    const mallory = pki.issue('mallory', { by: pki.issue('other') });
    expect(await isTurnedAway({ ...only(version), ...as(mallory) })).toBe(true);
    const self = pki.issue('self', { subject: '/CN=authority' });
    expect(await isTurnedAway({ ...only(version), ...as(self) })).toBe(true);
  });

  it('a client whose certificate has expired is turned away', async () => {
    const late = pki.issue('late', { by: authority, days: -1 });
    expect(await isTurnedAway({ ...only(version), ...as(late) })).toBe(true);
  });

  it('the endpoint is told who it is, also when the session is resumed', async () => {
    const options = { ...only(version), ...as(alice), servername: 'example.com' };
    const first = await tlsConnect(fermat.ports.https!, options);
    const session = await sessionOf(first);
    using client = await tlsClient(fermat.ports.https!, { ...options, session });
    expect((client.socket as TLSSocket).isSessionReused()).toBe(true);
    expect(await status(client, 'X-Forwarded-Client-Cert: Hash=1\r\nx_forwarded_client_cert: Hash=2\r\n')).toBe(200);
    const hash = createHash('sha256').update(new X509Certificate(alice.certPem).raw).digest('hex');
    const subject = 'CN=Alice \\22A\\22 Ünal\\;Hash=0,O=Example\\, Inc.,C=DE';
    const line = Buffer.from(`Hash=${hash};Subject="${subject}"`, 'utf8').toString('latin1');
    expect(origin.request.all('x-forwarded-client-cert')).toEqual([line]);
    expect(origin.request.head.toLowerCase()).not.toContain('x_forwarded');
  });

  it('a client is asked whichever certificate it is shown', async () => {
    const options = { ...only(version), servername: 'other.test' };
    const mallory = pki.issue('mallory', { by: pki.issue('other') });
    expect(await isTurnedAway(options, fermat.ports.second)).toBe(true);
    expect(await isTurnedAway({ ...options, ...as(mallory) }, fermat.ports.second)).toBe(true);
    using client = await tlsClient(fermat.ports.second!, { ...options, ...as(alice) });
    await client.send('GET / HTTP/1.1\r\nHost: other.test\r\n\r\n');
    expect((await client.answer()).status).toBe(200);
    expect(origin.request.field('x-forwarded-client-cert')).toMatch(/^Hash=[0-9a-f]{64};Subject="CN=Alice/);
  });

  it('a session of one listener opens no other', async () => {
    const options = { ...only(version), ...as(alice), servername: 'example.com' };
    const session = await sessionOf(await tlsConnect(fermat.ports.https!, options));
    using client = await tlsClient(fermat.ports.second!, { ...options, session });
    expect((client.socket as TLSSocket).isSessionReused()).toBe(false);
  });
});

/** What a client would resume with. */
async function sessionOf(socket: TLSSocket): Promise<Buffer> {
  let session: Buffer | undefined;
  socket.on('session', (ticket: Buffer) => {
    session = ticket;
  });
  socket.write(get('/', 'Connection: close\r\n'));
  socket.resume();
  const found = await until(() => session ?? (socket.getProtocol() === 'TLSv1.2' && socket.getSession()), 'a ticket');
  await until(() => socket.destroyed, 'the end of the first connection');
  origin.requests.length = 0;
  return found;
}

describe('who a client is', () => {
  it('is not believed of one that says so itself without TLS', async () => {
    using client = await rawClient(fermat.ports.http!);
    expect(await status(client, 'X-Forwarded-Client-Cert: Hash=1\r\nX-Forwarded_Client.Cert: 2\r\n')).toBe(200);
    expect(origin.request.head.toLowerCase()).not.toMatch(/client.cert/);
  });

  it('stands where a trusted proxy says it, unless the connection itself tells', async () => {
    const trusted = { localAddress: '127.0.0.2' };
    using plain = await rawClient(fermat.ports.http!, '127.0.0.2');
    await status(plain, 'X-Forwarded-Client-Cert: Hash=1\r\n');
    expect(origin.request.all('x-forwarded-client-cert')).toEqual(['Hash=1']);
    origin.reset();
    using secure = await tlsClient(fermat.ports.https!, { ...as(alice), ...trusted } as ConnectionOptions);
    await status(secure, 'X-Forwarded-Client-Cert: Hash=1\r\nX_Forwarded_Client_Cert: Hash=2\r\n');
    expect(origin.request.all('x-forwarded-client-cert')).toHaveLength(1);
    expect(origin.request.field('x-forwarded-client-cert')).toMatch(/^Hash=[0-9a-f]{64};Subject="CN=Alice/);
    expect(origin.request.head.toLowerCase()).not.toContain('x_forwarded');
  });
});
