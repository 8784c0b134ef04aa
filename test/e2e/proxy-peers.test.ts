// The PROXY protocol with others' implementations on the far side: HAProxy in front of Fermat, nginx and HAProxy behind it.
// Clients come from 127.0.0.3, so that they can be told from the balancer's own 127.0.0.1.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { connect as connectH2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort, makeCertificate, type Neighbour, startHaproxy, startNginx } from '../support/peers.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

const CLIENT = '127.0.0.3';

/** Status and text of a GET from CLIENT, on a connection of its own. */
function ask(port: number, ca: string | null = null): Promise<{ status: number; text: string }> {
  const options = { host: '127.0.0.1', port, localAddress: CLIENT, agent: false as const };
  return new Promise((resolve, reject) => {
    const request = ca === null ? requestHttp(options) : requestHttps({ ...options, ca });
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject).end();
  });
}

/** One GET over HTTP/2, then the end of the connection. */
async function askH2(socket: Duplex, scheme = 'https'): Promise<void> {
  const session = connectH2(`${scheme}://localhost`, { createConnection: () => socket });
  try {
    const status = await new Promise((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request({ ':path': '/' });
      stream.on('response', (headers) => resolve(headers[':status']));
      stream.on('error', reject).resume();
    });
    expect(status).toBe(200);
  } finally {
    session.destroy();
  }
}

/** `raw`, with `header` in front of the first bytes that are written, and those in pieces. */
function headed(header: Buffer, raw: Socket, pieceBytes: number): Duplex {
  let isFirst = true;
  const write = async (chunk: Buffer): Promise<void> => {
    const bytes = isFirst ? Buffer.concat([header, chunk]) : chunk;
    const size = isFirst ? pieceBytes : Infinity;
    isFirst = false;
    if (size === Infinity) return void raw.write(bytes);
    for (let at = 0; at < bytes.length; at += size) {
      raw.write(bytes.subarray(at, at + size));
      await new Promise(setImmediate);
    }
  };
  const both = new Duplex({
    read: () => raw.resume(),
    write: (chunk: Buffer, _, done) => void write(chunk).then(() => done(), done),
    final: (done) => raw.end(done),
    destroy: (error, done) => {
      raw.destroy();
      done(error);
    },
  });
  raw
    .on('data', (chunk: Buffer) => both.push(chunk))
    .on('end', () => both.push(null))
    .on('error', (error) => both.destroy(error));
  return both;
}

describe('HAProxy in front', () => {
  let origin: Origin;
  let fermat: Fermat;
  let haproxy: Neighbour;
  let ports: { v1: number; v2: number; tls: number; http: number; through: number };
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'fermat-proxy-'));
    makeCertificate(directory);
    origin = await startOrigin();
    fermat = await startFermat(
      simpleConfig(
        [origin.url],
        {},
        {
          listeners: [
            { name: 'http', address: '127.0.0.1:0', proxyProtocol: 'required' },
            {
              name: 'https',
              address: '127.0.0.1:0',
              proxyProtocol: 'required',
              tls: { certificates: [{ cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }] },
            },
          ],
          trustedProxies: ['127.0.0.1'],
        },
      ),
    );
    ports = {
      v1: await freePort(),
      v2: await freePort(),
      tls: await freePort(),
      http: await freePort(),
      through: await freePort(),
    };
    const to = `127.0.0.1:${fermat.port}`;
    haproxy = await startHaproxy(
      `
listen v1
  mode tcp
  bind 127.0.0.1:${ports.v1}
  server fermat ${to} send-proxy
listen v2
  mode tcp
  bind 127.0.0.1:${ports.v2}
  unique-id-format %{+X}o\\ %ci:%cp_%Ts
  server fermat ${to} send-proxy-v2 proxy-v2-options crc32c,unique-id
listen through
  mode tcp
  bind 127.0.0.1:${ports.through}
  server fermat 127.0.0.1:${fermat.ports.https} send-proxy-v2
listen tls
  mode tcp
  bind 127.0.0.1:${ports.tls} ssl crt $DIR/site.pem
  server fermat ${to} send-proxy-v2-ssl-cn proxy-v2-options crc32c,authority,ssl,cert-cn
listen http
  mode http
  bind 127.0.0.1:${ports.http}
  option httpchk GET /checked
  server fermat ${to} send-proxy-v2 check check-send-proxy inter 100ms fall 100`,
      Object.values(ports),
    );
  });
  afterAll(async () => {
    await haproxy?.stop();
    await fermat?.stop();
    await origin?.refuse();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(['v1', 'v2', 'http'] as const)('names its clients with %s', async (name) => {
    origin.requests.length = 0;
    expect((await ask(ports[name])).status).toBe(200);
    const request = origin.requests.find(({ target }) => target === '/')!;
    expect([request.field('x-forwarded-for'), request.field('x-forwarded-port')]).toEqual([
      CLIENT,
      String(ports[name]),
    ]);
  });

  it('names its TLS clients with what it tells of their TLS', async () => {
    origin.requests.length = 0;
    const ca = readFileSync(join(haproxy.directory, 'cert.pem'), 'utf8');
    expect((await ask(ports.tls, ca)).status).toBe(200);
    expect(origin.requests.find(({ target }) => target === '/')!.field('x-forwarded-for')).toBe(CLIENT);
  });

  it('names clients whose TLS it passes through, over HTTP/1.1 and HTTP/2', async () => {
    const ca = readFileSync(join(directory, 'cert.pem'), 'utf8');
    origin.requests.length = 0;
    expect((await ask(ports.through, ca)).status).toBe(200);
    const raw = connect({ host: '127.0.0.1', port: ports.through, localAddress: CLIENT });
    const secure = connectTls({ socket: raw, ca, ALPNProtocols: ['h2'], host: 'localhost' });
    await askH2(secure);
    const seen = origin.requests
      .filter(({ target }) => target === '/')
      .map((request) => request.field('x-forwarded-for'));
    expect(seen).toEqual([CLIENT, CLIENT]);
  });

  it('may have its header read in one piece with the ClientHello, or byte by byte', async () => {
    const ca = readFileSync(join(directory, 'cert.pem'), 'utf8');
    for (const pieceBytes of [Infinity, 1]) {
      origin.requests.length = 0;
      const raw = connect({ host: '127.0.0.1', port: fermat.ports.https!, noDelay: true });
      const header = Buffer.from('PROXY TCP4 203.0.113.9 198.51.100.7 56324 443\r\n');
      await askH2(
        connectTls({ socket: headed(header, raw, pieceBytes), ca, ALPNProtocols: ['h2'], host: 'localhost' }),
      );
      const request = origin.requests.find(({ target }) => target === '/')!;
      expect([request.field('x-forwarded-for'), request.field('x-forwarded-port')]).toEqual(['203.0.113.9', '443']);
      expect(request.field('x-forwarded-proto')).toBe('https');
    }
  });

  it('may have its header before HTTP/2 by prior knowledge', async () => {
    origin.requests.length = 0;
    const raw = connect({ host: '127.0.0.1', port: fermat.port });
    await askH2(headed(Buffer.from('PROXY TCP4 203.0.113.9 198.51.100.7 56324 80\r\n'), raw, Infinity), 'http');
    const request = origin.requests.find(({ target }) => target === '/')!;
    expect([request.field('x-forwarded-for'), request.field('x-forwarded-port')]).toEqual(['203.0.113.9', '80']);
  });

  it('checks the health of Fermat with LOCAL headers', async () => {
    const check = await until(() => origin.requests.find(({ target }) => target === '/checked'), 'a check of HAProxy');
    expect(check.field('x-forwarded-for')).toBe('127.0.0.1');
  });
});

describe('nginx and HAProxy behind', () => {
  const PATHS = ['/v1', '/v2', '/unix1', '/unix2', '/tls1', '/tls2', '/ha1', '/ha2'];
  let fermat: Fermat;
  let nginx: Neighbour;
  let haproxy: Neighbour;

  beforeAll(async () => {
    const ports = { plain: await freePort(), tls: await freePort(), haproxy: await freePort() };
    const told = '$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port';
    nginx = await startNginx(
      `server { listen 127.0.0.1:${ports.plain} proxy_protocol; location / { return 200 "${told}"; } }
       server { listen unix:$DIR/nginx.sock proxy_protocol; location / { return 200 "${told}"; } }
       server { listen 127.0.0.1:${ports.tls} ssl proxy_protocol; ssl_certificate $DIR/site.pem; ssl_certificate_key $DIR/site.pem;
                location / { return 200 "${told}"; } }`,
      [ports.plain, ports.tls],
    );
    haproxy = await startHaproxy(
      `
frontend main
  mode http
  bind 127.0.0.1:${ports.haproxy} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%ci %cp %fi %fp"`,
      [ports.haproxy],
    );
    const ca = join(nginx.directory, 'cert.pem');
    const plain = `http://127.0.0.1:${ports.plain}`;
    const probe = { type: 'http', interval: '200ms', timeout: '1s' };
    fermat = await startFermat({
      listeners: [
        { name: 'http', address: '127.0.0.1:0' },
        { name: 'behind', address: '127.0.0.1:0', proxyProtocol: 'required' },
      ],
      trustedProxies: ['127.0.0.1'],
      pools: {
        v1: poolOf([plain], { proxyProtocol: 'v1', probe }, 'a'),
        v2: poolOf([plain], { proxyProtocol: 'v2', probe }, 'b'),
        unix1: poolOf([`unix:${join(nginx.directory, 'nginx.sock')}`], { proxyProtocol: 'v1', probe }, 'g'),
        unix2: poolOf([`unix:${join(nginx.directory, 'nginx.sock')}`], { proxyProtocol: 'v2', probe }, 'h'),
        tls1: poolOf([`https://127.0.0.1:${ports.tls}`], { proxyProtocol: 'v1', tls: { ca }, probe }, 'c'),
        tls2: poolOf([`https://127.0.0.1:${ports.tls}`], { proxyProtocol: 'v2', tls: { ca }, probe }, 'd'),
        ha1: poolOf([`http://127.0.0.1:${ports.haproxy}`], { proxyProtocol: 'v1', probe }, 'e'),
        ha2: poolOf([`http://127.0.0.1:${ports.haproxy}`], { proxyProtocol: 'v2', probe }, 'f'),
      },
      routes: PATHS.map((path) => path.slice(1)).map((pool) => ({ path: `/${pool}`, pool })),
    });
  });
  afterAll(async () => {
    await fermat?.stop();
    await nginx?.stop();
    await haproxy?.stop();
  });

  /** What the server behind says of a request, on a connection that is kept. */
  async function told(client: RawClient, path: string, fields = ''): Promise<string> {
    await client.send(get(path, fields));
    const answer = await client.answer();
    expect([answer.status, answer.field('connection')]).toEqual([200, null]);
    return answer.text;
  }

  it('are found healthy by probes that say that they are probes', async () => {
    await until(async () => {
      const endpoints =
        await fermat.json<{ healthy: boolean; lastProbe: { ok: boolean } | null }[]>('/api/v1/endpoints');
      return endpoints.length === 8 && endpoints.every(({ healthy, lastProbe }) => healthy && lastProbe?.ok === true);
    }, 'good probes of all endpoints');
  });

  it.each(PATHS)('hear the client’s address and port, and where it connected to, on %s', async (path) => {
    using client = await rawClient(fermat.port, CLIENT);
    const expected = `${CLIENT} ${client.socket.localPort} 127.0.0.1 ${fermat.port}`;
    for (let i = 0; i < 3; i++) expect(await told(client, path)).toBe(expected);
  });

  it('hear of each of many clients at a time who it is', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, (_, i) => rawClient(fermat.port, `127.0.1.${i + 1}`)));
    try {
      for (let round = 0; round < 5; round++) {
        await Promise.all(
          clients.map(async (client, i) => {
            const path = PATHS[(i + round) % PATHS.length]!;
            expect(await told(client, path)).toMatch(new RegExp(`^127\\.0\\.1\\.${i + 1} ${client.socket.localPort} `));
          }),
        );
      }
    } finally {
      for (const client of clients) client.destroy();
    }
  });

  it('hear what a balancer in front said, passed on', async () => {
    using client = await rawClient(fermat.ports.behind!);
    await client.send('PROXY TCP4 203.0.113.9 198.51.100.7 56324 443\r\n');
    expect(await told(client, '/v1')).toBe('203.0.113.9 56324 198.51.100.7 443');
    expect(await told(client, '/tls2')).toBe('203.0.113.9 56324 198.51.100.7 443');
    using six = await rawClient(fermat.ports.behind!);
    await six.send('PROXY TCP6 2001:db8::9 2001:db8::1 56324 443\r\n');
    expect(await told(six, '/v1')).toBe('2001:db8::9 56324 2001:db8::1 443');
    expect(await told(six, '/ha2')).toBe('2001:db8::9 56324 2001:db8::1 443');
  });

  it('hear of the client behind a trusted proxy, whose port is not known', async () => {
    using client = await rawClient(fermat.port);
    const own = `127.0.0.1 ${client.socket.localPort} 127.0.0.1 ${fermat.port}`;
    const of = (address: string): string => `X-Forwarded-For: ${address}\r\n`;
    expect(await told(client, '/ha2', of('203.0.113.1'))).toBe(`203.0.113.1 0 127.0.0.1 ${fermat.port}`);
    expect(await told(client, '/ha2', of('203.0.113.2'))).toBe(`203.0.113.2 0 127.0.0.1 ${fermat.port}`);
    expect(await told(client, '/ha2')).toBe(own);
    expect(await told(client, '/ha2', of('203.0.113.1'))).toBe(`203.0.113.1 0 127.0.0.1 ${fermat.port}`);
  });
});
