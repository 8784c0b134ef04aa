// What one edge signs is what the other reads: requests of every form reach the endpoint over a relay that believes signatures
// alone, and a copy of such a request is good nowhere.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Answer, get, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

const SECRET = 'a secret that all edges know';
/** Nobody listens on it. */
const NOWHERE = 'http://127.0.0.1:9';

let origin: Origin;
let relay: Fermat;
let edge: Fermat;

const probe = { type: 'tcp', interval: '300ms', timeout: '1s' };
const routes = [{ pool: 'main', overlay: 'failover' }];

beforeAll(async () => {
  origin = await startOrigin();
  const common = { address: '127.0.0.1:0', interval: '200ms', match: 'id', secret: SECRET };
  relay = await startFermat({
    node: { id: 'relay' },
    pools: { main: poolOf([origin.url], { probe }) },
    routes,
    overlay: { ...common, peers: [{ id: 'edge', url: NOWHERE }] },
  });
  edge = await startFermat(
    {
      node: { id: 'edge' },
      pools: { main: poolOf([NOWHERE], { probe }) },
      routes: [...routes, { ...routes[0], path: '/named/', stripPrefix: true, hostHeader: 'Named.Example:81' }],
      overlay: { ...common, peers: [{ id: 'relay', url: `http://127.0.0.1:${relay.ports.overlay}` }] },
    },
    { isUnready: true },
  );
  await until(() => edge.ports.http !== undefined, 'the edge to listen');
  await until(async () => (await ask(get('/ready'))).status === 200, 'the way over the relay', 20_000);
  origin.reset();
});

afterEach(() => origin.reset());

afterAll(async () => {
  await edge?.stop();
  await relay?.stop();
  await origin?.refuse();
});

async function ask(bytes: string, method = 'GET', port = edge.port): Promise<Answer> {
  using client = await rawClient(port);
  await client.send(bytes);
  return await client.answer(method);
}

describe('a signed request over another edge', () => {
  it.each([
    ['HTTP/1.0 without a Host', 'GET /a HTTP/1.0\r\n\r\n'],
    ['a Host in upper case with its port', 'GET /a HTTP/1.1\r\nHost: SHOP.Example:80\r\n\r\n'],
    ['an IPv6 Host', 'GET /a HTTP/1.1\r\nHost: [2001:DB8::1]:8080\r\n\r\n'],
    ['an absolute target', 'GET http://Other.Example/a?b=%7E HTTP/1.1\r\nHost: shop\r\n\r\n'],
    ['an absolute target without a path', 'GET http://other.example?x HTTP/1.1\r\nHost: shop\r\n\r\n'],
    ['a target that is no usual path', 'GET /a/./b//c/%2e%2e;x=1?y=/../z HTTP/1.1\r\nHost: shop\r\n\r\n'],
    ['a Host and a path that the route changes', 'GET /named/x HTTP/1.1\r\nHost: shop\r\n\r\n'],
  ])('is believed with %s', async (_, bytes) => {
    const answer = await ask(bytes);
    expect([answer.status, answer.status === 200 ? '' : answer.body.toString()]).toEqual([200, '']);
    expect(origin.requests).toHaveLength(1);
  });

  it('is believed as OPTIONS *, and with a method that nobody knows', async () => {
    expect((await ask('OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n', 'OPTIONS')).status).toBe(200);
    expect((await ask('BREW /pot HTTP/1.1\r\nHost: shop\r\n\r\n', 'BREW')).status).toBe(200);
    expect(origin.requests.map(({ start }) => start)).toEqual(['OPTIONS * HTTP/1.1', 'BREW /pot HTTP/1.1']);
  });
});
