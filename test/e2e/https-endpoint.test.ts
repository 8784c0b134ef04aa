// Endpoints over TLS, and bugs a review found that only show with real bytes: each test has its story on top.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { rawClient } from '../support/raw.ts';

const MB = 1_000_000;
let directory: string;
let origin: Server;
let fermat: Fermat;
let port: number;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fermat-tls-'));
  const file = (name: string): string => join(directory, name);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key.pem')];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', file('cert.pem'), '-days', '2', ...subject], {
    stdio: 'ignore',
  });
  const tls = { key: readFileSync(file('key.pem')), cert: readFileSync(file('cert.pem')) };
  origin = createServer(tls, (request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      if (request.url === '/large') response.end(Buffer.alloc(5 * MB, 'x'));
      else if (request.url === '/broken') response.writeHead(503).end('mine');
      else response.end(`got ${bytes}`);
    });
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  fermat = await startFermat({
    pools: {
      good: poolOf([url], { tls: { ca: file('cert.pem') } }),
      distrusted: poolOf([url], {}, 'd'),
    },
    routes: [{ pool: 'good' }, { path: '/distrusted', pool: 'distrusted' }],
  });
  port = fermat.port;
});

afterAll(async () => {
  await fermat?.stop();
  origin?.closeAllConnections();
  origin?.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('an endpoint over TLS', () => {
  // A text went past the socket's queue while TLS was still writing another: the whole process was aborted by an assertion.
  it('answers a GET and the POST right behind it', async () => {
    using client = await rawClient(port);
    const post = 'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
    await client.send(`GET /a HTTP/1.1\r\nHost: a\r\n\r\n${post}`);
    expect((await client.answer()).text).toBe('got 0');
    expect((await client.answer('POST')).text).toBe('got 5');
  });

  it('streams large bodies both ways', async () => {
    const down = await fetch(`http://127.0.0.1:${port}/large`);
    expect((await down.arrayBuffer()).byteLength).toBe(5 * MB);
    const up = await fetch(`http://127.0.0.1:${port}/up`, { method: 'POST', body: Buffer.alloc(5 * MB) });
    expect(await up.text()).toBe(`got ${5 * MB}`);
  });

  it('is not believed without a certificate that verifies', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/distrusted`);
    expect(response.status).toBe(502);
    expect(response.headers.get('proxy-status')).toBe('fermat; error=tls_certificate_error');
  });
});

describe('bugs that a review found', () => {
  // The answer was thrown away for a retry before anybody asked whether there was another endpoint.
  it("passes an endpoint's own 503 on when there is no other", async () => {
    const response = await fetch(`http://127.0.0.1:${port}/broken`);
    expect([response.status, await response.text()]).toEqual([503, 'mine']);
  });

  // The two seconds of lingering counted from the call of end(), so a slow reader lost the tail.
  it('gives a client that stands still for three seconds its whole last answer', async () => {
    const received = await new Promise<number>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' });
      let bytes = 0;
      socket.on('data', (chunk) => {
        bytes += chunk.length;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(bytes));
      socket.write('GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      socket.pause();
      setTimeout(() => socket.resume(), 3000);
    });
    expect(received).toBeGreaterThan(5 * MB);
  });
});
