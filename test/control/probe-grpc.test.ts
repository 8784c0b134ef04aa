import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createH2, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { probeVerb } from '../../src/cli/probe.ts';
import { healthCheck, healthStatusOf } from '../../src/control/probe/grpc.ts';
import { type Certificate, makeCertificate } from '../support/certificate.ts';
import { type EchoServer, startEcho } from '../support/grpc.ts';
import { type ProbingOptions, probe } from '../support/probing.ts';

let directory: string;
let certificate: Certificate;
let echo: EchoServer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fermat-probe-grpc-'));
  certificate = makeCertificate(directory);
  echo = await startEcho();
});
afterAll(() => {
  echo.stop();
  rmSync(directory, { recursive: true, force: true });
});
const ends: (() => void)[] = [];
afterEach(() => {
  echo.reset();
  for (const end of ends.splice(0)) end();
});

const checked = async (port: number, options: ProbingOptions = {}) =>
  (await probe(port, { ...options, spec: { type: 'grpc', ...options.spec } }))[0]!;

/** The service's answer to a question about itself. */
const says = (...message: number[]): void => {
  echo.handlers.health = (_call, callback) => callback(null, Buffer.from(message));
};
const fails = (code: status, details: string): void => {
  echo.handlers.health = (_call, callback) => callback({ code, details });
};

/** Bare HTTP/2, for what no gRPC server would say. */
async function bare(handler: (stream: ServerHttp2Stream) => void): Promise<number> {
  const server = createH2();
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    handler(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe('a probe of type grpc', () => {
  test('is content with SERVING, over one warm connection', async () => {
    const results = await probe(echo.port, { count: 3, spec: { type: 'grpc' } });
    expect(results.map((result) => [result.ok, result.warm, result.status, result.error])).toEqual([
      [true, false, 200, null],
      [true, true, 200, null],
      [true, true, 200, null],
    ]);
    for (const result of results) expect(result.firstByteMs).toBeGreaterThan(0);
  });

  test('asks about the service that is configured, within the time of the probe', async () => {
    const asked: { body: Buffer; deadlineMs: number; host: string }[] = [];
    echo.handlers.health = (call, callback) => {
      const deadlineMs = Number(call.getDeadline()) - Date.now();
      asked.push({ body: call.request, deadlineMs, host: call.getHost() });
      callback(null, Buffer.from([8, 1]));
    };
    const spec = { service: 'shop.v1.Cart', timeoutMs: 1500, host: 'shop.example.com' };
    expect(await checked(echo.port, { spec })).toMatchObject({ ok: true });
    expect(await checked(echo.port)).toMatchObject({ ok: true });
    expect(asked.map(({ body }) => body.toString('latin1'))).toEqual(['\x0a\x0cshop.v1.Cart', '']);
    expect(asked[0]!.host).toBe('shop.example.com');
    expect(asked[0]!.deadlineMs).toBeGreaterThan(1000);
    expect(asked[0]!.deadlineMs).toBeLessThanOrEqual(1500);
  });

  test('works over TLS', async () => {
    const pair = { cert_chain: certificate.cert, private_key: certificate.key };
    const secured = await startEcho(ServerCredentials.createSsl(null, [pair]));
    ends.push(() => secured.stop());
    const options = { scheme: 'h2', tls: { ca: certificate.cert.toString() } } as const;
    expect(await checked(secured.port, options)).toMatchObject({ ok: true, tlsMs: expect.any(Number) });
    expect(await checked(secured.port, { scheme: 'h2' })).toMatchObject({ ok: false, failure: 'tls' });
  });
});

describe('a probe of type grpc that fails says how:', () => {
  test.each([
    ['NOT_SERVING', () => says(8, 2), 'health NOT_SERVING of a.B, expected SERVING'],
    ['UNKNOWN, which is the default and takes no byte', () => says(), 'health UNKNOWN of a.B, expected SERVING'],
    ['SERVICE_UNKNOWN', () => says(8, 3), 'health SERVICE_UNKNOWN of a.B, expected SERVING'],
    [
      'no health service',
      () => fails(status.UNIMPLEMENTED, 'The server does not implement the method'),
      'it has no grpc.health.v1.Health (UNIMPLEMENTED)',
    ],
    ['another service', () => fails(status.NOT_FOUND, ''), 'it does not know the service "a.B" (NOT_FOUND)'],
    [
      'an error of its own',
      () => fails(status.INTERNAL, 'größer als erlaubt'),
      'grpc-status INTERNAL: größer als erlaubt, expected OK',
    ],
    ['an error without words', () => fails(status.UNAVAILABLE, ''), 'grpc-status UNAVAILABLE, expected OK'],
  ])('%s', async (_what, arrange, error) => {
    arrange();
    const result = await checked(echo.port, { spec: { service: 'a.B' } });
    expect(result).toMatchObject({ ok: false, failure: 'status', status: 200, error });
  });

  test('silence', async () => {
    echo.handlers.health = () => undefined;
    const result = await checked(echo.port, { spec: { timeoutMs: 120 } });
    // The server ends the call at the deadline it was told, if it is quicker than ours.
    expect(result.ok).toBe(false);
    expect(result.error).toMatch(/^no answer in 120ms$|DEADLINE_EXCEEDED/);
  });

  const grpc = { ':status': 200, 'content-type': 'application/grpc' };
  test.each<[string, (stream: ServerHttp2Stream) => void, string]>([
    [
      'a web server',
      (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' });
        stream.end('hello');
      },
      'it does not speak gRPC (content-type "text/html")',
    ],
    [
      'a web server without that page',
      (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
      'status 404, expected 200',
    ],
    ['no status', (stream) => stream.respond(grpc, { endStream: true }), 'bad gRPC: no grpc-status'],
    [
      'no message',
      (stream) => stream.respond({ ...grpc, 'grpc-status': '0' }, { endStream: true }),
      'bad gRPC: not a health answer',
    ],
    [
      'an endless message',
      (stream) => {
        stream.respond(grpc);
        stream.write(Buffer.alloc(100_000));
      },
      'bad gRPC: more than a health answer',
    ],
  ])('%s', async (_what, handler, error) => {
    const result = await checked(await bare(handler));
    expect(result).toMatchObject({ ok: false, error });
  });
});

test('the request is one string, and the answer one number', () => {
  expect(healthCheck('').toString('hex')).toBe('0000000000');
  expect(healthCheck('a.B').toString('hex')).toBe('00000000050a03612e42');
  expect(healthStatusOf(Buffer.from('00000000020801', 'hex'))).toBe('SERVING');
  expect(healthStatusOf(Buffer.from('0000000000', 'hex'))).toBe('UNKNOWN');
  for (const bad of ['', '0000', '01000000020801', '00000000030801', '00000000020809', '00000000021001']) {
    expect(healthStatusOf(Buffer.from(bad, 'hex')), bad).toBeNull();
  }
});

describe('fermat probe --grpc', () => {
  const said = async (urls: readonly string[], grpc: string) => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await probeVerb(urls, { grpc, json: true, print: (l) => out.push(l), complain: (l) => err.push(l) });
    return { code, out: out.join(), err: err.join() };
  };

  test('asks the health service', async () => {
    expect(await said([`h2c://127.0.0.1:${echo.port}`], '')).toMatchObject({ code: 0 });
    says(8, 2);
    const { code, out } = await said([`h2c://127.0.0.1:${echo.port}`], 'a.B');
    expect(code).toBe(1);
    expect(JSON.parse(out)[0]).toMatchObject({ ok: false, verdict: 'health NOT_SERVING of a.B, expected SERVING' });
  });

  test('is bad usage of an address that is not HTTP/2', async () => {
    expect(await said(['http://127.0.0.1:1'], '')).toMatchObject({
      code: 2,
      err: 'probe: expected h2:// or h2c:// for gRPC, got "http://127.0.0.1:1"',
    });
  });
});
