// Around a gRPC call through the real process: services, proxies and channels that end with the test, calls made by hand over
// bare HTTP/2, and a balancer.

import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { type Config, type Fermat, simpleConfig, startFermat } from './fermat.ts';
import { EchoClient, type EchoServer, startEcho } from './grpc.ts';
import { within } from './until.ts';

export const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

export async function echo(): Promise<EchoServer> {
  const server = await startEcho();
  ends.push(() => server.stop());
  return server;
}

export const urlOf = ({ port }: { port: number }): string => `h2c://127.0.0.1:${port}`;

export async function proxy(config: Config): Promise<Fermat> {
  const fermat = await startFermat(config, { isUnready: true });
  ends.push(() => fermat.stop());
  return fermat;
}

export function clientTo(port: number): EchoClient {
  const client = new EchoClient(port);
  ends.push(() => client.raw.close());
  return client;
}

export async function rig(
  pool: Config = {},
  more: Config = {},
): Promise<{ server: EchoServer; fermat: Fermat; client: EchoClient }> {
  const server = await echo();
  const fermat = await proxy(simpleConfig([urlOf(server)], pool, more));
  return { server, fermat, client: clientTo(fermat.port) };
}

/** Requests and failures of every endpoint, by id. */
export async function counts(
  fermat: Fermat,
): Promise<Record<string, { requests: number; failures: number; state: string; why: string }>> {
  const rows =
    await fermat.json<{ id: string; requests: number; failures: number; state: string; why: string }[]>(
      '/api/v1/endpoints',
    );
  return Object.fromEntries(rows.map((row) => [row.id, row]));
}

export interface BareAnswer {
  readonly head: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** When its last byte came, since the call; ms. */
  readonly tookMs: number;
  /** The head ended the stream. */
  readonly isTrailersOnly: boolean;
}

/** A call by hand over HTTP/2, that is never cancelled. `body` null = the stream stays open. */
export function bareCall(
  session: ClientHttp2Session,
  fields: IncomingHttpHeaders,
  body: Buffer | null,
): Promise<BareAnswer> {
  const startMs = performance.now();
  const head = { ':method': 'POST', ':path': '/test.Echo/Unary', 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...head, ...fields }, { endStream: false });
  return within(
    5000,
    'the answer',
    new Promise((resolve, reject) => {
      const answer = { head: {}, trailers: {}, isTrailersOnly: false } as {
        -readonly [K in keyof BareAnswer]: BareAnswer[K];
      };
      const chunks: Buffer[] = [];
      stream.on('response', (got, flags) => {
        answer.head = got;
        answer.isTrailersOnly = (flags & 1) === 1;
      });
      stream.on('trailers', (got) => {
        answer.trailers = got;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => {
        resolve({ ...answer, body: Buffer.concat(chunks), tookMs: performance.now() - startMs });
        stream.close();
      });
      if (body !== null) stream.end(body);
    }),
  );
}

export function bareSession(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  ends.push(() => session.destroy());
  return session;
}

export const message = (text: string): Buffer => {
  const bytes = Buffer.alloc(5 + text.length);
  bytes.writeUInt32BE(text.length, 1);
  bytes.write(text, 5);
  return bytes;
};

/** Brings new connections to whoever is ready, as a balancer before two nodes does. */
export async function startBalancer(to: number): Promise<{ readonly port: number; to: number }> {
  const balancer = { port: 0, to };
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp(balancer.to, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroySoon());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  balancer.port = (server.address() as AddressInfo).port;
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return balancer;
}
