// The access log of the node: that there is always somebody who writes it.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, expect, it } from 'vitest';
import { nowMs } from '../../../src/clock.ts';
import { AccessLogs } from '../../../src/control/access-log.ts';
import type { Config } from '../../../src/control/config/config.ts';
import { createEventLog } from '../../../src/control/events.ts';
import { LinePutter } from '../../../src/core/access-log.ts';
import { until } from '../../support/until.ts';

const scratch = mkdtempSync(join(tmpdir(), 'fermat-access-logs-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

// Lines of a writer that had died waited for ever, and were told of as dropped by a slow disk.
it('has another writer when one dies, and loses no line by it', async () => {
  const writers: Worker[] = [];
  const meet = (worker: Worker): void => void writers.push(worker);
  process.on('worker', meet);
  const events = createEventLog({ level: 'silent' });
  const told: string[] = [];
  events.subscribe(({ type }) => told.push(type));
  const file = join(scratch, 'a.log');
  const logging = { access: 'combined', accessLog: { file } } as unknown as Config['logging'];
  const logs = new AccessLogs({ events, clock: nowMs, lanes: 1 });
  const { rings, bell } = logs.specOf(logging)!;
  const putter = new LinePutter(rings[0]!, bell);
  const written = (): string => readFileSync(file, { encoding: 'utf8', flag: 'a+' });
  logs.use(logging);
  putter.put(Buffer.from('one\n'), 1);
  await until(() => written() === 'one\n', 'the first line');
  await writers[0]!.terminate();
  putter.put(Buffer.from('two\n'), 1);
  await until(() => written() === 'one\ntwo\n', 'the line after it');
  expect(told).toEqual(['access.writer']);
  await writers[1]!.terminate();
  putter.put(Buffer.from('three\n'), 1);
  await logs.stop();
  process.off('worker', meet);
  expect(written()).toBe('one\ntwo\nthree\n');
  expect(logs.counts()).toEqual({ lines: 3, dropped: 0 });
});
