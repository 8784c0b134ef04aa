// The end of a node on SIGTERM, as those who are connected see it: idle connections get a grace, WebSockets are told (1001)
// between two frames and one after another, and whoever insists ends it at once.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Fermat, poolOf, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, type OriginRequest, startOrigin } from '../support/origin.ts';
import { Pki } from '../support/pki.ts';
import { get, type RawClient, rawClient } from '../support/raw.ts';
import { delay, until, within } from '../support/until.ts';
import { listenersOf, openWay, WAYS } from '../support/ways.ts';

const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
const GOING_AWAY = '\x88\x02\x03\xe9';

let origin: Origin;
let fermat: Fermat;

beforeEach(async () => {
  origin = await startOrigin();
});
afterEach(async () => {
  await fermat?.kill();
  await origin.refuse();
});

describe('idle connections', () => {
  it('stay for a second at least, and a request that comes meanwhile is answered as the last', async () => {
    fermat = await startFermat(simpleConfig([origin.url], {}, { shutdown: { drainDelay: '0s', timeout: '8s' } }));
    const clients = await Promise.all(Array.from({ length: 6 }, () => rawClient(fermat.port)));
    for (const client of clients) {
      await client.send(get());
      expect((await client.answer()).field('connection')).toBeNull();
    }
    const startMs = performance.now();
    fermat.child.kill('SIGTERM');
    await until(() => fermat.events.some(({ type }) => type === 'node.draining'), 'the drain');
    await delay(500);
    const [late, ...idle] = clients as [RawClient, ...RawClient[]];
    await late.send(get());
    expect((await late.answer()).field('connection')).toBe('close');
    for (const client of idle) expect(client.hasEnded).toBe(false);
    await until(() => idle.every(({ hasEnded }) => hasEnded), 'the end of the idle ones');
    expect(performance.now() - startMs).toBeGreaterThan(950);
    for (const client of clients) client.destroy();
    expect(await fermat.ended()).toEqual({ code: 0, signal: null });
    expect(performance.now() - startMs).toBeLessThan(7000);
  });
});

describe('a second signal', () => {
  it('ends the process at once, and not well', async () => {
    fermat = await startFermat(simpleConfig([origin.url], {}, { shutdown: { drainDelay: '20s', timeout: '20s' } }));
    origin.script = () => {};
    using stuck = await rawClient(fermat.port);
    await stuck.send(get());
    await until(() => origin.requests.length > 0, 'the request');
    fermat.child.kill('SIGTERM');
    await until(async () => (await fermat.admin('/readyz')).status === 503, 'not ready');
    const startMs = performance.now();
    fermat.child.kill('SIGINT');
    expect(await fermat.ended()).toEqual({ code: 1, signal: null });
    expect(performance.now() - startMs).toBeLessThan(2000);
    origin.reset();
  });
});

describe('a WebSocket', () => {
  const opened = async (): Promise<{ client: RawClient; request: OriginRequest; seen: () => string }> => {
    let seen = '';
    let request: OriginRequest | undefined;
    origin.script = (asked) => {
      request = asked;
      asked.tunnel((bytes) => {
        seen += bytes.toString('latin1');
      });
      asked.send(SWITCHED);
    };
    const client = await rawClient(fermat.port);
    await client.send(get('/chat', UPGRADE));
    await until(() => client.pending.includes('\r\n\r\n'), 'the switch');
    client.pending = Buffer.alloc(0);
    return { client, request: request!, seen: () => seen };
  };
  const start = async (timeout: string): Promise<void> => {
    fermat = await startFermat(simpleConfig([origin.url], {}, { shutdown: { drainDelay: '0s', timeout } }));
  };
  const drain = async (): Promise<void> => {
    fermat.child.kill('SIGTERM');
    await until(() => fermat.events.some(({ type }) => type === 'node.draining'), 'the drain');
  };
  /** The payload of a masked close frame; null = it is none. */
  const maskedClose = (text: string): number[] | null => {
    const bytes = Buffer.from(text, 'latin1');
    if (bytes.length !== 8 || bytes[0] !== 0x88 || bytes[1] !== 0x82) return null;
    return [bytes[6]! ^ bytes[2]!, bytes[7]! ^ bytes[3]!];
  };

  it('is told when the frame under way has ended, and nothing comes after', async () => {
    await start('5s');
    const { client, request, seen } = await opened();
    request.send('\x01\x05he'); // the first piece of a message, itself in pieces
    await client.send('\x82\x83mask'); // a frame of three bytes, none of which has come
    await until(() => client.received > 0 && seen().length === 6, 'both halves');
    await drain();
    await delay(300);
    expect(client.pending.toString('latin1')).toBe('\x01\x05he');
    expect(seen()).toBe('\x82\x83mask');
    request.send('llo\x80\x06 world');
    await client.send('abc\x81\x81mask!');
    await until(() => seen().length > 9 && client.pending.length > 7, 'the goodbyes');
    await delay(100);
    expect(client.pending.toString('latin1')).toBe(`\x01\x05hello${GOING_AWAY}`);
    expect(seen().slice(0, 9)).toBe('\x82\x83maskabc');
    expect(maskedClose(seen().slice(9))).toEqual([0x03, 0xe9]);
    await client.send('\x88\x82\0\0\0\0\x03\xe9');
    expect(await client.closed()).toBe('end');
    expect(await fermat.ended()).toEqual({ code: 0, signal: null });
  });

  it('that has said goodbye itself is told nothing', async () => {
    await start('5s');
    const { client, request, seen } = await opened();
    request.send('\x88\x02\x03\xe8');
    await until(() => client.pending.length === 4, 'the goodbye of the endpoint');
    await drain();
    await until(() => seen().length === 8, 'the goodbye to the endpoint');
    await client.send('\x88\x82\0\0\0\0\x03\xe8');
    expect(await client.closed()).toBe('end');
    expect(client.pending.toString('latin1')).toBe('\x88\x02\x03\xe8');
    expect(await fermat.ended()).toEqual({ code: 0, signal: null });
  });

  it('that does not answer is cut, before the time is up', async () => {
    await start('20s');
    const { client } = await opened();
    const startMs = performance.now();
    await drain();
    await until(() => client.hasEnded, 'the end', 8000);
    expect(client.pending.toString('latin1')).toBe(GOING_AWAY);
    client.destroy();
    expect(await fermat.ended()).toEqual({ code: 0, signal: null });
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  describe.each(WAYS)('over %s', (name) => {
    let server: Server;
    let sockets: WebSocketServer;
    const pki = new Pki();
    beforeEach(async () => {
      server = createServer();
      sockets = new WebSocketServer({ server });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    afterEach(() => {
      for (const ws of sockets.clients) ws.terminate();
      server.close();
      pki[Symbol.dispose]();
    });

    it('sees 1001 at either end; several are told one after another, and the process ends well', async () => {
      const { port } = server.address() as AddressInfo;
      fermat = await startFermat({
        ...listenersOf(pki.issue('site', { san: 'IP:127.0.0.1' })),
        shutdown: { drainDelay: '0s', timeout: '3s' },
        pools: { main: poolOf([`http://127.0.0.1:${port}`]) },
        routes: [{ pool: 'main' }],
      });
      const ends: number[] = [];
      sockets.on('connection', (ws: WebSocket) => {
        ws.on('message', (data) => ws.send(data)).on('close', (code) => ends.push(code));
      });
      const way = openWay(name, fermat);
      const clients = Array.from({ length: 4 }, () => way.webSocket('/socket'));
      await within(8000, 'the handshakes', Promise.all(clients.map((ws) => once(ws, 'open'))));
      const atMs: number[] = [];
      const codes = clients.map(async (ws) => {
        ws.send('hello');
        const [code] = (await once(ws, 'close')) as [number];
        atMs.push(performance.now());
        return code;
      });
      await within(8000, 'echoes', Promise.all(clients.map((ws) => once(ws, 'message'))));
      fermat.child.kill('SIGTERM');
      expect(await within(8000, 'all ends', Promise.all(codes))).toEqual([1001, 1001, 1001, 1001]);
      await until(() => ends.length === 4, 'the ends at the endpoint');
      expect(ends).toEqual([1001, 1001, 1001, 1001]);
      // 0, 0.6, 1.2 and 1.8 s after the beginning.
      expect(Math.max(...atMs) - Math.min(...atMs)).toBeGreaterThan(1200);
      expect(await fermat.ended()).toEqual({ code: 0, signal: null });
      way.close();
    });
  });
});
