// HTTP/2 as clients that others wrote speak it: node:http2, curl, nghttp and h2load, over plain connections by prior knowledge.

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { useRig } from '../support/rig.ts';
import { within } from '../support/until.ts';

const rig = useRig((origin) => simpleConfig([origin.url]));
const run = promisify(execFile);
const tool = (file: string, args: readonly string[]) =>
  run(file, args, { timeout: 20_000, maxBuffer: 64 << 20, encoding: 'latin1' });
const url = (path = '/') => `http://127.0.0.1:${rig.port}${path}`;

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface NodeAnswer {
  readonly headers: IncomingHttpHeaders & { ':status'?: number | undefined };
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

function ask(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body: Buffer | null = null,
): Promise<NodeAnswer> {
  const stream = session.request(headers, { endStream: body === null });
  if (body !== null) stream.end(body);
  return within(
    10_000,
    'an answer to node:http2',
    new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let head: NodeAnswer['headers'] = {};
      let trailers: IncomingHttpHeaders = {};
      stream.on('response', (got) => {
        head = got;
      });
      stream.on('trailers', (got) => {
        trailers = got;
      });
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('error', reject);
      stream.on('end', () => resolve({ headers: head, body: Buffer.concat(parts), trailers }));
    }),
  );
}

describe('node:http2', () => {
  it('asks, sends large bodies, gets large ones and trailers, all at once over one session', async () => {
    const large = randomBytes(3 << 20);
    rig.origin.script = async (request) => {
      if (request.target === '/large') return request.answer(200, large);
      if (request.target === '/trailers')
        return request.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n');
      request.answer(200, request.method === 'POST' ? sha(await request.whole()) : request.target);
    };
    const session = connect(url());
    try {
      const [plain, got, posted, trailed, head, ...many] = await Promise.all([
        ask(session, { ':path': '/plain' }),
        ask(session, { ':path': '/large' }),
        ask(session, { ':path': '/', ':method': 'POST' }, large),
        ask(session, { ':path': '/trailers', te: 'trailers' }),
        ask(session, { ':path': '/', ':method': 'HEAD' }),
        ...Array.from({ length: 80 }, (_, i) => ask(session, { ':path': `/${i}` })),
      ]);
      expect([plain!.headers[':status'], plain!.body.toString()]).toEqual([200, '/plain']);
      expect(got!.body.equals(large)).toBe(true);
      expect(posted!.body.toString()).toBe(sha(large));
      expect(trailed!.trailers['x-sum']).toBe('1');
      expect([head!.body.length, head!.headers['content-length']]).toEqual([0, '1']);
      expect(many.map(({ body }) => body.toString())).toEqual(many.map((_, i) => `/${i}`));
    } finally {
      session.destroy();
    }
  });

  it('cancels a stream and goes on', async () => {
    rig.origin.script = (request) => (request.target === '/never' ? undefined : request.answer());
    const session = connect(url());
    try {
      const stream = session.request({ ':path': '/never' });
      stream.on('error', () => {});
      const { connection } = await rig.origin.nth(1);
      const closed = new Promise((resolve) => connection.socket.once('close', resolve));
      stream.close(constants.NGHTTP2_CANCEL);
      await within(1000, 'the end of the upstream connection', closed);
      expect((await ask(session, { ':path': '/' })).headers[':status']).toBe(200);
    } finally {
      session.destroy();
    }
  });
});

describe('curl', () => {
  const H2 = ['-sS', '--max-time', '10', '--http2-prior-knowledge'];

  it('gets, posts, waits for a 100, and asks for heads', async () => {
    rig.origin.script = async (request) => request.answer(200, `${request.method} ${(await request.whole()).length}`);
    // One request a run: curl 7.88 fails on its own when it uses such a connection again, whoever serves it.
    expect((await tool('curl', [...H2, '-w', ' %{http_version}', url()])).stdout).toBe('GET 0 2');
    const folder = mkdtempSync(join(tmpdir(), 'fermat-curl-'));
    try {
      const file = join(folder, 'body');
      writeFileSync(file, randomBytes(2 << 20));
      expect((await tool('curl', [...H2, '--data-binary', `@${file}`, url()])).stdout).toBe(`POST ${2 << 20}`);
      expect((await tool('curl', [...H2, '-H', 'Expect: 100-continue', '-T', file, url()])).stdout).toBe(
        `PUT ${2 << 20}`,
      );
      const body = readFileSync(file);
      rig.origin.script = (request) => request.answer(200, body);
      await tool('curl', [...H2, '-o', join(folder, 'got'), url()]);
      expect(readFileSync(join(folder, 'got')).equals(body)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const { stdout: head } = await tool('curl', [...H2, '-I', url()]);
    expect(head).toMatch(/^HTTP\/2 200/);
  });

  it('that only offers to upgrade is answered in HTTP/1.1', async () => {
    const { stdout } = await tool('curl', ['-sS', '--max-time', '10', '--http2', '-w', ' %{http_version}', url()]);
    expect(stdout).toBe('ok 1.1');
  });
});

describe('nghttp and h2load', () => {
  it('nghttp gets with priorities, padding and a small window, and uploads with trailers', async () => {
    const body = randomBytes(300_000).toString('base64');
    rig.origin.script = (request) => request.answer(200, body);
    const { stdout } = await tool('nghttp', [
      '-t',
      '10',
      '--padding=200',
      '--window-bits=10',
      '--connection-window-bits=12',
      '--no-dep',
      url(),
    ]);
    expect(stdout).toBe(body);
    const folder = mkdtempSync(join(tmpdir(), 'fermat-nghttp-'));
    try {
      const file = join(folder, 'body');
      writeFileSync(file, body);
      rig.origin.requests.length = 0;
      await tool('nghttp', ['-t', '10', '-n', '--no-content-length', '-d', file, '--trailer', 'x-sum: 1', url()]);
      const { request } = rig.origin;
      expect([request.bodyBytes, request.trailers.map(([name, value]) => `${name}: ${value}`)]).toEqual([
        body.length,
        ['x-sum: 1'],
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('h2load gets 20,000 answers over 8 connections with 50 streams each, and all are good', async () => {
    rig.origin.script = (request) => {
      request.answer();
      request.connection.requests.length = 0;
      rig.origin.requests.length = 0;
    };
    const { stdout } = await tool('h2load', ['-n', '20000', '-c', '8', '-m', '50', url()]);
    expect(stdout).toMatch(/20000 succeeded, 0 failed, 0 errored, 0 timeout/);
    expect(stdout).toMatch(/status codes: 20000 2xx/);
  });

  it('h2load posts, and gets bodies beyond every window', async () => {
    const body = Buffer.alloc(300_000);
    rig.origin.script = async (request) => {
      await request.whole();
      request.answer(200, body);
    };
    const folder = mkdtempSync(join(tmpdir(), 'fermat-h2load-'));
    try {
      const file = join(folder, 'body');
      writeFileSync(file, randomBytes(20_000));
      const { stdout } = await tool('h2load', ['-n', '300', '-c', '3', '-m', '20', '-d', file, url()]);
      expect(stdout).toMatch(/300 succeeded, 0 failed, 0 errored, 0 timeout/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
