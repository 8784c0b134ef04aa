// A worker that takes a dead one's place and cannot listen: nobody waits for it, and it must not sit there in silence.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nowMs } from '../../src/clock.ts';
import { createEventLog } from '../../src/control/events.ts';
import { Supervisor } from '../../src/control/supervisor.ts';
import type { Snapshot } from '../../src/core/snapshot.ts';
import { get } from '../support/raw.ts';
import { endpointSpec, poolSpec, snapshotOf } from '../support/specs.ts';
import { until } from '../support/until.ts';

beforeAll(() => {
  process.env.FERMAT_TEST_CRASH_PATH = '/__crash';
});
afterAll(() => {
  delete process.env.FERMAT_TEST_CRASH_PATH;
});

function snapshotAt(path: string): Snapshot {
  const bare = snapshotOf([endpointSpec(0, { id: 'a' })], [poolSpec('p', [0], 0)], 1, 1);
  return { ...bare, listeners: [{ uid: 0, name: 'local', host: '', port: 0, path, proxyProtocol: 'off', tls: null }] };
}

const statusAt = (path: string): Promise<number | null> =>
  new Promise((resolve) => {
    const asked = request({ socketPath: path, path: '/', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    asked.on('error', () => resolve(null)).end();
  });

it('a successor that cannot listen is told of, and tried again until it can', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fermat-refused-'));
  const path = join(folder, 'sockets', 'http.sock');
  mkdirSync(join(folder, 'sockets'));
  const events = createEventLog({ level: 'silent' });
  const nothing = (): void => {};
  const told = { onLaneLost: nothing, onRestart: nothing, onQuiet: nothing };
  const supervisor = new Supervisor({ lanes: 1, clock: nowMs, events, loopId: 'loop', connectionCap: 0, ...told });
  try {
    await supervisor.start(snapshotAt(path), []);
    expect(await statusAt(path)).not.toBeNull();
    const crash = connect({ path });
    await new Promise((resolve) => crash.once('connect', resolve));
    rmSync(join(folder, 'sockets'), { recursive: true });
    crash.on('error', nothing).write(get('/__crash'));
    await until(
      () => events.recent().find(({ type, message }) => type === 'worker.error' && message.includes('EACCES')),
      'the refusal',
      8000,
    );
    mkdirSync(join(folder, 'sockets'));
    const deadlineMs = nowMs() + 8000;
    while ((await statusAt(path)) === null && nowMs() < deadlineMs) await new Promise((go) => setTimeout(go, 50));
    expect(await statusAt(path)).not.toBeNull();
  } finally {
    await supervisor.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
