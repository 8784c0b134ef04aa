// Which fields reach the endpoint, by who the client is.

import { describe, expect, it } from 'vitest';
import { newLane } from '../../src/core/lane.ts';
import { LaneWriter } from '../../src/core/lane-writer.ts';
import type { RouteSpec } from '../../src/core/snapshot.ts';
import type { RouteRuntime } from '../../src/data/generation.ts';
import {
  dropNamed,
  joined,
  maxForwardsOf,
  newRequestId,
  peerLines,
  planRequest,
  planResponse,
  RequestPlan,
} from '../../src/data/headers.ts';
import { Plane } from '../../src/data/plane.ts';
import type { Peer } from '../../src/data/sides.ts';
import { copyKept, FIELD } from '../../src/wire/fields.ts';
import type { RequestHead } from '../../src/wire/request.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';
import { parseRequest, parseResponse } from '../wire/support.ts';

const PEER: Peer = {
  address: '192.0.2.7',
  port: 50_000,
  isTrusted: false,
  listener: 'http',
  localAddress: '192.0.2.1',
  localPort: 8080,
  tls: null,
};
const TRUSTED: Peer = { ...PEER, isTrusted: true };
const LOOP = 'CDN-Loop: fermat; n=abc\r\n';

const ROUTE: RouteSpec = {
  uid: 0,
  name: 'all',
  host: null,
  path: '/',
  exact: false,
  listener: null,
  pool: 0,
  row: 0,
  mode: 'forward',
  residency: [],
  respond: null,
  stripPrefix: false,
  hostHeader: { kind: 'preserve' },
  requestHeaders: { set: [], remove: [] },
  responseHeaders: { set: [], remove: [] },
  serverTiming: false,
  priority: 'normal',
  compress: [],
  rateLimits: [],
  locality: null,
};

function routeOf(more: Partial<RouteSpec> = {}): RouteRuntime {
  const snapshot = {
    ...snapshotOf([endpointSpec(0, { id: 'a' })], [poolSpec('p', [0], 0)]),
    routes: [{ ...ROUTE, ...more }],
  };
  const plane = new Plane({
    lane: 0,
    writer: new LaneWriter(newLane()),
    clock: () => 0,
    random: () => 0,
    loopId: 'abc',
    snapshot,
    wrapRouter: (router) => router,
    onQuiet: () => {},
  });
  plane.destroy();
  return plane.generation.routes[0]!;
}

function blanked(lines: string): string {
  return lines.replace(/[0-9a-f]{16}-[0-9a-z]+/g, 'ID');
}

/** The lines of ours, first and again, on a connection that has asked for other things before. */
function planned(head: RequestHead, peer: Peer, route: RouteRuntime): string[] {
  const plan = new RequestPlan(peer, LOOP);
  plan.linesFor(parseRequest('GET / HTTP/1.1\r\nHost: other.example\r\n\r\n').head, route);
  plan.linesFor(parseRequest('GET / HTTP/1.0\r\n\r\n').head, routeOf());
  return [plan.linesFor(head, route), plan.linesFor(head, route)];
}

/** The field lines that an endpoint gets, lower-case names, ids blanked. */
function sent(lines: string, peer: Peer = PEER, route = routeOf(), start = 'GET /p HTTP/1.1'): string[] {
  const { head, status } = parseRequest(`${start}\r\n${lines}\r\n`);
  expect(status).toBe(0);
  const extra = planRequest(head, peer, peerLines(peer), LOOP, route);
  expect(planned(head, peer, route).map(blanked)).toEqual([extra, extra].map(blanked));
  return `${copyKept(head)}${extra}`
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase()).replace(/[0-9a-f]{16}-[0-9a-z]+$/, 'ID'));
}

const OURS = [
  'x-forwarded-for: 192.0.2.7',
  'x-forwarded-proto: http',
  'x-forwarded-port: 8080',
  'x-forwarded-host: a.example:81',
  'x-request-id: ID',
  'via: 1.1 fermat',
  'cdn-loop: fermat; n=abc',
];
const HOST = 'Host: a.example:81\r\n';

describe('a stranger', () => {
  it('gets the lines about itself, and the rest as it sent it', () => {
    expect(sent(`${HOST}Accept: */*\r\nTraceParent: 00-1\r\n`)).toEqual([
      'host: a.example:81',
      'accept: */*',
      'traceparent: 00-1',
      ...OURS,
    ]);
  });

  it('over a UNIX socket has no address and no port', () => {
    const socket = { ...PEER, address: '', port: 0, localAddress: '', localPort: 0 };
    const told = OURS.filter((line) => !/^x-forwarded-(for|port)/.test(line));
    expect(sent(HOST, socket)).toEqual(['host: a.example:81', ...told]);
    expect(sent(HOST, { ...socket, isTrusted: true })).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/: *$/)]),
    );
  });

  it.each([
    'X-Forwarded-For',
    'x-forwarded-for',
    'X_Forwarded_For',
    'X.Forwarded.For',
    'x_forwarded-FOR',
    'X-Forwarded_Proto',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X_Forwarded_Anything',
    'Forwarded',
    'FORWARDED',
    'X-Real-IP',
    'X_Real_IP',
    'X.Real.IP',
    'X-Request-Id',
    'X_Request_Id',
  ])('cannot say %s', (name) => {
    expect(sent(`${HOST}${name}: 10.9.8.7\r\n${name}: evil\r\n`)).toEqual(['host: a.example:81', ...OURS]);
  });

  it.each([
    'X-Forwarded',
    'X-Forward-For',
    'Forwarded-X',
    'X-Real-IPs',
    'Fowarded',
    'X',
    'X-Request-Ids',
    'From',
  ])('may say %s, which nobody takes for its address', (name) => {
    expect(sent(`${HOST}${name}: 1\r\n`)).toEqual(['host: a.example:81', `${name.toLowerCase()}: 1`, ...OURS]);
  });

  it('cannot nominate away what is ours by Connection', () => {
    expect(sent(`${HOST}Connection: X-Forwarded-For, via, x-foo\r\nX-Foo: 1\r\n`)).toEqual(
      expect.arrayContaining(OURS),
    );
    expect(sent(`${HOST}Connection: x-foo\r\nX-Foo: 1\r\n`).join()).not.toContain('x-foo');
  });
});

describe('a trusted proxy', () => {
  it('is believed, and its own address is appended to the addresses before it', () => {
    const lines =
      'X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop\r\nX-Forwarded-Port: 443\r\nX-Request-Id: theirs\r\n';
    expect(sent(`${HOST}${lines}`, TRUSTED)).toEqual([
      'host: a.example:81',
      'x-forwarded-proto: https',
      'x-forwarded-host: shop',
      'x-forwarded-port: 443',
      'x-request-id: theirs',
      'x-forwarded-for: 203.0.113.9, 198.51.100.1, 10.0.0.1, 192.0.2.7',
      'via: 1.1 fermat',
      'cdn-loop: fermat; n=abc',
    ]);
  });

  it('gets what it did not say', () => {
    expect(
      sent(HOST, {
        ...TRUSTED,
        tls: { names: [], clientCert: '', clientNames: [], coveredHost: '', version: null, sni: null },
      }).sort(),
    ).toEqual(['host: a.example:81', ...OURS.map((line) => line.replace('proto: http', 'proto: https'))].sort());
  });
});

describe('Via', () => {
  it('tells the version the request came with, after those before it', () => {
    const lines = sent(`${HOST}Via: 1.1 other\r\n`, PEER, routeOf(), 'GET / HTTP/1.0');
    expect(lines.filter((line) => line.startsWith('via'))).toEqual(['via: 1.1 other', 'via: 1.0 fermat']);
  });
});

describe('Max-Forwards', () => {
  const left = (start: string, value: string): string[] =>
    sent(`${HOST}Max-Forwards: ${value}\r\n`, PEER, routeOf(), start).filter((line) => line.startsWith('max-f'));

  it.each(['OPTIONS', 'TRACE'])('is counted down for %s', (method) => {
    expect(left(`${method} / HTTP/1.1`, '7')).toEqual(['max-forwards: 6']);
    expect(left(`${method} / HTTP/1.1`, '1')).toEqual(['max-forwards: 0']);
  });

  it('is left as it is for other methods, and when it is no number', () => {
    expect(left('GET / HTTP/1.1', '7')).toEqual(['max-forwards: 7']);
    expect(left('OPTIONS / HTTP/1.1', 'many')).toEqual(['max-forwards: many']);
  });

  it.each([
    ['0', 0],
    ['10', 10],
    ['999999999', 999_999_999],
    ['9999999999', -1],
    ['-1', -1],
    ['+1', -1],
    ['1.5', -1],
    ['1, 2', -1],
    ['', -1],
  ])('of %j is %i', (value, expected) => expect(maxForwardsOf(value)).toBe(expected));
});

describe('edits of a route', () => {
  it('replace and remove after everything else, and may change what we set', () => {
    const route = routeOf({
      requestHeaders: {
        set: [
          ['X-Env', 'grün'],
          ['Accept', 'x/y'],
        ],
        remove: ['cookie'],
      },
    });
    expect(sent(`${HOST}Accept: a\r\naccept: b\r\nCookie: c\r\nx-env: old\r\n`, PEER, route)).toEqual([
      'host: a.example:81',
      ...OURS,
      `x-env: ${Buffer.from('grün').toString('latin1')}`,
      'accept: x/y',
    ]);
  });
});

describe('an answer', () => {
  it('gets Via, a Date only if it has none, and the edits of its route', () => {
    const route = routeOf({ responseHeaders: { set: [['Server', 'edge']], remove: ['x-powered-by'] } });
    const { head } = parseResponse(
      'HTTP/1.1 200 OK\r\nServer: a\r\nX-Powered-By: b\r\nDate: then\r\nETag: 1\r\nContent-Length: 0\r\n\r\n',
    );
    const extra = planResponse(head, route);
    expect(extra).toBe('Via: 1.1 fermat\r\nServer: edge\r\n');
    const kept = copyKept(head);
    expect(kept).toContain('ETag: 1');
    expect(kept).toContain('Date: then');
    expect(kept).not.toMatch(/Server|Powered/);
    const bare = parseResponse('HTTP/1.0 200 OK\r\n\r\n').head;
    expect(planResponse(bare, routeOf())).toMatch(
      /^Via: 1\.0 fermat\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n$/,
    );
  });

  it('loses an X-Fermat-Endpoint of the endpoint where the route adds one', () => {
    const { head } = parseResponse('HTTP/1.1 200 OK\r\nX-Fermat-Endpoint: evil\r\nContent-Length: 0\r\n\r\n');
    planResponse(head, routeOf({ serverTiming: true }));
    expect(copyKept(head)).not.toContain('evil');
  });
});

describe('small things', () => {
  it('ids of requests never repeat', () => {
    const ids = new Set(Array.from({ length: 10_000 }, newRequestId));
    expect(ids.size).toBe(10_000);
    for (const id of [...ids].slice(0, 50)) expect(id).toMatch(/^[0-9a-f]{16}-[0-9a-z]+$/);
  });

  it('lines of one field are one list', () => {
    const { head } = parseRequest(`GET / HTTP/1.1\r\n${HOST}Via: a\r\nX: 1\r\nVIA: b, c\r\n\r\n`);
    expect([joined(head, FIELD.VIA), joined(head, FIELD.COOKIE)]).toEqual(['a, b, c', '']);
  });

  it('a field is dropped by its name in any case', () => {
    const { head } = parseRequest(`GET / HTTP/1.1\r\n${HOST}x-ABC: 1\r\nX-abc: 2\r\nx-abcd: 3\r\n\r\n`);
    dropNamed(head, 'x-abc');
    expect(copyKept(head)).toBe(`${HOST}x-abcd: 3\r\n`);
  });
});
