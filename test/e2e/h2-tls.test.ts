// HTTP/2 over TLS, chosen by ALPN, as most clients speak it. What HTTP/2 itself does is in the other h2 tests; here it is what TLS adds:
// how the protocol is agreed on, bodies through the records of TLS both ways, which hosts a connection may be used for, and the end.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { simpleConfig, startFermat } from '../support/fermat.ts';
import { H2Client, type H2Options } from '../support/h2.ts';
import { data, E, F, getFields, headers, postFields, S } from '../support/h2-frames.ts';
import type { Field } from '../support/hpack.ts';
import { Pki, tlsConnect, tlsListener } from '../support/pki.ts';
import { RawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

const MIB = 1 << 20;
const pki = new Pki();
afterAll(() => pki[Symbol.dispose]());
const certificate = pki.issue('site', { san: 'DNS:example.com,DNS:*.example.com,IP:127.0.0.1' });
const listeners = [
  { name: 'http', address: '127.0.0.1:0' },
  tlsListener([certificate], { alpn: ['h2', 'http/1.1'] }),
  { ...tlsListener([certificate], { alpn: ['http/1.1'] }), name: 'old' },
];
const rig = useRig((origin) => simpleConfig([origin.url], {}, { listeners }));
const run = promisify(execFile);

async function tlsH2(port = rig.fermat.ports.https!, options: H2Options = {}): Promise<H2Client> {
  return new H2Client(await tlsConnect(port, { ALPNProtocols: ['h2'], servername: 'example.com' }), options);
}

const secure = (fields: readonly Field[]) => fields.map(([n, v]): Field => [n, n === ':scheme' ? 'https' : v]);

describe('ALPN', () => {
  it('gives HTTP/2 to whoever offers it, first or last, and HTTP/1.1 where the listener has no other', async () => {
    for (const offered of [['h2'], ['http/1.1', 'h2'], ['h2', 'http/1.1']]) {
      const socket = await tlsConnect(rig.fermat.ports.https!, { ALPNProtocols: offered });
      expect(socket.alpnProtocol).toBe('h2');
      socket.destroy();
    }
    const old = await tlsConnect(rig.fermat.ports.old!, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(old.alpnProtocol).toBe('http/1.1');
    old.destroy();
  });

  it('is kept to: HTTP/1.1 where HTTP/2 was agreed on is an error, and the preface where it was not', async () => {
    const socket = await tlsConnect(rig.fermat.ports.https!, { ALPNProtocols: ['h2'] });
    using wrong = new H2Client(socket, { isBare: true });
    wrong.send(Buffer.from('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'));
    expect(await wrong.ended()).toBe(E.PROTOCOL_ERROR);
    using plain = new RawClient(await tlsConnect(rig.fermat.ports.https!, { ALPNProtocols: ['http/1.1'] }));
    await plain.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect((await plain.answer()).status).toBe(505);
    expect(await rig.settled()).toEqual([]);
  });
});

describe('a connection', () => {
  it('tells the endpoint that it is https', async () => {
    using client = await tlsH2();
    const stream = await client.over(client.request(secure(getFields())));
    expect(stream.status).toBe(200);
    const { request } = rig.origin;
    expect([request.field('x-forwarded-proto'), request.field('x-forwarded-port'), request.field('via')]).toEqual([
      'https',
      `${rig.fermat.ports.https}`,
      '2.0 fermat',
    ]);
  });

  it('may be used for every host its certificate covers, and for no other', async () => {
    using client = await tlsH2();
    const hosts = [
      'example.com',
      'www.example.com',
      'WWW.Example.Com:8443',
      'a.b.example.com',
      'example.org',
      'www.example.com',
    ];
    const statuses: number[] = [];
    for (const host of hosts) {
      const fields = secure(getFields()).map(([n, v]): Field => [n, n === ':authority' ? host : v]);
      statuses.push((await client.over(client.request(fields))).status);
    }
    expect(statuses).toEqual([200, 200, 200, 421, 421, 200]);
  });

  it('carries large bodies both ways at once, and small answers beside them', async () => {
    const large = randomBytes(8 * MIB);
    rig.origin.script = async (request) => {
      if (request.method === 'POST') await request.whole();
      request.answer(200, request.target === '/large' ? large : 'small');
    };
    using client = await tlsH2();
    const upload = client.start(secure(postFields()));
    const download = client.request(secure(getFields('/large')));
    const sent = client.upload(upload, large, true, 15_000);
    for (let i = 0; i < 20; i++) expect((await client.over(client.request(secure(getFields())))).body).toBe('small');
    await sent;
    await client.over(upload);
    await client.over(download, 15_000);
    expect(rig.origin.requests.find(({ method }) => method === 'POST')?.bodyBytes).toBe(large.length);
    expect([upload.status, download.bodyBytes, download.hasEnded]).toEqual([200, large.length, true]);
  });

  it('holds back an endpoint whose answer nobody reads', async () => {
    const body = Buffer.alloc(64 * MIB);
    rig.origin.script = (request) => (request.target === '/large' ? request.answer(200, body) : request.answer());
    using client = await tlsH2();
    await client.over(client.request(secure(getFields())));
    client.send(headers(client.id(), secure(getFields('/large')), F.END_STREAM));
    await until(() => rig.origin.requests.length === 2, 'the request');
    client.socket.pause();
    const before = rig.fermat.rssBytes;
    await delay(400);
    expect(rig.fermat.rssBytes - before).toBeLessThan(24 * MIB);
    client.socket.resume();
    expect((await client.over(client.stream(3), 15_000)).bodyBytes).toBe(body.length);
  });

  it('takes its requests with it when it is reset', async () => {
    rig.origin.script = () => {};
    using client = await tlsH2();
    for (let i = 0; i < 20; i++) client.request(secure(getFields()));
    await rig.origin.nth(20);
    client.socket.destroy();
    await until(() => rig.origin.requests.every(({ connection }) => connection.isClosed), 'the end of all attempts');
  });

  it('is told to calm down when it floods', async () => {
    using client = await tlsH2();
    client.id();
    client.send(headers(1, secure(postFields())), ...Array.from({ length: 2000 }, () => data(1)));
    expect(await client.ended()).toBe(E.ENHANCE_YOUR_CALM);
  });
});

describe('real clients', () => {
  it('curl and h2load get what they ask for', async () => {
    rig.origin.script = (request) => {
      request.answer(200, 'x'.repeat(20_000));
      request.connection.requests.length = 0;
      rig.origin.requests.length = 0;
    };
    const url = `https://127.0.0.1:${rig.fermat.ports.https}/`;
    const curl = await run('curl', [
      '-sSk',
      '--max-time',
      '10',
      '-o',
      '/dev/null',
      '-w',
      '%{http_version} %{size_download}',
      url,
    ]);
    expect(curl.stdout).toBe('2 20000');
    const { stdout } = await run('h2load', ['-n', '2000', '-c', '4', '-m', '25', url], { timeout: 20_000 });
    expect(stdout).toMatch(/2000 succeeded, 0 failed, 0 errored, 0 timeout/);
    expect(stdout).toMatch(/Application protocol: h2/);
  });
});

describe('a drain', () => {
  it('F8 is the same over TLS', async () => {
    const fermat = await startFermat(
      simpleConfig([rig.origin.url], {}, { listeners, shutdown: { drainDelay: '0s', timeout: '5s' } }),
    );
    rig.origin.script = async (request) => {
      await delay(200);
      request.answer(200, Buffer.alloc(300_000));
    };
    using client = await tlsH2(fermat.ports.https!, { settings: [[S.WINDOW, MIB]] });
    const all = Array.from({ length: 20 }, () => client.request(secure(getFields())));
    await rig.origin.nth(20);
    fermat.child.kill('SIGTERM');
    for (const stream of all) expect((await client.over(stream)).bodyBytes).toBe(300_000);
    expect(await client.ended()).toBe(E.NO_ERROR);
    expect((await fermat.ended()).code).toBe(0);
    await fermat.stop();
  });
});
