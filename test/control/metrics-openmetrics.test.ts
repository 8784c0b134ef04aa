// The two formats of /metrics and who gets which; exemplars, and how long they stay. That a real Prometheus takes both is
// e2e/prometheus.test.ts's.

import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { formatOf, metricsAnswer } from '../../src/control/admin/metrics.ts';
import { Exemplars } from '../../src/control/metrics/exemplars.ts';
import { Metrics } from '../../src/control/metrics.ts';
import { CELL, CELL_CAPS, DURATION_BUCKETS_S } from '../../src/core/cells.ts';
import { familiesOf, NAMES, newWorker, samplesOf, sourcesOf } from '../support/exposition.ts';

/** What Prometheus 2.42 and 3.x ask for. */
const PROMETHEUS_2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,' +
  'text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,' +
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const AT_MS = 1_700_000_000_123;

afterEach(() => {
  vi.useRealTimers();
});

function rig() {
  vi.useFakeTimers({ toFake: ['Date'], now: AT_MS });
  const worker = newWorker(0);
  worker.writer.observe(CELL.DURATION, 0, 0, DURATION_BUCKETS_S, 0.02);
  worker.writer.observe(CELL.FIRST_BYTE, 0, 1, DURATION_BUCKETS_S, 0.015);
  worker.writer.count(CELL.REQUESTS, 0, 1, (1 << 10) | 200, 5);
  const metrics = new Metrics(sourcesOf({ lanes: () => [worker] }));
  const open = async (): Promise<string> => (await metrics.page('openmetrics')).toString();
  return { metrics, open };
}

describe('the format of /metrics', () => {
  it.each([
    ['', 'text'],
    ['*/*', 'text'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
    ['text/plain;version=0.0.4', 'text'],
    [PROMETHEUS_2, 'openmetrics'],
    [PROMETHEUS_3, 'openmetrics'],
    ['application/openmetrics-text', 'openmetrics'],
    ['Application/OpenMetrics-Text; Version="1.0.0"', 'openmetrics'],
    ['application/openmetrics-text;version=0.0.1', 'text'],
    ['application/openmetrics-text;version=2.0.0', 'text'],
    ['application/openmetrics-text;version=1.0.0;q=0', 'text'],
    ['application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9', 'text'],
    ['application/openmetrics-text;q=nonsense', 'text'],
  ])('for %j is %s', (accept, format) => {
    expect(formatOf(accept)).toBe(format);
  });

  it('has the same families and values in both, by their names in each', async () => {
    const { metrics, open } = rig();
    const text = await metrics.text();
    const openText = await open();
    const plain = familiesOf(text);
    const families = familiesOf(openText);
    const shortened = plain.map(({ name, type }) => (type === 'counter' ? name.replace(/_total$/, '') : name));
    expect(families.map(({ name }) => name)).toEqual(shortened);
    // Else OpenMetrics would not take it for one.
    for (const { name, type } of plain) expect(name.endsWith('_total'), name).toBe(type === 'counter');
    const own = (all: Map<string, number>) => [...all].filter(([name]) => name.startsWith('fermat_'));
    expect(own(samplesOf(openText))).toEqual(own(samplesOf(text)));
    expect(text).not.toMatch(/# EOF|# UNIT/);
    expect(openText).toMatch(/^# UNIT fermat_request_duration_seconds seconds$/m);
    expect(openText).toMatch(/^# TYPE fermat_requests counter$/m);
    expect(openText).toMatch(/^fermat_requests_total\{route="shop",endpoint="iad-1",method="GET",code="200"\} 5$/m);
    expect(openText.endsWith('\n# EOF\n')).toBe(true);
    expect(openText).not.toContain('\n\n');
  });

  // Two sums were taken in the same place: whoever wrote a page while the other one began read counters of some workers only.
  it('is whole also while the other one is read: no counter goes back', async () => {
    vi.useRealTimers();
    const workers = [newWorker(0), newWorker(1), newWorker(2)];
    const endpoints = Array.from({ length: 2000 }, (_, i) => `e-${i}`);
    for (const { writer } of workers) {
      for (let i = 0; i < endpoints.length; i++) writer.count(CELL.REQUESTS, 0, i, (1 << 10) | 200, 5);
    }
    const names = { ...NAMES, endpoints };
    const metrics = new Metrics(sourcesOf({ lanes: () => workers, names: () => names }));
    const pages = await Promise.all([metrics.page('text'), metrics.page('openmetrics')]);
    for (const page of pages) {
      const counts = page.toString().matchAll(/^fermat_requests_total\{[^}]*\} (\d+)$/gm);
      expect(new Set([...counts].map(([, count]) => count))).toEqual(new Set(['15']));
    }
  });

  it('quotes help texts as each format has it', async () => {
    const { metrics, open } = rig();
    expect(await metrics.text()).toContain('endpoint "none" is Fermat itself');
    expect(await open()).toContain('endpoint \\"none\\" is Fermat itself');
  });
});

describe('an answer to GET /metrics', () => {
  it('says its type, and is packed for those who take it packed', async () => {
    const { metrics } = rig();
    const plain = await metricsAnswer({ metrics: (format) => metrics.page(format) }, undefined, undefined);
    expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(plain.headers.get('vary')).toBe('accept, accept-encoding');
    expect(plain.headers.get('x-content-type-options')).toBe('nosniff');
    const packed = await metricsAnswer({ metrics: (format) => metrics.page(format) }, PROMETHEUS_2, 'br, gzip;q=0.5');
    expect(packed.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    const bytes = Buffer.from(await packed.arrayBuffer());
    const text = gunzipSync(bytes).toString();
    expect(text.endsWith('# EOF\n')).toBe(true);
    expect(bytes.length).toBeLessThan(text.length / 3);
  });

  it('is not packed where that is not wanted, or not worth it', async () => {
    const { metrics } = rig();
    for (const encoding of ['identity', 'gzip;q=0', 'br', '']) {
      const answer = await metricsAnswer({ metrics: () => metrics.page() }, undefined, encoding);
      expect(answer.headers.get('content-encoding'), encoding).toBeNull();
    }
    const small = await metricsAnswer({ metrics: () => Promise.resolve('# EOF\n') }, undefined, 'gzip');
    expect(small.headers.get('content-encoding')).toBeNull();
    expect(await small.text()).toBe('# EOF\n');
  });
});

describe('exemplars', () => {
  it('stand behind the bucket that the request fell into, in OpenMetrics only', async () => {
    const { metrics, open } = rig();
    metrics.exemplar('request', { route: 'shop' }, 0.02, TRACE, SPAN, AT_MS);
    metrics.exemplar('firstByte', { endpoint: 'iad-1', pool: 'web' }, 0.015, TRACE, SPAN, AT_MS);
    const tail = (value: number) => ` # {trace_id="${TRACE}",span_id="${SPAN}"} ${value} 1700000000.123`;
    const lines = (await open()).split('\n');
    expect(lines.filter((line) => line.includes(' # {'))).toEqual([
      `fermat_request_duration_seconds_bucket{le="0.025",route="shop"} 1${tail(0.02)}`,
      `fermat_upstream_first_byte_seconds_bucket{le="0.025",pool="web",endpoint="iad-1"} 1${tail(0.015)}`,
    ]);
    expect(await metrics.text()).not.toContain(' # {');
  });

  it('are the newest of a bucket, and go when they are ten minutes old', async () => {
    const { metrics, open } = rig();
    const other = TRACE.replace('4b', 'aa');
    metrics.exemplar('request', { route: 'shop' }, 0.02, TRACE, SPAN, AT_MS);
    metrics.exemplar('request', { route: 'shop' }, 0.021, other, SPAN, AT_MS + 1000);
    // One that was slower to be told of is older all the same.
    metrics.exemplar('request', { route: 'shop' }, 0.022, TRACE, SPAN, AT_MS + 999);
    metrics.exemplar('request', { route: 'shop' }, 99, TRACE, SPAN, AT_MS);
    let text = await open();
    expect(text).toContain(`le="0.025",route="shop"} 1 # {trace_id="${other}",span_id="${SPAN}"} 0.021 1700000001.123`);
    expect(text).toContain(`le="+Inf",route="shop"} 1 # {trace_id="${TRACE}",span_id="${SPAN}"} 99 `);
    vi.setSystemTime(AT_MS + 600_500);
    text = await open();
    expect(text).toContain(other);
    expect(text).not.toContain(TRACE);
    vi.setSystemTime(AT_MS + 601_500);
    expect(await open()).not.toContain(' # {');
  });

  it('of what is no trace, no time, or no series are not shown', async () => {
    const { metrics, open } = rig();
    metrics.exemplar('request', { route: 'elsewhere' }, 0.02, TRACE, SPAN, AT_MS);
    metrics.exemplar('request', {}, 0.02, TRACE, SPAN, AT_MS);
    const bad: [string, string, number, number][] = [
      ['', SPAN, 0.02, AT_MS],
      [TRACE.toUpperCase(), SPAN, 0.02, AT_MS],
      [TRACE, `${SPAN}"} 1\nfermat_evil 1`, 0.02, AT_MS],
      [TRACE, SPAN, Number.NaN, AT_MS],
      [TRACE, SPAN, -1, AT_MS],
      [TRACE, SPAN, 0.02, Number.POSITIVE_INFINITY],
    ];
    for (const [trace, span, value, atMs] of bad) {
      metrics.exemplar('request', { route: 'shop' }, value, trace, span, atMs);
    }
    expect(await open()).not.toContain(' # {');
  });

  it('are kept of as many series as the family may have, and of none for longer than they are shown', () => {
    const exemplars = new Exemplars();
    const cap = CELL_CAPS[CELL.FIRST_BYTE];
    for (let i = 0; i < cap + 100; i++) {
      exemplars.file('firstByte', { pool: 'web', endpoint: `e${i}` }, 0.01, TRACE, SPAN, AT_MS);
    }
    expect(exemplars.size).toBe(cap);
    exemplars.sweep(AT_MS + 600_001);
    expect(exemplars.size).toBe(0);
  });
});
