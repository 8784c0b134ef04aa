// WebSockets through a real Fermat with `ws` at both ends, by every way that a client can come. What raw bytes show better is in
// http-tunnel.test.ts.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ClientOptions, type RawData, type WebSocket, WebSocketServer } from 'ws';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { Pki } from '../support/pki.ts';
import { delay, until, within } from '../support/until.ts';
import { listenersOf, openWay, WAYS, type Way } from '../support/ways.ts';

const MIB = 1 << 20;
const TIMEOUT_MS = 15_000;

let origin: Server;
let sockets: WebSocketServer;
let fermat: Fermat;
const pki = new Pki();
/** What the server does with the next connection; default: echo. */
let serve: (ws: WebSocket, request: IncomingMessage) => void;

function echo(ws: WebSocket): void {
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
}

beforeAll(async () => {
  origin = createServer((_, response) => response.end('no socket'));
  sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * MIB,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
  });
  origin.on('upgrade', (request, socket, head) => {
    if (request.url === '/impostor') {
      socket.end('HTTP/1.1 101 Sure\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n');
      return;
    }
    if (request.url === '/private') {
      const fields = 'WWW-Authenticate: Bearer realm="x"\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n';
      socket.end(`HTTP/1.1 401 Unauthorized\r\n${fields}Connection: close\r\n\r\nwho are you?`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on('error', () => {});
      serve(ws, request);
    });
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const { port } = origin.address() as AddressInfo;
  fermat = await startFermat({
    ...listenersOf(pki.issue('site', { san: 'IP:127.0.0.1' })),
    pools: { main: poolOf([`http://127.0.0.1:${port}`]) },
    routes: [{ pool: 'main' }],
  });
});
afterAll(async () => {
  await fermat?.stop();
  for (const ws of sockets.clients) ws.terminate();
  origin.closeAllConnections();
  origin.close();
  pki[Symbol.dispose]();
});

describe.each(WAYS)('a WebSocket over %s', (name) => {
  let way: Way;
  const clients: WebSocket[] = [];

  beforeEach(() => {
    serve = echo;
    way = openWay(name, fermat);
  });
  afterEach(() => {
    for (const ws of clients.splice(0)) ws.on('error', () => {}).terminate();
    way.close();
    expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
  });

  /** An open pair; the server's side is served by `behave`. */
  async function pair(
    behave: (ws: WebSocket, request: IncomingMessage) => void = echo,
    ...more: [protocols?: readonly string[], options?: ClientOptions]
  ): Promise<{ client: WebSocket; server: WebSocket }> {
    const served = new Promise<WebSocket>((resolve) => {
      serve = (ws, request) => {
        behave(ws, request);
        resolve(ws);
      };
    });
    const client = way.webSocket('/socket', more[0], { perMessageDeflate: false, ...more[1] });
    clients.push(client);
    await within(TIMEOUT_MS, 'the handshake', once(client, 'open'));
    return { client, server: await served };
  }

  it('carries 10,000 small messages each way at once, in order', async () => {
    const count = 10_000;
    const seen: { client: number[]; server: number[] } = { client: [], server: [] };
    const { client, server } = await pair((ws) => {
      ws.on('message', (data) => seen.server.push(Number(data.toString())));
    });
    client.on('message', (data) => seen.client.push(Number(data.toString())));
    for (let i = 0; i < count; i++) {
      client.send(`${i}`);
      server.send(`${i}`);
    }
    await until(() => seen.client.length === count && seen.server.length === count, 'all messages', TIMEOUT_MS);
    const all = Array.from({ length: count }, (_, i) => i);
    expect(seen.client).toEqual(all);
    expect(seen.server).toEqual(all);
  });

  it('answers 1,000 messages one after the other', async () => {
    const { client } = await pair();
    for (let i = 0; i < 1000; i++) {
      const answer = once(client, 'message');
      client.send(`message ${i}`);
      expect(String((await answer)[0])).toBe(`message ${i}`);
    }
  });

  it('carries messages of 8 MiB, binary and text', async () => {
    const { client } = await pair();
    const binary = randomBytes(8 * MIB);
    const text = 'größer · '.repeat(Math.ceil((8 * MIB) / 11));
    for (const message of [binary, text]) {
      const answer = within(TIMEOUT_MS, 'the echo', once(client, 'message'));
      client.send(message);
      const [data, isBinary] = (await answer) as [Buffer, boolean];
      expect(isBinary).toBe(message === binary);
      expect(data.equals(Buffer.from(message as string))).toBe(true);
    }
  });

  it('carries pings and pongs both ways, with what they say', async () => {
    const { client, server } = await pair();
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const heard = within(TIMEOUT_MS, 'the ping', once(to, 'ping'));
      const answered = within(TIMEOUT_MS, 'the pong', once(from, 'pong'));
      from.ping('are you there?');
      expect(String((await heard)[0])).toBe('are you there?');
      expect(String((await answered)[0])).toBe('are you there?');
    }
  });

  it.each([
    [1000, ''],
    [1001, 'going away'],
    [4000, 'reason of ours'],
  ])('carries the close code %i %j both ways', async (code, reason) => {
    for (const side of ['client', 'server'] as const) {
      const both = await pair();
      const ends = [once(both.client, 'close'), once(both.server, 'close')];
      both[side].close(code, reason);
      for (const [seenCode, seenReason] of await within(TIMEOUT_MS, 'both closes', Promise.all(ends)))
        expect([seenCode, String(seenReason)]).toEqual([code, reason]);
    }
  });

  it('carries a message in fragments with a ping between them', async () => {
    const { client, server } = await pair();
    const message = within(TIMEOUT_MS, 'the message', once(server, 'message'));
    const ping = within(TIMEOUT_MS, 'the ping', once(server, 'ping'));
    let hasMessage = false;
    server.once('message', () => {
      hasMessage = true;
    });
    client.send('one, ', { fin: false });
    client.send('two, ', { fin: false });
    client.ping('between');
    await ping;
    expect(hasMessage).toBe(false);
    client.send('three', { fin: true });
    expect(String((await message)[0])).toBe('one, two, three');
  });

  it('leaves permessage-deflate to the two ends', async () => {
    const { client, server } = await pair(echo, [], { perMessageDeflate: { threshold: 0 } });
    expect(client.extensions).toContain('permessage-deflate');
    expect(server.extensions).toContain('permessage-deflate');
    const message = 'again and again, '.repeat(100_000);
    const answer = within(TIMEOUT_MS, 'the echo', once(client, 'message'));
    client.send(message);
    expect(String((await answer)[0])).toBe(message);
    const without = await pair();
    expect(without.server.extensions).toBe('');
  });

  it('leaves the choice of a subprotocol to the two ends', async () => {
    let offered: string | undefined;
    const { client, server } = await pair(
      (_, request) => {
        offered = request.headers['sec-websocket-protocol'];
      },
      ['chat.v1', 'chat.v2'],
    );
    expect(offered).toBe('chat.v1,chat.v2');
    expect([client.protocol, server.protocol]).toEqual(['chat.v2', 'chat.v2']);
  });

  it('passes on the refusal of an endpoint, whole', async () => {
    const client = way.webSocket('/private');
    clients.push(client);
    const [, response] = (await within(TIMEOUT_MS, 'the answer', once(client, 'unexpected-response'))) as [
      unknown,
      IncomingMessage,
    ];
    let text = '';
    for await (const chunk of response) text += chunk;
    expect([response.statusCode, response.headers['www-authenticate'], text]).toEqual([
      401,
      'Bearer realm="x"',
      'who are you?',
    ]);
  });

  it('is not opened to an endpoint that has not read the key', async () => {
    const client = way.webSocket('/impostor');
    clients.push(client);
    const refused = new Promise<string>((resolve) => {
      client.on('error', (error) => resolve(error.message));
    });
    // Over HTTP/1.1 the client looks for itself; over HTTP/2 there is no proof that it could look at.
    expect(await within(TIMEOUT_MS, 'the refusal', refused)).toBe(
      name.startsWith('h2') ? 'Unexpected server response: 502' : 'Invalid Sec-WebSocket-Accept header',
    );
  });

  it('makes the endpoint wait for a client that does not read, holding little meanwhile', async () => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    const total = 512 * MIB;
    let sent = 0;
    let isOver = false;
    const { client } = await pair((ws) => {
      const more = (error?: Error | null): void => {
        if (error || isOver || sent >= total) return;
        sent += piece.length;
        ws.send(piece, more);
      };
      more();
    });
    client.pause();
    const before = fermat.rssBytes;
    const stalled = await standsStill(() => sent);
    expect(stalled).toBeLessThan(64 * MIB); // what the kernel's four buffers and ours hold
    expect(fermat.rssBytes - before).toBeLessThan(48 * MIB);
    let received = 0;
    client.on('message', (data: RawData) => {
      received += (data as Buffer).length;
    });
    client.resume();
    await until(() => received > stalled + 16 * MIB, 'the flow after the pause', TIMEOUT_MS);
    isOver = true;
  });

  it('makes the client wait for an endpoint that does not read, holding little meanwhile', async () => {
    const { client, server } = await pair(() => {});
    server.pause();
    const piece = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    let isOver = false;
    const more = (error?: Error | null): void => {
      if (error || isOver || sent >= 512 * MIB) return;
      sent += piece.length;
      client.send(piece, more);
    };
    more();
    const before = fermat.rssBytes;
    const stalled = await standsStill(() => sent);
    expect(stalled).toBeLessThan(64 * MIB);
    expect(fermat.rssBytes - before).toBeLessThan(48 * MIB);
    let received = 0;
    server.on('message', (data: RawData) => {
      received += (data as Buffer).length;
    });
    server.resume();
    await until(() => received > stalled + 16 * MIB, 'the flow after the pause', TIMEOUT_MS);
    isOver = true;
  });

  it('tells either side at once when the other is gone', async () => {
    const first = await pair();
    const serverEnd = within(1000, 'the end at the server', once(first.server, 'close'));
    first.client.terminate();
    expect((await serverEnd)[0]).toBe(1006);
    const second = await pair();
    const clientEnd = within(1000, 'the end at the client', once(second.client, 'close'));
    second.client.on('error', () => {});
    second.server.terminate();
    expect((await clientEnd)[0]).toBe(1006);
  });
});

/** Where a count is when it has not moved for half a second. */
async function standsStill(count: () => number): Promise<number> {
  let last = -1;
  await until(
    async () => {
      const now = count();
      const isStill = now === last && now > 0;
      last = now;
      if (!isStill) await delay(500);
      return isStill;
    },
    'a stand-still',
    30_000,
  );
  return last;
}

const SERVER = `
  import { WebSocketServer } from 'ws';
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => console.log(server.address().port));
  server.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));
`;

describe('an endpoint that is killed in the midst of its tunnels', () => {
  it('ends them for every client, and the next one is told that it is not there', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', SERVER], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await within(TIMEOUT_MS, 'the port of the endpoint', once(child.stdout, 'data'));
    const other = await startFermat({
      ...listenersOf(pki.issue('other', { san: 'IP:127.0.0.1' })),
      pools: { main: poolOf([`http://127.0.0.1:${Number(String(line))}`]) },
      routes: [{ pool: 'main' }],
    });
    const ways = WAYS.map((name) => openWay(name, other));
    try {
      const clients = await Promise.all(
        ways
          .flatMap((way) => [1, 2, 3].map(() => way.webSocket('/')))
          .map(async (client) => {
            await within(TIMEOUT_MS, 'the handshake', once(client, 'open'));
            const answer = once(client, 'message');
            client.send('there?');
            await within(TIMEOUT_MS, 'the echo', answer);
            client.on('error', () => {});
            return client;
          }),
      );
      const ends = clients.map((client) => within(2000, 'the end of a tunnel', once(client, 'close')));
      child.kill('SIGKILL');
      for (const [code] of await Promise.all(ends)) expect(code).toBe(1006);
      for (const way of ways) {
        const [, response] = (await once(way.webSocket('/'), 'unexpected-response')) as [unknown, IncomingMessage];
        response.resume();
        expect(response.statusCode).toBe(502);
      }
    } finally {
      child.kill('SIGKILL');
      for (const way of ways) way.close();
      await other.stop();
    }
  });
});
