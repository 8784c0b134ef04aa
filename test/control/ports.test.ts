// Whether a listener can be opened, against real sockets that are in the way.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sentence, whyNotListen } from '../../src/control/ports.ts';

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'fermat-ports-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function listening(options: ListenOptions): Promise<{ server: Server; port: number } & AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options, resolve));
  const address = server.address();
  return {
    server,
    port: address !== null && typeof address === 'object' ? address.port : 0,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const tcp = (host: string, port: number) => whyNotListen({ name: 'http', host, port, path: null });
const unix = (path: string) => whyNotListen({ name: 'http', host: '', port: 0, path });

describe('a port', () => {
  it('that is free is free, and still is after having been asked', async () => {
    const { port } = await (async () => {
      await using taken = await listening({ host: '127.0.0.1', port: 0 });
      return { port: taken.port };
    })();
    expect(await tcp('127.0.0.1', port)).toBeNull();
    expect(await tcp('127.0.0.1', port)).toBeNull();
    await using now = await listening({ host: '127.0.0.1', port });
    expect(now.port).toBe(port);
  });

  it('that is taken is named, with what to do', async () => {
    await using taken = await listening({ host: '127.0.0.1', port: 0 });
    expect(await tcp('127.0.0.1', taken.port)).toMatch(
      new RegExp(`^127\\.0\\.0\\.1:${taken.port} is in use: .*ss -ltnp`),
    );
  });

  it('that another shares by SO_REUSEPORT is noticed as taken', async () => {
    await using shared = await listening({ host: '127.0.0.1', port: 0, reusePort: true });
    await using second = await listening({ host: '127.0.0.1', port: shared.port, reusePort: true });
    expect(second.port).toBe(shared.port);
    expect(await tcp('127.0.0.1', shared.port)).toContain('is in use');
  });

  it('that is taken on one address is taken for all addresses', async () => {
    await using taken = await listening({ host: '127.0.0.1', port: 0, reusePort: true });
    expect(await tcp('0.0.0.0', taken.port)).toContain('is in use');
  });

  it('of IPv6 is written in brackets', async () => {
    await using taken = await listening({ host: '::1', port: 0 });
    expect(await tcp('::1', taken.port)).toMatch(new RegExp(`^\\[::1\\]:${taken.port} is in use`));
  });

  it('of zero is always free', async () => {
    expect(await tcp('127.0.0.1', 0)).toBeNull();
    expect(await tcp('', 0)).toBeNull();
  });

  it('on an address that is not here is told as such', async () => {
    expect(await tcp('192.0.2.1', 8080)).toBe('192.0.2.1:8080 is not an address of this machine');
  });
});

describe('a socket file', () => {
  it('on which somebody answers is in use; the question does not end that', async () => {
    const path = join(scratch, 'live.sock');
    await using live = await listening({ path });
    expect(live.server.listening).toBe(true);
    expect(await unix(path)).toBe(`${path} is in use by another process`);
    const socket = connect({ path });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.destroy();
  });

  it('that is not there, or that nobody listens on any more, is free', async () => {
    expect(await unix(join(scratch, 'none.sock'))).toBeNull();
    const left = join(scratch, 'left.sock');
    {
      // Closing removes the name that was bound, so this one is left.
      await using dead = await listening({ path: `${left}~` });
      expect(dead.server.listening).toBe(true);
      renameSync(`${left}~`, left);
    }
    expect(await unix(left)).toBeNull();
  });

  // A slip in the configuration (`unix:/etc/app.conf`) replaced the file by a socket, and removed it at the end.
  it('that is another kind of file stays what it is', async () => {
    const file = join(scratch, 'app.conf');
    writeFileSync(file, 'precious');
    expect(await unix(file)).toBe(`${file} is there already and is no socket: choose another path, or move it away`);
    expect(await unix(scratch)).toContain('is no socket');
  });

  it('in a directory that is not there says so', async () => {
    const path = join(scratch, 'none', 'x.sock');
    expect(await unix(path)).toBe(`${path} needs its directory, which is not there`);
  });
});

it.each([
  ['EADDRINUSE', /in use.*ss -ltnp/],
  ['EACCES', /privilege.*CAP_NET_BIND_SERVICE/],
  ['EADDRNOTAVAIL', /not an address of this machine/],
  ['EWHATEVER', /cannot be listened on: because/],
])('%s is a sentence that begins with the address', (code, text) => {
  expect(sentence('a:1', code, 'because')).toMatch(/^a:1 /);
  expect(sentence('a:1', code, 'because')).toMatch(text);
});
