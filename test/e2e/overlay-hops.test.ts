// What passes between two edges: requests of every kind reach the endpoint as if they had come straight, and nobody but a peer
// is believed. The edge has no direct path to the endpoint, so that all it is asked goes over the relay.

import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hopKeyOf } from '../../src/control/overlay/compile.ts';
import {
  answerText,
  datedText,
  hopText,
  QUESTION_PATH,
  SKEW_MS,
  signedText,
  signedValue,
} from '../../src/core/overlay/hop.ts';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { EchoClient, type EchoServer, startEcho } from '../support/grpc.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Issued, Pki, tlsClient } from '../support/pki.ts';
import { type Answer, get, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

const SECRET = 'a secret that all edges know';
/** To which they are about to change. */
const NEXT_SECRET = 'another one, for the next year';
/** Nobody listens on it. */
const NOWHERE = 'http://127.0.0.1:9';
const KEY = hopKeyOf('main', 'e0', '', 'id');

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n';

const pki = new Pki();
let origin: Origin;
let service: EchoServer;
let ca: Issued;
let edgeIdentity: Issued;
let relay: Fermat;
let edge: Fermat;

/** Probed again and again: one probe that this machine was too busy for tells no times. */
const probe = { type: 'tcp', interval: '300ms', timeout: '1s' };
const poolsAt = (url: string, rpc: string): Config => ({
  main: poolOf([url], { probe, outlier: {} }),
  rpc: poolOf([rpc], { probe, outlier: {} }, 'rpc'),
});
const routes = [
  { pool: 'main', overlay: 'failover', serverTiming: true },
  { pool: 'rpc', path: '/test.Echo/', overlay: 'failover' },
];

beforeAll(async () => {
  origin = await startOrigin();
  service = await startEcho();
  const rpc = `h2c://127.0.0.1:${service.port}`;
  ca = pki.issue('fleet');
  const relayIdentity = pki.issue('relay', { san: 'DNS:relay', by: ca });
  edgeIdentity = pki.issue('edge', { san: 'DNS:edge', by: ca });
  const tlsOf = ({ cert, key }: Issued) => ({ ca: ca.cert, cert, key });
  const common = { address: '127.0.0.1:0', interval: '200ms', match: 'id' };
  relay = await startFermat({
    node: { id: 'relay' },
    limits: { body: '1KiB', head: '8KiB' },
    pools: poolsAt(origin.url, rpc),
    routes,
    overlay: { ...common, tls: tlsOf(relayIdentity), peers: [{ id: 'edge', url: 'https://127.0.0.1:9' }] },
  });
  edge = await startFermat(
    {
      node: { id: 'edge' },
      pools: poolsAt(NOWHERE, NOWHERE.replace('http', 'h2c')),
      routes,
      overlay: {
        ...common,
        tls: tlsOf(edgeIdentity),
        peers: [{ id: 'relay', url: `https://127.0.0.1:${relay.ports.overlay}` }],
      },
    },
    { isUnready: true },
  );
  await until(() => edge.ports.http !== undefined, 'the edge to listen');
  await until(async () => (await ask(get('/ready'))).status === 200, 'the way over the relay', 20_000);
  origin.reset();
});

afterEach(() => {
  const faults = [...origin.faults];
  origin.reset();
  expect(faults).toEqual([]);
  for (const node of [relay, edge]) expect(node.events.filter(({ level }) => level === 'error')).toEqual([]);
});

afterAll(async () => {
  await edge?.stop();
  await relay?.stop();
  await origin?.refuse();
  await service?.stop();
  pki[Symbol.dispose]();
});

async function ask(bytes: string, method = 'GET', port = edge.port): Promise<Answer> {
  using client = await rawClient(port);
  await client.send(bytes);
  return await client.answer(method);
}

describe('a request over another edge', () => {
  it('reaches the endpoint with its body, and the answer says which way it took', async () => {
    const answer = await ask('POST /cart?x=1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello', 'POST');
    expect(answer.status).toBe(200);
    expect(answer.field('x-fermat-endpoint')).toBe('e0 via relay');
    expect(answer.field('x-fermat-relay')).toBeNull();
    const { request } = origin;
    expect([request.start, request.field('host'), request.body.toString()]).toEqual([
      'POST /cart?x=1 HTTP/1.1',
      'shop.example',
      'hello',
    ]);
  });

  it('says who the client is as the edge saw it, and nothing of the hop', async () => {
    const spoofed = 'X-Forwarded-For: 9.9.9.9\r\nX-Fermat-Hop: v=1; n=1; from=edge; key=x\r\nX_Fermat_Hop: y\r\n';
    await ask(get('/', spoofed));
    const { request } = origin;
    expect(request.field('x-forwarded-for')).toBe('127.0.0.1, 127.0.0.1');
    expect(request.field('x-forwarded-port')).toBe(String(edge.port));
    expect(request.field('x-forwarded-proto')).toBe('http');
    expect(request.field('x-forwarded-client-cert')).toBeNull();
    expect(request.all('x-request-id')).toHaveLength(1);
    expect(request.all('cdn-loop')).toHaveLength(2);
    expect(request.head.toLowerCase()).not.toMatch(/fermat.hop/);
  });

  it('carries trailers and bodies of unknown length both ways', async () => {
    origin.script = async (request) => {
      await request.whole();
      const body = '4\r\nback\r\n0\r\nX-Sum: 7\r\n\r\n';
      request.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`);
    };
    const chunks = '5\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n';
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n';
    const answer = await ask(`${head}\r\n${chunks}`, 'POST');
    expect([answer.body.toString(), answer.trailers]).toEqual(['back', [['X-Sum', '7']]]);
    expect([origin.request.body.toString(), origin.request.trailers]).toEqual(['hello', [['X-Check', '1']]]);
  });

  it('may become a WebSocket', async () => {
    origin.script = (request) => {
      request.tunnel((bytes) => void request.send(bytes));
      request.send(SWITCHED);
    };
    using client = await rawClient(edge.port);
    await client.send(UPGRADE);
    expect((await client.interim()).start).toMatch(/^HTTP\/1.1 101 /);
    await client.send('to the far end and back');
    await until(() => client.pending.toString('latin1') === 'to the far end and back', 'the echo');
  });

  it('may be a gRPC call, with its trailers', async () => {
    using client = new EchoClient(edge.port);
    const { message, status } = await client.unary('hello', { deadlineMs: 10_000 });
    expect([message.toString(), status.code]).toEqual(['hello', 0]);
    await until(() => edge.metric('fermat_overlay_requests_total', 'pool="rpc"', 'result="ok"'), 'it to be counted');
  });

  it.each([
    ['a body', `Content-Length: 2000\r\n\r\n${'x'.repeat(2000)}`],
    ['a head', `Content-Length: 0\r\nCookie: ${'x'.repeat(7900)}\r\n\r\n`],
  ])('with %s that is too large for the relay alone is nobody’s fault', async (_, rest) => {
    // So many of them would be the end of a way that fails.
    for (let i = 0; i < 6; i++) {
      const answer = await ask(`POST / HTTP/1.1\r\nHost: a\r\n${rest}`, 'POST');
      expect([answer.status, answer.field('proxy-status')]).toEqual([502, 'fermat; error=destination_unavailable']);
    }
    expect(origin.requests).toHaveLength(0);
    expect((await ask(get('/'))).status).toBe(200);
  });

  it('waits for the endpoint’s 100 where its client does', async () => {
    origin.script = async (request) => {
      request.send('HTTP/1.1 100 Continue\r\n\r\n');
      await request.whole();
      request.answer(200, 'ok');
    };
    using client = await rawClient(edge.port);
    await client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    expect((await client.interim()).start).toMatch(/^HTTP\/1.1 100 /);
    await client.send('hello');
    expect((await client.answer('POST')).status).toBe(200);
    expect(origin.request.body.toString()).toBe('hello');
  });

  it('is the answer of the endpoint, whatever its status and whatever it pretends', async () => {
    origin.script = (request) => request.answer(503, 'mine', 'X-Fermat-Relay: unsent\r\n');
    const answer = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', 'POST');
    expect([answer.status, answer.body.toString(), answer.field('x-fermat-relay')]).toEqual([503, 'mine', null]);
    expect(origin.requests).toHaveLength(1);
  });
});

describe('the address that is for other edges', () => {
  const hop = (key = KEY, from = 'edge'): string => `X-Fermat-Hop: ${hopText(from, key, 'main', 'e0')}\r\n`;
  const as = ({ certPem, keyPem }: Issued) => ({ cert: certPem, key: keyPem });

  async function knock(identity: Issued, fields: string): Promise<Answer> {
    using client = await tlsClient(relay.ports.overlay!, as(identity));
    await client.send(get('/', fields));
    return await client.answer();
  }

  it('sends a peer’s request on to exactly the endpoint that it names', async () => {
    expect((await knock(edgeIdentity, hop())).status).toBe(200);
    expect(origin.requests).toHaveLength(1);
  });

  it('lets nobody in without a certificate of the fleet', async () => {
    const stranger = pki.issue('edge-too', { san: 'DNS:edge' });
    await expect(
      tlsClient(relay.ports.overlay!, as(stranger)).then(async (client) => {
        await client.send(get('/', hop()));
        return await client.answer();
      }),
    ).rejects.toThrow();
    expect(origin.requests).toHaveLength(0);
  });

  interface Stranger {
    readonly who: string;
    readonly identity: () => Issued;
    readonly fields: () => string;
  }
  const sidecar = (): Issued => pki.issue('sidecar', { san: 'DNS:sidecar', by: ca });
  const self = (): Issued => edgeIdentity;
  const strangers: readonly Stranger[] = [
    { who: 'a name that is no peer’s', identity: sidecar, fields: () => hop(KEY, 'sidecar') },
    { who: 'another’s name', identity: sidecar, fields: () => hop() },
    { who: 'no hop', identity: self, fields: () => '' },
    { who: 'two hops', identity: self, fields: () => hop() + hop() },
    { who: 'a second hop', identity: self, fields: () => hop().replace('n=1', 'n=2') },
  ];

  it.each(strangers)('answers 403 to $who', async ({ identity, fields }) => {
    const answer = await knock(identity(), fields());
    expect([answer.status, answer.field('proxy-status')]).toEqual([403, 'fermat; error=http_request_denied']);
    // An edge that is not believed (its clock, its secret) serves its client another way.
    expect(answer.field('x-fermat-relay')).toBe('unsent');
    expect(origin.requests).toHaveLength(0);
  });

  it('says that a request has gone nowhere when it names what is not served here', async () => {
    const answer = await knock(edgeIdentity, hop('other'));
    expect([answer.status, answer.field('x-fermat-relay')]).toEqual([503, 'unsent']);
    expect(origin.requests).toHaveLength(0);
  });

  it('refuses what has passed here before', async () => {
    await knock(edgeIdentity, hop());
    const [own] = origin.request.all('cdn-loop').slice(-1);
    const answer = await knock(edgeIdentity, `${hop()}CDN-Loop: ${own}\r\n`);
    expect([answer.status, answer.field('proxy-status')]).toEqual([508, 'fermat; error=proxy_loop_detected']);
    expect(origin.requests).toHaveLength(1);
  });
});

describe('an edge whose requests are signed', () => {
  let signed: Fermat;

  beforeAll(async () => {
    signed = await startFermat({
      node: { id: 'signed' },
      pools: { main: poolOf([origin.url], { probe }) },
      routes: [{ pool: 'main', overlay: 'fastest' }],
      overlay: {
        address: '127.0.0.1:0',
        secret: NEXT_SECRET,
        otherSecret: SECRET,
        match: 'id',
        peers: [{ id: 'edge', url: NOWHERE }],
      },
    });
  });
  afterAll(() => signed?.stop());

  function hop(target: string, atMs = Date.now(), secret = SECRET, to = 'signed'): string {
    const dated = datedText(hopText('edge', KEY, 'main', 'e0'), atMs, `n${Math.random()}`);
    const mac = createHmac('sha256', secret)
      .update(signedText(to, 'GET', 'test', target, dated))
      .digest('base64url');
    return `X-Fermat-Hop: ${signedValue(dated, mac)}\r\n`;
  }
  const knock = (target: string, fields: string): Promise<Answer> =>
    ask(`GET ${target} HTTP/1.1\r\nHost: test\r\n${fields}\r\n`, 'GET', signed.ports.overlay);

  it('believes a signature once', async () => {
    const fields = hop('/a');
    expect((await knock('/a', fields)).status).toBe(200);
    const again = await knock('/a', fields);
    expect([again.status, again.body.toString()]).toEqual([403, expect.stringContaining('seen before')]);
    expect(origin.requests).toHaveLength(1);
  });

  it('believes the secret that edges change to, and answers a question with the one that it was asked with', async () => {
    expect((await knock('/a', hop('/a', Date.now(), NEXT_SECRET))).status).toBe(200);
    for (const secret of [SECRET, NEXT_SECRET]) {
      let sealed = '';
      const question = async (): Promise<Answer> => {
        const dated = datedText(hopText('edge', 'question', '', ''), Date.now(), `q${Math.random()}`);
        const text = signedText('signed', 'GET', 'test', QUESTION_PATH, dated);
        const mac = createHmac('sha256', secret).update(text).digest('base64url');
        const answer = await knock(QUESTION_PATH, `X-Fermat-Hop: ${signedValue(dated, mac)}\r\n`);
        const { body } = answer;
        sealed = createHmac('sha256', secret).update(answerText(mac, body.toString())).digest('base64url');
        return answer;
      };
      let answer: Answer | null = null;
      await until(async () => {
        answer = await question();
        return answer.status === 200;
      }, 'something to be measured');
      expect(answer!.field('x-fermat-seal')).toBe(sealed);
    }
  });

  it.each([
    ['another target', () => knock('/b', hop('/a')), 'bad signature'],
    ['another secret', () => knock('/a', hop('/a', Date.now(), 'not the secret of the fleet')), 'bad signature'],
    [
      'a copy of what another edge was sent',
      () => knock('/a', hop('/a', Date.now(), SECRET, 'other')),
      'bad signature',
    ],
    ['no signature', () => knock('/a', `X-Fermat-Hop: ${hopText('edge', KEY, 'main', 'e0')}\r\n`), 'bad signature'],
    ['a signature of a while ago', () => knock('/a', hop('/a', Date.now() - SKEW_MS - 2000)), 'late'],
    ['a signature of tomorrow', () => knock('/a', hop('/a', Date.now() + SKEW_MS + 2000)), 'late'],
  ] as const)('does not believe %s', async (_, send, why) => {
    const answer = await send();
    expect([answer.status, answer.body.toString()]).toEqual([403, expect.stringContaining(why)]);
    expect(origin.requests).toHaveLength(0);
  });

  it('answers what it measured only to whoever can sign the question', async () => {
    expect((await knock('/.fermat/overlay', '')).status).toBe(403);
  });

  // Last, since the endpoint is gone from then on.
  it('says that a request has gone nowhere when its endpoint is not there, whatever the method', async () => {
    await origin.refuse();
    const dated = hop('/a').trim();
    const answer = await ask(`GET /a HTTP/1.1\r\nHost: test\r\n${dated}\r\n\r\n`, 'GET', signed.ports.overlay);
    expect([answer.status, answer.field('x-fermat-relay')]).toEqual([502, 'unsent']);
    const post = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', 'POST');
    expect(post.field('proxy-status')).toBe('fermat; error=destination_unavailable');
    await until(() => edge.metric('fermat_overlay_requests_total', 'result="failed"'), 'it to be counted');
  });
});
