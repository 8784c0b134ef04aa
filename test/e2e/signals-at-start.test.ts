// Signals that come while the process starts: they are for the node that is about to be, and must not tear it apart.

import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type Fermat, simpleConfig, spawnFermat } from '../support/fermat.ts';
import { until } from '../support/until.ts';

const SIGHUP_BIT = 1n;
const NODE = simpleConfig(['http://127.0.0.1:1'], {}, { workers: 3 });
let fermat: Fermat;

afterEach(() => fermat.kill());

/** Resolves when the process handles signals, long before its workers listen. */
async function handling(): Promise<void> {
  await until(() => {
    const caught = /SigCgt:\s+([0-9a-f]+)/.exec(readFileSync(`/proc/${fermat.pid}/status`, 'utf8'))?.[1] ?? '0';
    const isFermat = readFileSync(`/proc/${fermat.pid}/cmdline`, 'utf8').includes('cli.ts');
    return isFermat && (BigInt(`0x${caught}`) & SIGHUP_BIT) !== 0n ? true : undefined;
  }, 'handlers of signals');
  expect(fermat.stdout).toBe('');
}

describe('a signal during the start', () => {
  it('HUP reloads when the start is over', async () => {
    fermat = spawnFermat(NODE);
    await handling();
    fermat.child.kill('SIGHUP');
    await until(() => fermat.events.find(({ type }) => type === 'config.reload'), 'the reload', 20_000);
    const order = fermat.events
      .map(({ type }) => type)
      .filter((type) => type === 'node.ready' || type === 'config.reload');
    expect(order).toEqual(['node.ready', 'config.reload']);
    expect(fermat.exit).toBeNull();
  });

  it('TERM ends the process, and it never says that it serves', async () => {
    fermat = spawnFermat(NODE);
    await handling();
    fermat.child.kill('SIGTERM');
    expect(await fermat.ended()).toEqual({ code: 0, signal: null });
    expect(fermat.stdout).toBe('');
    expect(fermat.events.some(({ type }) => type === 'node.ready')).toBe(false);
  });
});
