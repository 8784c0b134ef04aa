// gRPC calls as applications make them, by @grpc/grpc-js on both sides of the real process: every kind of call, over plain text
// and over TLS on either side.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata, ServerCredentials, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, makeCertificate } from '../support/certificate.ts';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { EchoClient, type EchoServer, endOf, metadataOf, startEcho } from '../support/grpc.ts';
import { until, within } from '../support/until.ts';

const MB = 1 << 20;
const PLAIN = 'plain.grpc.test';
const SECURE = 'secure.grpc.test';

let directory: string;
let certificate: Certificate;
let plain: EchoServer;
let secure: EchoServer;
let fermat: Fermat;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fermat-grpc-'));
  certificate = makeCertificate(directory, '*.grpc.test');
  const { cert, key, certFile, keyFile } = certificate;
  plain = await startEcho();
  secure = await startEcho(ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]));
  fermat = await startFermat({
    listeners: [
      { name: 'http', address: '127.0.0.1:0' },
      { name: 'https', address: '127.0.0.1:0', tls: { certificates: [{ cert: certFile, key: keyFile }] } },
    ],
    pools: {
      plain: poolOf([`h2c://127.0.0.1:${plain.port}`], { probe: { type: 'grpc', interval: '1s' } }),
      secure: poolOf([`h2://127.0.0.1:${secure.port}`], { tls: { ca: certFile }, probe: { type: 'grpc' } }, 's'),
    },
    routes: [
      { host: PLAIN, pool: 'plain' },
      { host: SECURE, pool: 'secure' },
    ],
  });
});
afterEach(() => {
  plain.reset();
  secure.reset();
  expect(fermat.events.filter(({ level }) => level === 'error')).toEqual([]);
});
afterAll(async () => {
  await fermat?.stop();
  plain?.stop();
  secure?.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Way {
  readonly name: string;
  readonly isSecure: boolean;
  readonly host: string;
}

const WAYS: readonly Way[] = [
  { name: 'h2c to h2c', isSecure: false, host: PLAIN },
  { name: 'TLS to h2c', isSecure: true, host: PLAIN },
  { name: 'h2c to TLS', isSecure: false, host: SECURE },
  { name: 'TLS to TLS', isSecure: true, host: SECURE },
];

function clientOf({ isSecure, host }: Way): EchoClient {
  const security = isSecure ? credentials.createSsl(certificate.cert) : credentials.createInsecure();
  return new EchoClient(fermat.ports[isSecure ? 'https' : 'http']!, security, {
    'grpc.default_authority': host,
    'grpc.ssl_target_name_override': host,
  });
}

const serverOf = ({ host }: Way): EchoServer => (host === PLAIN ? plain : secure);

describe.each(WAYS)('gRPC over $name', (way) => {
  it('carries a unary call', async () => {
    using client = clientOf(way);
    const { message, status: end } = await client.unary('hello');
    expect(message.toString()).toBe('hello');
    expect(end.code).toBe(status.OK);
  });

  it('carries an empty message, and one of 4 MiB', async () => {
    using client = clientOf(way);
    expect((await client.unary('')).message).toHaveLength(0);
    const large = Buffer.alloc(4 * MB);
    for (let i = 0; i < large.length; i += 4) large.writeUInt32LE(i, i);
    expect((await client.unary(large)).message.equals(large)).toBe(true);
  });

  it('carries metadata both ways, bytes too, and trailers', async () => {
    using client = clientOf(way);
    const bytes = Buffer.from([0, 1, 2, 253, 254, 255, 10, 13]);
    const sent = {
      'x-one': 'a b',
      'x-many': ['1', '2'],
      'x-bytes-bin': bytes,
      'x-echo-t': 'last',
      'x-echo-t-bin': bytes,
    };
    const answer = await client.unary('m', { metadata: metadataOf(sent) });
    for (const got of [answer.metadata]) {
      expect(got.get('x-one')).toEqual(['a b']);
      expect(got.get('x-many').join(', ')).toBe('1, 2');
      expect(got.get('x-bytes-bin')).toEqual([bytes]);
    }
    expect(answer.status.metadata.get('t')).toEqual(['last']);
    expect(answer.status.metadata.get('t-bin')).toEqual([bytes]);
    expect(answer.metadata.get('te')).toEqual([]);
  });

  it('tells the server what a proxy has to tell', async () => {
    using client = clientOf(way);
    let host = '';
    serverOf(way).handlers.unary = (call, callback) => {
      host = call.getHost();
      callback(null, Buffer.from(JSON.stringify(call.metadata.getMap())));
    };
    const got = JSON.parse((await client.unary('x')).message.toString()) as Record<string, string>;
    expect(host).toBe(way.host);
    expect(got).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': way.isSecure ? 'https' : 'http' });
    expect(got.via).toMatch(/fermat/);
    expect(got['user-agent']).toMatch(/^grpc-node/);
  });

  it('carries an error with its words and its trailers, when there is nothing else', async () => {
    using client = clientOf(way);
    const bytes = Buffer.from([0, 255]);
    serverOf(way).handlers.unary = (_call, callback) => {
      const metadata = metadataOf({ 'x-why': 'because', 'x-why-bin': bytes });
      callback({ code: status.FAILED_PRECONDITION, details: 'größer als 100 % — nein', metadata });
    };
    const error = await client.failure();
    expect(error.code).toBe(status.FAILED_PRECONDITION);
    expect(error.details).toBe('größer als 100 % — nein');
    expect(error.metadata.get('x-why')).toEqual(['because']);
    expect(error.metadata.get('x-why-bin')).toEqual([bytes]);
  });

  it.each([1, 3, 5, 7, 8, 9, 11, 12, 13, 14, 16])('carries the status %d as it is', async (code) => {
    using client = clientOf(way);
    serverOf(way).handlers.unary = (_call, callback) => callback({ code, details: `status ${code}` });
    const error = await client.failure();
    expect([error.code, error.details]).toEqual([code, `status ${code}`]);
  });

  it('carries a stream of requests', async () => {
    using client = clientOf(way);
    const messages = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(i));
    expect(await client.collect(messages)).toBe(`1000 ${(999 * 1000) / 2}`);
  });

  it('carries a stream of answers, in order', async () => {
    using client = clientOf(way);
    let next = 0;
    const end = await endOf(client.repeat('10000 100', { metadata: metadataOf({ 'x-echo-t': 'end' }) }), (message) => {
      if (message.length === 100 && message.readUInt32BE() === next) next++;
    });
    expect(end.code).toBe(status.OK);
    expect(next).toBe(10_000);
    expect(end.metadata.get('t')).toEqual(['end']);
  });

  it('carries an error in the middle of a stream, after what was sent before it', async () => {
    using client = clientOf(way);
    serverOf(way).handlers.repeat = (call) => {
      call.write(Buffer.from('one'));
      call.write(Buffer.from('two'));
      call.emit('error', { code: status.ABORTED, details: 'enough' });
    };
    const messages: string[] = [];
    const end = await endOf(client.repeat('x'), (message) => messages.push(message.toString()));
    expect([end.code, end.details]).toEqual([status.ABORTED, 'enough']);
    expect(messages).toEqual(['one', 'two']);
  });

  it('carries 10,000 messages there and back at once', async () => {
    using client = clientOf(way);
    const call = client.chat();
    let next = 0;
    const ended = endOf(call, (message) => {
      if (message.readUInt32BE() === next) next++;
    });
    for (let i = 0; i < 10_000; i++) {
      const message = Buffer.alloc(4 + (i % 200));
      message.writeUInt32BE(i);
      if (!call.write(message)) await new Promise<void>((go) => call.once('drain', go));
    }
    call.end();
    expect((await ended).code).toBe(status.OK);
    expect(next).toBe(10_000);
  });

  it('carries a conversation: each word waits for the answer to the one before', async () => {
    using client = clientOf(way);
    const call = client.chat();
    let heard: (message: Buffer) => void = () => undefined;
    const ended = endOf(call, (message) => heard(message));
    for (let i = 0; i < 100; i++) {
      const answer = new Promise<Buffer>((resolve) => {
        heard = resolve;
      });
      call.write(Buffer.from(`word ${i}`));
      expect((await within(2000, `answer ${i}`, answer)).toString()).toBe(`word ${i}`);
    }
    call.end();
    expect((await ended).code).toBe(status.OK);
  });

  it('carries large messages both ways at the same time', async () => {
    using client = clientOf(way);
    const call = client.chat();
    let bytes = 0;
    const ended = endOf(call, (message) => {
      bytes += message.length;
    });
    for (let i = 0; i < 8; i++) {
      if (!call.write(Buffer.alloc(4 * MB, i))) await new Promise<void>((go) => call.once('drain', go));
    }
    call.end();
    expect((await ended).code).toBe(status.OK);
    expect(bytes).toBe(32 * MB);
  });

  it('holds a server back whose client does not read', async () => {
    using client = clientOf(way);
    let written = 0;
    serverOf(way).handlers.repeat = (call) => {
      const more = (): void => {
        while (written < 96 * MB) {
          written += MB;
          if (!call.write(Buffer.alloc(MB))) {
            call.once('drain', more);
            return;
          }
        }
        call.end();
      };
      more();
    };
    const call = client.repeat('x');
    const ended = new Promise<StatusObject>((resolve) => call.on('status', resolve));
    call.on('error', () => undefined);
    let bytes = 0;
    call.once('data', (message: Buffer) => {
      bytes += message.length;
      call.pause();
    });
    await until(() => bytes > 0, 'the first message');
    let before = -1;
    await until(
      () => {
        const isStill = written === before;
        before = written;
        return isStill && new Promise<boolean>((go) => setTimeout(go, 300, true)).then(() => written === before);
      },
      'the server to stand still',
      10_000,
    );
    expect(written).toBeLessThan(48 * MB); // grpc-js itself grants its server 32 MiB;
    call.on('data', (message: Buffer) => {
      bytes += message.length;
    });
    call.resume();
    expect((await ended).code).toBe(status.OK);
    expect(bytes).toBe(96 * MB);
  });

  it('carries 200 calls at once over one channel', async () => {
    using client = clientOf(way);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => client.unary(`${i}`)));
    expect(answers.map(({ message }) => message.toString())).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`));
  });

  it('carries 200 streams at once over one channel', async () => {
    using client = clientOf(way);
    const counts = await Promise.all(
      Array.from({ length: 200 }, async () => {
        let count = 0;
        const end = await endOf(client.repeat('50 1000'), () => count++);
        return end.code === status.OK ? count : -1;
      }),
    );
    expect(counts.every((count) => count === 50)).toBe(true);
  });

  it('carries metadata up to the limit of a head, and says what is too much', async () => {
    using client = clientOf(way);
    const some = new Metadata();
    for (let i = 0; i < 60; i++) some.set(`x-field-${i}`, 'v'.repeat(300));
    const { metadata } = await client.unary('m', { metadata: some });
    expect(metadata.get('x-field-59')).toEqual(['v'.repeat(300)]);
    const tooMuch = new Metadata();
    tooMuch.set('x-large', 'v'.repeat(60_000));
    const error = await client.failure('m', { metadata: tooMuch });
    expect(error.code).not.toBe(status.OK);
    expect((await client.unary('after')).message.toString()).toBe('after');
  });

  it('answers keepalive pings, also between calls', async () => {
    const security = way.isSecure ? credentials.createSsl(certificate.cert) : credentials.createInsecure();
    using client = new EchoClient(fermat.ports[way.isSecure ? 'https' : 'http']!, security, {
      'grpc.default_authority': way.host,
      'grpc.ssl_target_name_override': way.host,
      'grpc.keepalive_time_ms': 50,
      'grpc.keepalive_timeout_ms': 500,
      'grpc.keepalive_permit_without_calls': 1,
    });
    const call = client.chat();
    const heard: string[] = [];
    const ended = endOf(call, (message) => heard.push(message.toString()));
    call.write(Buffer.from('before'));
    await until(() => heard.length === 1, 'the echo');
    await new Promise((go) => setTimeout(go, 1500)); // some thirty pings
    call.write(Buffer.from('after'));
    call.end();
    expect((await ended).code).toBe(status.OK);
    expect(heard).toEqual(['before', 'after']);
  });

  it('gives a call that nobody implements its UNIMPLEMENTED', async () => {
    using client = clientOf(way);
    const error: ServiceError = await client.failure('x', { path: '/test.Echo/Nothing' });
    expect(error.code).toBe(status.UNIMPLEMENTED);
    expect(error.details).toContain('does not implement');
  });
});
