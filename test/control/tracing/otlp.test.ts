// Spans as text: whatever a client has said, it is JSON, holds what it should, and events stay inside of their span.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { spansOf } from '../../../src/control/tracing/otlp.ts';
import { OUTCOME, type Outcome } from '../../../src/core/sample.ts';
import { NONE } from '../../../src/core/snapshot.ts';
import { type AttemptRecord, NO_RPC, type TraceRecord } from '../../../src/core/trace-spans.ts';

interface Span {
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly events: readonly { readonly timeUnixNano: string }[];
  readonly status: { readonly code?: number };
}

const WALL_MS = 1_700_000_000_000;

const ATTEMPT: AttemptRecord = {
  ...{ spanId: 'b7ad6b7169203331', endpoint: 'e0', host: '10.0.0.1', port: 80, scheme: 'http', region: null, via: '' },
  ...{ role: NONE, scoreMs: Number.NaN, decision: 0, startMs: 1000.25, isHedge: false, queuedMs: -1, connectingMs: -1 },
  ...{ readyMs: 1000.5, isReused: true, sentMs: 1000.75, firstByteMs: 1002, endMs: 1003.000001, outcome: OUTCOME.OK },
  ...{ status: 200, rpc: NO_RPC, error: '' },
};
const TRACE: TraceRecord = {
  ...{ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: '00f067aa0ba902b7', parentId: '', flags: 1, state: '' },
  ...{ isTold: true, startMs: 1000, endMs: 1004, method: 'GET', methodId: 1, isTls: false, path: '/', sentPath: '/' },
  ...{
    query: '',
    host: 'a',
    port: 0,
    version: '1.1',
    agent: '',
    client: '::1',
    peer: '::1',
    requestId: '',
    route: 'r',
  },
  ...{
    pool: 'p',
    status: 200,
    problem: '',
    isCall: false,
    rpc: NO_RPC,
    cohort: 0,
    requestBytes: 0,
    responseBytes: 0,
    attempts: [ATTEMPT],
  },
};

const parsed = (trace: TraceRecord): Span[] => JSON.parse(`[${spansOf(trace, WALL_MS)}]`) as Span[];
const attributesOf = ({ attributes }: Span): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

it('times are ns since 1970, exact to the microsecond', () => {
  const [server, client] = parsed(TRACE);
  expect([server!.startTimeUnixNano, server!.endTimeUnixNano]).toEqual(['1700000001000000000', '1700000001004000000']);
  expect(client!.startTimeUnixNano).toBe('1700000001000250000');
  expect(client!.events.map(({ timeUnixNano }) => timeUnixNano.slice(-9))).toEqual([
    '000750000',
    '002000000',
    '003000000',
  ]);
});

it('what clients say is told as UTF-8, and never breaks out of its place', () => {
  const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(
      fc.record({ path: bytes, query: bytes, host: bytes, agent: bytes, requestId: bytes, method: bytes }),
      (said) => {
        const [server, client, ...more] = parsed({
          ...TRACE,
          ...said,
          methodId: 0,
          sentPath: said.path,
          state: 'a="\\',
        });
        expect(more).toEqual([]);
        const told = attributesOf(server!);
        const text = (latin1: string): string | undefined =>
          Buffer.from(latin1, 'latin1').toString('utf8') || undefined;
        expect(told['url.path']).toBe(text(said.path));
        expect(told['url.query']).toBe(text(said.query));
        expect(told['user_agent.original']).toBe(text(said.agent));
        expect(told['fermat.request_id']).toBe(text(said.requestId));
        expect(attributesOf(client!)['url.full']).toBe(`http://10.0.0.1:80${text(said.path) ?? ''}`);
      },
    ),
  );
});

it('events stay in order and inside of their span, whatever the clocks said', () => {
  const moment = fc.oneof(fc.constant(-1), fc.double({ min: 900, max: 1100, noNaN: true }));
  const times = { queuedMs: moment, connectingMs: moment, readyMs: moment, sentMs: moment, firstByteMs: moment };
  fc.assert(
    fc.property(fc.record({ ...times, endMs: moment, isReused: fc.boolean() }), (some) => {
      const client = parsed({ ...TRACE, attempts: [{ ...ATTEMPT, ...some }] })[1]!;
      const moments = [
        client.startTimeUnixNano,
        ...client.events.map((event) => event.timeUnixNano),
        client.endTimeUnixNano,
      ];
      expect(moments).toEqual([...moments].sort());
    }),
  );
});

it.each([
  ['is whole', {}, {}, undefined, undefined],
  ['is a client’s mistake', { status: 404 }, { status: 404 }, undefined, '404'],
  ['is the endpoint’s', { status: 500 }, { status: 500, outcome: OUTCOME.STATUS_5XX }, '500', '500'],
  [
    'is Fermat’s own',
    { status: 504, problem: 'endpoint_timeout' },
    { status: 0, outcome: OUTCOME.TIMEOUT },
    'endpoint_timeout',
    'timeout',
  ],
  [
    'was cut off',
    { problem: 'endpoint_reset' },
    { outcome: OUTCOME.RESET, error: 'endpoint_reset' },
    'endpoint_reset',
    'endpoint_reset',
  ],
  ['was outrun', {}, { status: 0, outcome: OUTCOME.OUTRUN }, undefined, undefined],
] as const)('an answer that %s says so', (_, trace, attempt: Partial<AttemptRecord>, server, client) => {
  const spans = parsed({ ...TRACE, ...trace, attempts: [{ ...ATTEMPT, ...attempt }] });
  expect(spans.map((span) => attributesOf(span)['error.type'])).toEqual([server, client]);
  expect(spans.map(({ status }) => status.code === 2)).toEqual([server !== undefined, client !== undefined]);
});

it.each([
  ['is fine', {}, { rpc: 0 }, 0, undefined, undefined],
  ['is the caller’s mistake', {}, { rpc: 3, status: 400 }, 3, undefined, 'INVALID_ARGUMENT'],
  ['is the endpoint’s', {}, { rpc: 14, status: 503, outcome: OUTCOME.STATUS_5XX }, 14, 'UNAVAILABLE', 'UNAVAILABLE'],
  ['is Fermat’s own', { rpc: 14, status: 503, problem: 'overload' }, { rpc: NO_RPC }, 14, 'overload', undefined],
  ['nobody waits for', { status: 499 }, { rpc: 0 }, undefined, 'client_gone', undefined],
] as const)('the end of a gRPC call that %s says so', (_, trace, attempt: Partial<AttemptRecord>, rpc, server, client) => {
  const spans = parsed({ ...TRACE, isCall: true, ...trace, attempts: [{ ...ATTEMPT, ...attempt }] });
  const told = spans.map(attributesOf);
  expect(told.map((one) => one['error.type'])).toEqual([server, client]);
  expect(told[0]!['rpc.grpc.status_code']).toBe(rpc === undefined ? undefined : String(rpc));
  expect(told[1]!['http.response.status_code']).toBe('200');
  expect(spans.map(({ status }) => status.code === 2)).toEqual([
    server !== undefined && server !== 'client_gone',
    client !== undefined,
  ]);
});

it('every outcome has a name', () => {
  for (const outcome of Object.values(OUTCOME) as Outcome[]) {
    const [, client] = parsed({ ...TRACE, attempts: [{ ...ATTEMPT, outcome }] });
    expect(attributesOf(client!)['fermat.outcome']).toMatch(/^[a-z_0-9]+$/);
  }
});

it('a socket has a path in place of an address', () => {
  const [, client] = parsed({ ...TRACE, attempts: [{ ...ATTEMPT, host: '/run/app.sock', port: 0 }] });
  const told = attributesOf(client!);
  expect(told).toMatchObject({ 'server.address': '/run/app.sock', 'network.transport': 'unix' });
  expect(told).not.toHaveProperty('url.full');
});
