// Spans on their way to a collector that takes them, takes some, takes none, is late, or is not there: a real one, over HTTP.

import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEventLog } from '../../../src/control/events.ts';
import { Collector } from '../../../src/control/tracing/collector.ts';
import { Exporter, type SpanResult } from '../../../src/control/tracing/exporter.ts';
import { frameOf } from '../../../src/control/tracing/otlp.ts';
import type { FermatEvent } from '../../../src/control/types.ts';
import { type OtlpReceiver, startReceiver } from '../../support/otlp-receiver.ts';
import { until } from '../../support/until.ts';

let receiver: OtlpReceiver;
let exporter: Exporter;
let counts: Record<SpanResult, number>;
let told: FermatEvent[];

const HEADERS = { authorization: 'Bearer secret', 'x-tenant': 'a' };

beforeEach(async () => {
  receiver = await startReceiver();
  counts = { exported: 0, rejected: 0, dropped: 0 };
  told = [];
  exporter = newExporter();
});
afterEach(async () => {
  await exporter.stop(100);
  await receiver.close();
  expect(receiver.faults).toEqual([]);
});

function newExporter(timeoutMs = 5000, isCompressed = true): Exporter {
  const events = createEventLog({ level: 'silent' });
  events.subscribe((event) => told.push(event));
  const onResult = (result: SpanResult, spans: number): void => {
    counts[result] += spans;
  };
  const pace = { gatherMs: 20, firstPauseMs: 100, longestPauseMs: 400 };
  const config = { url: `${receiver.url}/v1/traces`, headers: HEADERS, isCompressed, timeoutMs };
  const frame = frameOf({ 'service.name': 'edge' }, '1.2.3');
  return new Exporter({ random: () => 1, events, onResult, pace }, new Collector(config), frame);
}

let next = 0;
/** A request of two spans. */
function request(): string {
  const traceId = (++next).toString(16).padStart(32, '0');
  const span = (n: number): string => (next * 2 + n).toString(16).padStart(16, '0');
  const startTimeUnixNano = '1700000000000000000';
  const common = { traceId, flags: 1, startTimeUnixNano, endTimeUnixNano: startTimeUnixNano };
  return [
    JSON.stringify({ ...common, spanId: span(0), name: 'GET /', kind: 2 }),
    JSON.stringify({ ...common, spanId: span(1), parentSpanId: span(0), name: 'GET', kind: 3 }),
  ].join(',');
}

const add = (requests: number): void => {
  for (let n = 0; n < requests; n++) exporter.add(request(), 2);
};
const taken = (spans: number): Promise<true> =>
  until(() => counts.exported === spans, `${spans} exported`) as Promise<true>;
const types = (): string[] => told.map(({ type }) => type);

describe('a collector that takes what it gets', () => {
  it('gets all of it, in batches of at most 512 that keep requests whole, with our headers and name', async () => {
    add(600);
    await taken(1200);
    expect(receiver.spans.length).toBe(1200);
    expect(new Set(receiver.spans.map(({ spanId }) => spanId)).size).toBe(1200);
    for (const { spans, path, headers } of receiver.batches) {
      expect(spans.length).toBeLessThanOrEqual(512);
      expect(spans.length % 2).toBe(0);
      expect(path).toBe('/v1/traces');
      expect(headers).toMatchObject({ ...HEADERS, 'content-encoding': 'gzip' });
    }
    expect(receiver.spans[0]!.resource).toMatchObject({ 'service.name': 'edge', 'service.version': '1.2.3' });
    expect(counts).toEqual({ exported: 1200, rejected: 0, dropped: 0 });
    expect(types()).toEqual(['tracing.ok']);
  });

  it('gets it as it is where it does not want gzip', async () => {
    exporter = newExporter(5000, false);
    add(10);
    await taken(20);
    expect(receiver.batches[0]!.headers['content-encoding']).toBeUndefined();
  });

  it.each([
    '',
    'ok',
    '[',
    'null',
    '{"partialSuccess":null}',
    '{"partialSuccess":{"rejectedSpans":"-1"}}',
    'x'.repeat(1 << 20),
  ])('may say what it likes', async (body) => {
    receiver.reply = () => ({ body });
    add(1);
    await taken(2);
    expect(counts.rejected).toBe(0);
  });
});

describe('a collector that does not', () => {
  it('takes a part: the rest is counted, and not sent again', async () => {
    receiver.reply = ({ spans }) => ({
      body: JSON.stringify({ partialSuccess: { rejectedSpans: String(spans.length - 1), errorMessage: 'too old' } }),
    });
    add(5);
    await taken(1);
    expect(counts).toEqual({ exported: 1, rejected: 9, dropped: 0 });
    expect(told.map(({ level, message }) => [level, message])).toEqual([
      ['warn', `${receiver.url}/v1/traces rejects spans: too old`],
    ]);
    expect(receiver.batches.length).toBe(1);
  });

  it.each([400, 401, 404, 413, 500])('answers %i: these spans are lost, the next may be taken', async (status) => {
    receiver.reply = () => ({ status, body: 'no\u0007way' });
    add(3);
    await until(() => counts.rejected === 6);
    receiver.reply = () => ({});
    add(1);
    await taken(2);
    expect(receiver.batches.length).toBe(2);
    expect(types()).toEqual(['tracing.refusing', 'tracing.ok']);
    expect(told[0]!.message).toMatch(new RegExp(`takes no spans: status ${status}: no way$`));
  });

  it('takes a part and says so in gzip, asked for or not', async () => {
    receiver.reply = () => ({
      body: gzipSync('{"partialSuccess":{"rejectedSpans":"1"}}'),
      headers: { 'content-encoding': 'gzip' },
    });
    add(1);
    await taken(1);
    expect(counts.rejected).toBe(1);
    expect(receiver.batches[0]!.headers['accept-encoding']).toBe('identity');
  });

  // What it said stood in the event as it was, and so in the log and the console.
  it('repeats what it was sent: its secrets are told to nobody', async () => {
    receiver.reply = ({ headers }) => ({ status: 401, body: `no ${headers.authorization}, no secret` });
    add(1);
    await until(() => counts.rejected === 2);
    expect(told[0]!.message).toMatch(/status 401: no \*\*\*, no \*\*\*$/);
  });

  it('sends elsewhere: nobody goes there, but where it was is told', async () => {
    receiver.reply = () => ({
      status: 307,
      body: 'x',
      headers: { location: 'https://other.example/v1/traces?key=hush' },
    });
    add(1);
    await until(() => counts.rejected === 2);
    expect(told[0]!.message).toMatch(/status 307, sends to https:\/\/other\.example\/v1\/traces: x$/);
  });

  it('takes every other batch: that is not told every time', async () => {
    receiver.reply = () => ({ status: receiver.batches.length % 2 === 0 ? 400 : 200 });
    for (let n = 1; n <= 20; n++) {
      add(1);
      await until(() => counts.exported + counts.rejected === 2 * n);
    }
    expect(told.length).toBe(10);
  });

  it.each([429, 502, 503, 504])('answers %i: it gets the same spans again, and is told of once', async (status) => {
    receiver.reply = () => ({ status: receiver.batches.length < 3 ? status : 200 });
    add(2);
    await taken(4);
    expect(receiver.batches.map(({ spans }) => spans.map(({ spanId }) => spanId))).toEqual(
      Array(3).fill(receiver.batches[0]!.spans.map(({ spanId }) => spanId)),
    );
    expect(types()).toEqual(['tracing.down', 'tracing.ok']);
  });

  it('asks for time: it gets it', async () => {
    receiver.reply = () =>
      receiver.batches.length === 1 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 200 };
    add(1);
    await taken(2);
    const [first, second] = receiver.batches;
    expect(second!.atMs - first!.atMs).toBeGreaterThan(900);
  });

  it('is not there, and then it is: what fits in memory waits', async () => {
    await receiver.close();
    add(5000);
    await until(() => types().includes('tracing.down'));
    await receiver.listen();
    await taken(8192);
    expect(counts.dropped).toBe(10_000 - 8192);
    expect(types()).toEqual(['tracing.down', 'tracing.ok']);
    expect(told[0]).toMatchObject({ level: 'warn', dropped: 1296 });
    // Of an outage its end is kept.
    expect(receiver.spans.some(({ traceId }) => Number.parseInt(traceId, 16) === next)).toBe(true);
  });

  it('never answers: it is asked again, and holds up no end', async () => {
    exporter = newExporter(200);
    receiver.reply = () => ({ isSilent: true });
    add(300);
    await until(() => receiver.batches.length >= 2);
    const startMs = performance.now();
    await exporter.stop(500);
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect(counts).toEqual({ exported: 0, rejected: 0, dropped: 600 });
    expect(types()).toEqual(['tracing.down']);
  });
});

describe('the end', () => {
  it('gives away what waits', async () => {
    add(700);
    await exporter.stop(5000);
    expect(counts).toEqual({ exported: 1400, rejected: 0, dropped: 0 });
  });

  it('tries once more where it had given up for a while', async () => {
    receiver.reply = () => ({ status: 503, headers: { 'retry-after': '3600' } });
    add(1);
    await until(() => types().includes('tracing.down'));
    receiver.reply = () => ({});
    await exporter.stop(5000);
    expect(counts.exported).toBe(2);
  });

  it('asks nobody when nothing waits', async () => {
    await exporter.stop(5000);
    expect(receiver.batches).toEqual([]);
  });
});
