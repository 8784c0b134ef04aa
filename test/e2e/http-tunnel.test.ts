// RELIABILITY.md E8 and E13: upgrades, the most repeated bug of proxies. A real WebSocket client and server (ws) at both
// ends, and raw bytes where ws would be too polite.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { poolOf } from '../support/fermat.ts';
import { get, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { delay, until } from '../support/until.ts';

let server: Server;
let sockets: WebSocketServer;

beforeAll(async () => {
  server = createServer((_, res) => res.end('plain'));
  sockets = new WebSocketServer({ noServer: true, maxPayload: 32 << 20 });
  server.on('upgrade', (req, socket, head) => {
    if (req.url === '/refuse') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      return;
    }
    sockets.handleUpgrade(req, socket, head, (ws) => {
      if (req.url === '/bye') ws.close(4001, 'bye now');
      if (req.url === '/cut') ws.terminate();
      ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  for (const ws of sockets.clients) ws.terminate();
  server.closeAllConnections();
  server.close();
});

const rig = useRig((origin) => ({
  pools: {
    ws: poolOf([`http://127.0.0.1:${(server.address() as AddressInfo).port}`], { timeouts: { tunnelIdle: '1s' } }),
    raw: poolOf([origin.url], { timeouts: { tunnelIdle: '5s' } }, 'raw'),
  },
  routes: [
    { host: 'ws.example.com', pool: 'ws' },
    { host: 'ws.example.com', path: '/denied', respond: { status: 403 } },
    { pool: 'raw' },
  ],
}));

function open(path = '/'): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${rig.port}${path}`, { headers: { host: 'ws.example.com' } });
}

async function opened(path = '/'): Promise<WebSocket> {
  const ws = open(path);
  await new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  return ws;
}

const next = (ws: WebSocket) => new Promise<Buffer>((resolve) => ws.once('message', (data) => resolve(data as Buffer)));
const ended = (ws: WebSocket) => new Promise<number>((resolve) => ws.once('close', resolve));

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n';

describe('E13 WebSocket', () => {
  it('E13 echoes small and large messages', async () => {
    const ws = await opened();
    ws.send('hello');
    expect((await next(ws)).toString()).toBe('hello');
    const big = Buffer.alloc(8 << 20, 'x');
    big[5_000_000] = 7;
    ws.send(big);
    expect((await next(ws)).equals(big)).toBe(true);
    ws.close(1000);
    expect(await ended(ws)).toBe(1000);
  });

  it('E13 carries many sockets at once, each with its own bytes', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => opened()));
    const echoes = await Promise.all(
      all.map(async (ws, i) => {
        ws.send(`message ${i}`);
        return (await next(ws)).toString();
      }),
    );
    expect(echoes).toEqual(all.map((_, i) => `message ${i}`));
    for (const ws of all) ws.terminate();
  });

  it('E13 passes close codes from either side, and an abrupt end', async () => {
    expect(await ended(await opened('/bye'))).toBe(4001);
    const ws = await opened();
    const served = [...sockets.clients].at(-1)!;
    const code = ended(served);
    ws.close(4002, 'mine');
    expect(await code).toBe(4002);
    expect(await ended(open('/cut'))).toBe(1006);
    const gone = await opened();
    const left = [...sockets.clients].at(-1)!;
    gone.terminate();
    expect(await ended(left)).toBe(1006);
  });

  it('E13 ends a tunnel on which nothing moves, and leaves one on which something does', async () => {
    const idle = await opened();
    const busy = await opened();
    let echoes = 0;
    busy.on('message', () => echoes++);
    const timer = setInterval(() => busy.send('tick'), 100);
    const startMs = performance.now();
    await ended(idle);
    expect(performance.now() - startMs).toBeGreaterThan(900);
    await delay(300);
    clearInterval(timer);
    expect([busy.readyState, echoes > 8]).toEqual([WebSocket.OPEN, true]);
    busy.terminate();
  });

  it('E13 passes bytes that come with the switch, on both sides', async () => {
    rig.origin.script = (request) => {
      request.tunnel((bytes) => request.send(`<${bytes.toString('latin1')}>`));
      request.send(`${SWITCHED}early`);
    };
    using client = await rawClient(rig.port);
    await client.send(`${UPGRADE}eager`);
    const answer = await client.answer();
    expect(answer.status).toBe(101);
    await until(() => client.pending.includes('early') && client.pending.includes('eager'), 'both early parts');
  });

  it('E13 passes on what is left when the endpoint closes, then closes', async () => {
    const body = Buffer.alloc(500_000, 'z');
    rig.origin.script = (request) => {
      request.tunnel(() => {});
      request.send(SWITCHED);
      request.send(body);
      request.close();
    };
    using client = await rawClient(rig.port);
    await client.send(UPGRADE);
    expect((await client.answer()).status).toBe(101);
    expect((await client.rest()).length).toBe(body.length);
    client.halfClose();
    await until(() => rig.origin.request.connection.isClosed, 'the end of the other side');
  });

  it('E13 passes on what is left when the client closes, then closes', async () => {
    let received = 0;
    rig.origin.script = (request) => {
      request.tunnel((bytes) => {
        received += bytes.length;
      });
      request.send(SWITCHED);
    };
    using client = await rawClient(rig.port);
    await client.send(UPGRADE);
    expect((await client.answer()).status).toBe(101);
    client.socket.end(Buffer.alloc(500_000, 'z'));
    await until(() => received === 500_000, 'all that was sent');
    await until(() => rig.origin.request.connection.isClosed, 'the end of the other side');
    await client.closed();
  });

  it('E13 holds the sender back when the other side does not read', async () => {
    rig.origin.script = (request) => {
      request.tunnel(() => {});
      request.connection.socket.pause();
      request.send(SWITCHED);
    };
    using client = await rawClient(rig.port);
    await client.send(UPGRADE);
    expect((await client.answer()).status).toBe(101);
    const before = rig.fermat.rssBytes;
    for (let i = 0; i < 48; i++) client.socket.write(Buffer.alloc(1 << 20));
    await delay(300);
    expect(client.socket.writableLength).toBeGreaterThan(16 << 20);
    expect(rig.fermat.rssBytes - before).toBeLessThan(32 << 20);
  });
});

describe('E8 upgrades', () => {
  it('E8 sends the endpoint one clean Connection and Upgrade, and drops tokens it does not know', async () => {
    rig.origin.script = (request) => request.send(SWITCHED);
    using client = await rawClient(rig.port);
    await client.send(UPGRADE.replace('Connection: Upgrade', 'Connection: keep-alive, Upgrade'));
    expect((await client.answer()).status).toBe(101);
    const { request } = rig.origin;
    expect([request.all('connection'), request.all('upgrade').map((token) => token.toLowerCase())]).toEqual([
      ['Upgrade'],
      ['websocket'],
    ]);
    expect(request.field('sec-websocket-key')).toBe('dGhlIHNhbXBsZSBub25jZQ==');
  });

  it.each([
    'h2c',
    'TLS/1.0',
    'foo',
    'h2c, websocket-evil',
  ])('E8 forwards a request to upgrade to %s as a plain one', async (token) => {
    using client = await rawClient(rig.port);
    await client.send(
      get('/', `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${token}\r\nHTTP2-Settings: AAMAAABk\r\n`),
    );
    expect((await client.answer()).status).toBe(200);
    for (const name of ['upgrade', 'connection', 'http2-settings']) expect(rig.origin.request.all(name)).toEqual([]);
  });

  it('E8 ignores an upgrade in HTTP/1.0 and one that Connection does not name', async () => {
    for (const bytes of [UPGRADE.replace('HTTP/1.1', 'HTTP/1.0'), UPGRADE.replace('Connection: Upgrade\r\n', '')]) {
      rig.origin.reset();
      const { answer, request } = await rig.passed(bytes);
      expect([answer.status, request.all('upgrade')]).toEqual([200, []]);
    }
  });

  it.each([
    ['Content-Length', 'Content-Length: 5\r\n', 'hello'],
    ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'],
  ])('E8 refuses an upgrade with a body by %s', async (_, fields, body) => {
    await rig.refused(UPGRADE.replace('\r\n\r\n', `\r\n${fields}\r\n${body}`), 400);
  });

  it.each([
    ['Content-Length', 'Content-Length: 5\r\n', 'hello'],
    ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'],
  ])('E8 forwards a request to upgrade to h2c, as Java’s client posts it, with its body by %s', async (_, fields, body) => {
    const offer = `${fields}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n`;
    using client = await rawClient(rig.port);
    await client.send(get('/', offer).replace('GET', 'POST') + body + get('/next'));
    expect([(await client.answer()).status, (await client.answer()).status]).toEqual([200, 200]);
    const [first, next] = rig.origin.requests;
    expect([first?.body.toString(), next?.target]).toEqual(['hello', '/next']);
    for (const name of ['upgrade', 'connection', 'http2-settings']) expect(first?.all(name)).toEqual([]);
  });

  it('E8 opens no tunnel unless the endpoint says 101', async () => {
    rig.origin.script = (request) => request.answer(200, 'no');
    using client = await rawClient(rig.port);
    await client.send(UPGRADE + get('/smuggled'));
    const answer = await client.answer();
    expect([answer.status, answer.text]).toEqual([200, 'no']);
    // What follows is the next request of this connection, and is read and sent as one.
    expect((await client.answer()).status).toBe(200);
    expect((await rig.settled()).map((request) => request.target)).toEqual(['/chat', '/smuggled']);
    for (const request of rig.origin.requests) expect(request.all('x-forwarded-for')).toEqual(['127.0.0.1']);
  });

  it('E8 passes a refusal of the endpoint on', async () => {
    const ws = open('/refuse');
    const status = await new Promise((resolve) => {
      ws.once('unexpected-response', (_, res) => resolve(res.statusCode));
      ws.once('error', () => {});
    });
    expect(status).toBe(403);
    ws.terminate();
  });

  it('E8 applies routes before it upgrades', async () => {
    const ws = open('/denied');
    const status = await new Promise((resolve) => {
      ws.once('unexpected-response', (_, res) => resolve(res.statusCode));
      ws.once('error', () => {});
    });
    expect(status).toBe(403);
    ws.terminate();
  });

  it('E8 answers 502 when the endpoint switches to something else', async () => {
    rig.origin.script = (request) => request.send(SWITCHED.replace('Upgrade: websocket', 'Upgrade: h2c'));
    using client = await rawClient(rig.port);
    await client.send(UPGRADE);
    expect((await client.answer()).status).toBe(502);
  });
});
