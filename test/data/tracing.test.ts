// A worker's side of traces: what it makes of a head, how many finished ones it sends at once, and what it throws away when nobody
// takes them.

import { beforeEach, describe, expect, it } from 'vitest';
import type { TracingSpec } from '../../src/core/trace.ts';
import type { TraceBatch } from '../../src/core/trace-spans.ts';
import type { Exchange } from '../../src/data/exchange.ts';
import { makeRoom, Tracer, traceLine } from '../../src/data/tracing.ts';
import { RequestReader } from '../../src/wire/request.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const SPEC: TracingSpec = {
  ratio: 1,
  parentBased: true,
  propagate: true,
  redactQuery: ['token'],
  maxSpansPerSecond: 1_000_000,
};

let batches: TraceBatch[];
let tracer: Tracer;
beforeEach(() => {
  batches = [];
  tracer = new Tracer(
    () => 0.5,
    2,
    (batch) => void batches.push(batch),
  );
});

/** As much of an exchange as a trace is made of. */
function exchange(fields = '', spec = SPEC, isTrusted = false, target = '/'): Exchange {
  const reader = new RequestReader({ requestLineBytes: 8192, headBytes: 32_768, headers: 100 });
  reader.feed(Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a:81\r\n${fields}\r\n`, 'latin1'), 0);
  const books = { startMs: 5, status: 200, problem: null, cohort: 0, responseBytes: 0, decision: 0 };
  const ex = {
    head: reader.head,
    down: { peer: { address: '10.0.0.1', isTrusted, tls: null } },
    books,
    plane: { wheel: { nowMs: 6 }, clock: () => 7 },
    generation: { tracing: spec },
    route: { spec: { name: 'r' }, requestDrops: [] },
    pool: null,
    isCall: false,
    bodyBytes: 0,
    trace: null,
  } as unknown as Exchange;
  ex.trace = tracer.begin(ex, spec);
  return ex;
}

/** The names of the fields that endpoints would still see. */
function kept({ head }: Exchange): string[] {
  return Array.from({ length: head.count }, (_, i) => i)
    .filter((i) => head.drop[i] === 0)
    .map((i) => head.name(i));
}

describe('a traced request', () => {
  it('is noted as it was asked for, less the secrets of its query', () => {
    const ex = exchange('User-Agent: probe\r\n', SPEC, false, '/a/b?x=1&token=hush');
    expect(ex.trace).toMatchObject({
      ...{ parentId: '', flags: 1, path: '/a/b', query: 'x=1&token=***', host: 'a', port: 81, version: '1.1' },
      ...{ agent: 'probe', client: '10.0.0.1', startMs: 5 },
    });
    expect(ex.trace!.traceId).toMatch(/^(?!0+$)[0-9a-f]{32}$/);
    expect(ex.trace!.spanId).toMatch(/^(?!0+$)[0-9a-f]{16}$/);
  });

  it('has ids of its own, also when thousands are made', () => {
    const ids = Array.from({ length: 5000 }, () => exchange().trace!.spanId);
    expect(new Set(ids).size).toBe(5000);
  });

  it.each([
    [
      'a parent',
      `traceparent: 00-${TRACE}-${SPAN}-02\r\ntracestate: a=1\r\ntracestate: b=2\r\n`,
      true,
      ['tracestate', 'tracestate'],
    ],
    ['a parent with a bad state', `traceparent: 00-${TRACE}-${SPAN}-01\r\ntracestate: A\r\n`, true, []],
    ['two parents', `traceparent: 00-${TRACE}-${SPAN}-01\r\n`.repeat(2), false, []],
    ['a state without a parent', 'tracestate: a=1\r\n', false, []],
  ])('makes room for its own parent, having come with %s', (_, fields, isChild, left) => {
    const ex = exchange(fields);
    makeRoom(ex, ex.trace!);
    expect([ex.trace!.traceId === TRACE, ex.trace!.parentId === SPAN]).toEqual([isChild, isChild]);
    expect(kept(ex)).toEqual(['Host', ...left]);
    const attempt = { spanId: SPAN } as Parameters<typeof traceLine>[1];
    const flags = fields.includes('-02') ? '03' : '01';
    expect(traceLine(ex.trace!, attempt)).toBe(`traceparent: 00-${ex.trace!.traceId}-${SPAN}-${flags}\r\n`);
  });

  it('leaves the fields alone where it is not to be told', () => {
    const ex = exchange(`traceparent: 00-${TRACE}-${SPAN}-01\r\ntracestate: A\r\n`, { ...SPEC, propagate: false });
    makeRoom(ex, ex.trace!);
    expect(kept(ex)).toEqual(['Host', 'traceparent', 'tracestate']);
    expect(traceLine(ex.trace!, { spanId: SPAN } as Parameters<typeof traceLine>[1])).toBe('');
  });
});

describe('a request', () => {
  it('of a trusted peer is traced as that says, of others by chance', () => {
    const half = { ...SPEC, ratio: 0.5 };
    const line = (flags: string): string => `traceparent: 00-${TRACE}-${SPAN}-${flags}\r\n`;
    expect(exchange(line('01'), half, true).trace).not.toBeNull();
    expect(exchange(line('01'), half, false).trace).toBeNull();
    expect(exchange(line('00'), SPEC, true).trace).toBeNull();
    expect(exchange(line('00'), SPEC, false).trace).not.toBeNull();
  });

  it('beyond what may be made in a second is not traced, and counted', () => {
    const few = { ...SPEC, maxSpansPerSecond: 8 }; // this worker's half: two traces
    const traces = Array.from({ length: 5 }, () => exchange('', few).trace);
    expect(traces.filter((trace) => trace !== null).length).toBe(2);
    tracer.flush();
    expect(batches).toEqual([{ traces: [], spans: 0, dropped: 0, limited: 3 }]);
  });
});

describe('finished traces', () => {
  const finish = (count: number): void => {
    for (let n = 0; n < count; n++) {
      const ex = exchange();
      tracer.end(ex, ex.trace!);
      expect(ex.trace).toBeNull();
    }
  };

  it('travel together: 64 spans at once, fewer with the next beat, none without a reason', () => {
    finish(63);
    expect(batches.length).toBe(0);
    finish(2);
    expect(batches.map(({ spans, traces }) => [spans, traces.length])).toEqual([[64, 64]]);
    tracer.flush();
    tracer.flush();
    expect(batches.map(({ spans }) => spans)).toEqual([64, 1]);
    expect(batches[0]!.traces[0]).toMatchObject({ route: 'r', status: 200, endMs: 7 });
  });

  it('are thrown away while nobody takes them, and counted; then all goes on', () => {
    finish(5000);
    expect(batches.reduce((sum, { spans }) => sum + spans, 0)).toBe(4096);
    tracer.taken(4096);
    finish(64);
    expect(batches.at(-1)).toMatchObject({ spans: 64, dropped: 5000 - 4096 });
  });
});
