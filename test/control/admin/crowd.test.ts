// Who is let go when too many are connected to the admin listener, over a real server that keeps four.

import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Crowd } from '../../../src/control/admin/crowd.ts';
import { until } from '../../support/until.ts';

const HEAD = 'Host: localhost\r\n';
/** Answered at once, and never. */
const QUICK = `GET /quick HTTP/1.1\r\n${HEAD}\r\n`;
const HANGING = `GET /hanging HTTP/1.1\r\n${HEAD}\r\n`;
const HALF_HEAD = `GET /quick HTTP/1.1\r\n${HEAD}`;
const HALF_BODY = `POST /hanging HTTP/1.1\r\n${HEAD}Content-Length: 9\r\n\r\n`;

let server: Server;
/** Requests begun, connections that came. */
let asked = 0;
let came = 0;
const clients: Client[] = [];

class Client {
  readonly socket: Socket;
  text = '';
  isCut = false;

  constructor(port: number, from: string, bytes: string) {
    this.socket = connect({ port, host: '127.0.0.1', localAddress: from }, () => this.socket.write(bytes));
    this.socket.setEncoding('latin1').on('data', (chunk) => {
      this.text += chunk;
    });
    this.socket
      .on('error', () => undefined)
      .on('close', () => {
        this.isCut = true;
      });
  }
}

/** Resolves when the server has it, and what it asks. */
async function client(from: string, bytes: string): Promise<Client> {
  const before = [came, asked] as const;
  const it = new Client((server.address() as AddressInfo).port, from, bytes);
  clients.push(it);
  const isAsking = bytes !== '' && bytes !== HALF_HEAD;
  await until(() => it.isCut || (came > before[0] && (!isAsking || asked > before[1])), 'the server has it');
  return it;
}

const cut = (...of: Client[]) => of.map(({ isCut }) => isCut);

beforeEach(async () => {
  [asked, came] = [0, 0];
  const crowd = new Crowd(4);
  server = createServer((request, response) => {
    asked++;
    if (request.url === '/quick') response.end('ok');
  });
  server.on('connection', (socket) => {
    came++;
    crowd.come(socket);
  });
  server.prependListener('request', (request, response) => crowd.ask(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  server.closeAllConnections();
  server.close();
});

describe('a crowd at the admin listener', () => {
  it('lets whoever comes in, and one go that asks nothing, the one that was quiet for longest', async () => {
    const stream = await client('127.0.0.1', HANGING);
    const kept = await client('127.0.0.1', QUICK);
    const half = await client('127.0.0.1', HALF_HEAD);
    const body = await client('127.0.0.1', HALF_BODY);
    await until(() => kept.text.includes('ok'), 'the answer');
    // It has asked again meanwhile, so it was quiet for the shortest time.
    kept.text = '';
    kept.socket.write(QUICK);
    await until(() => kept.text.includes('ok'), 'the second answer');
    const operator = await client('127.0.0.1', QUICK);
    await until(() => half.isCut && operator.text.includes('ok'), 'a place for the operator');
    expect(cut(stream, kept, body)).toEqual([false, false, false]);
    const another = await client('127.0.0.1', QUICK);
    await until(() => body.isCut && another.text.includes('ok'), 'a place for one more');
    expect(cut(stream, kept, operator)).toEqual([false, false, false]);
  });

  it('lets one of the address go that waits with most', async () => {
    const operator = await client('127.0.0.1', QUICK);
    const flood: Client[] = [];
    for (let i = 0; i < 3; i++) flood.push(await client('127.0.0.2', HALF_HEAD));
    for (let i = 0; i < 8; i++) flood.push(await client('127.0.0.2', HALF_HEAD));
    await until(() => flood.filter(({ isCut }) => isCut).length === 8, 'eight of the flood cut');
    expect(operator.isCut).toBe(false);
    expect(flood.slice(8).map(({ isCut }) => isCut)).toEqual([false, false, false]);
  });

  it('divides the places where nobody waits: as many for each address', async () => {
    const slow: Client[] = [];
    for (let i = 0; i < 4; i++) slow.push(await client('127.0.0.2', HANGING));
    const own = await client('127.0.0.2', HANGING);
    await until(() => own.isCut, 'no fifth of the same address');
    expect(slow.some(({ isCut }) => isCut)).toBe(false);
    const first = await client('127.0.0.1', HANGING);
    const second = await client('127.0.0.1', HANGING);
    await until(() => slow.filter(({ isCut }) => isCut).length === 2, 'two of four cut');
    const third = await client('127.0.0.1', HANGING);
    await until(() => third.isCut, 'no third');
    expect(cut(first, second)).toEqual([false, false]);
  });
});
