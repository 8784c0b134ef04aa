// The process of clients that go away in the midst of things, one after another, many at a time, over HTTP/1.1, TLS and HTTP/2.

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PREFACE_AND_SETTINGS, requestFrame } from './h2-bytes.ts';

export interface AborterPlan {
  readonly http: number;
  readonly https: number;
  /** Requests to be aborted. */
  readonly count: number;
}

/** What the aborted requests ask for; the origin in aborts.ts knows the paths. */
export const PATHS = {
  silent: '/silent',
  half: '/half',
  large: '/large',
  queued: '/queued',
  tunnel: '/tunnel',
} as const;

const AT_ONCE = 40;
/** Without an answer to wait for: long enough for its end not to be taken for a half-close. */
const SILENCE_MS = 5;
const PATIENCE_MS = 3000;
const H2_REQUESTS = 10;

interface Kind {
  readonly bytes: string | Buffer;
  readonly requests: number;
  /** Waits for the first bytes of an answer. */
  readonly waits: boolean;
  readonly isTls?: boolean;
}

const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nHost: example.com\r\n${fields}\r\n`;
const post = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(3000)}`;
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const h2 = (path: string) =>
  Buffer.concat([
    PREFACE_AND_SETTINGS,
    ...Array.from({ length: H2_REQUESTS }, (_, i) => requestFrame(1 + 2 * i, path)),
  ]);

const KINDS: readonly Kind[] = [
  { bytes: get(PATHS.silent), requests: 1, waits: false },
  { bytes: get(PATHS.half), requests: 1, waits: true },
  { bytes: get(PATHS.large), requests: 1, waits: true },
  { bytes: get(PATHS.queued), requests: 1, waits: false },
  { bytes: get(PATHS.tunnel, UPGRADE), requests: 1, waits: true },
  { bytes: post(PATHS.silent), requests: 1, waits: false },
  { bytes: 'GET / HTTP/1.1\r\nHost: exam', requests: 1, waits: false },
  { bytes: get(PATHS.silent) + get('/') + get('/'), requests: 3, waits: false },
  { bytes: h2(PATHS.silent), requests: H2_REQUESTS, waits: true },
  { bytes: h2(PATHS.large), requests: H2_REQUESTS, waits: true },
  { bytes: get(PATHS.large), requests: 1, waits: true, isTls: true },
  { bytes: get(PATHS.silent), requests: 1, waits: false, isTls: true },
];

process.on('disconnect', () => process.exit(0));
process.on('message', (message: { id: number; plan: AborterPlan }) => {
  void run(message.plan).then((answer) => process.send?.({ id: message.id, answer }));
});

/** The requests that were aborted. */
async function run(plan: AborterPlan): Promise<number> {
  let done = 0;
  let n = 0;
  const work = async () => {
    while (done < plan.count) {
      const kind = KINDS[n++ % KINDS.length]!;
      done += kind.requests;
      await abortOne(plan, kind, n % 2 === 0);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return done;
}

async function abortOne(plan: AborterPlan, { bytes, waits, isTls }: Kind, isReset: boolean): Promise<void> {
  const port = isTls === true ? plan.https : plan.http;
  const raw = connect({ port, host: '127.0.0.1', noDelay: true });
  raw.on('error', () => {});
  let socket: Socket = raw;
  if (isTls === true) {
    socket = connectTls({ socket: raw, rejectUnauthorized: false, servername: 'example.com' });
    socket.on('error', () => {});
  }
  await once(socket, isTls === true ? 'secureConnect' : 'connect');
  socket.write(bytes);
  if (waits) await once(socket, 'data');
  else await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
  if (isReset && isTls !== true) raw.resetAndDestroy();
  else socket.destroy();
}

/** Resolves with the event, with the end of the socket, or when it is not to be waited for any more. */
async function once(socket: Socket, event: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE_MS);
  socket.once(event, resolve).once('close', resolve);
  await promise;
  clearTimeout(timer);
}
