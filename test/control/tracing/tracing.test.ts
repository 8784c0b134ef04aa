// The part of traces that is neither spans nor sending.

import { expect, it } from 'vitest';
import { createEventLog } from '../../../src/control/events.ts';
import { Tracing } from '../../../src/control/tracing/tracing.ts';
import type { TraceRecord } from '../../../src/core/trace-spans.ts';

// Requests that had begun when a reload turned traces off: their spans were in no figure.
it('counts as dropped what comes when there is nobody to give it to', () => {
  const told: [string, number][] = [];
  const tracing = new Tracing({
    random: Math.random,
    events: createEventLog({ level: 'silent' }),
    version: '1',
    onResult: (result, spans) => told.push([result, spans]),
    onExemplar: () => undefined,
  });
  const traces = [{ attempts: [] }, { attempts: [] }] as unknown as TraceRecord[];
  tracing.take({ traces, spans: 2, dropped: 0, limited: 3 });
  expect(told).toEqual([
    ['limited', 3],
    ['dropped', 2],
  ]);
});
