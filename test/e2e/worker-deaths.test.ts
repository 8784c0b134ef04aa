// Workers that die in every way, and at every moment: others go on, a successor comes, and nobody goes on after an error that was
// not foreseen. Bugs are planted from outside (a module that Node loads before ours) or by FERMAT_TEST_CRASH_PATH.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, simpleConfig, spawnFermat, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { askToReplace, endAll, pidOf } from '../support/succession.ts';
import { until } from '../support/until.ts';

const CRASH = '/__crash';
const scratch = mkdtempSync(join(tmpdir(), 'fermat-deaths-'));
let origin: Origin;
let fermat: Fermat | undefined;

beforeAll(async () => {
  origin = await startOrigin();
});
afterEach(async () => {
  if (fermat !== undefined) await endAll(fermat);
  fermat = undefined;
});
afterAll(async () => {
  await origin.refuse();
  rmSync(scratch, { recursive: true, force: true });
});

const config = (more: Config = {}): Config => simpleConfig([origin.url], {}, { workers: 2, ...more });

async function start(env: Record<string, string> = {}, more: Config = {}): Promise<Fermat> {
  fermat = await startFermat(config(more), { env: { FERMAT_TEST_CRASH_PATH: CRASH, ...env } });
  return fermat;
}

/** The environment in which every thread of the process runs `code` first; `bomb` is a path that does not exist yet. */
function planted(name: string, code: string): { env: Record<string, string>; bomb: string } {
  const [file, bomb] = [join(scratch, `${name}.mjs`), join(scratch, `${name}.bomb`)];
  writeFileSync(
    file,
    `import { existsSync } from 'node:fs';
     import { isMainThread, parentPort } from 'node:worker_threads';
     const isArmed = () => existsSync(${JSON.stringify(bomb)});
     ${code}`,
  );
  return { env: { NODE_OPTIONS: `--import=${pathToFileURL(file).href}` }, bomb };
}

async function crash(node: Fermat, how = ''): Promise<void> {
  using client = await rawClient(node.port);
  await client.send(get(`${CRASH}${how}`));
  await client.closed();
}

/** Ten answers in a row over connections of their own. */
const serves = (node: Fermat): Promise<boolean> =>
  until(async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(node.port, get()).catch(() => null)));
    return answers.every((answer) => answer?.status === 200);
  }, 'ten answers in a row');

const events = (node: Fermat, type: string) => node.events.filter((event) => event.type === type);

describe('an error that nobody foresaw', () => {
  it.each([
    ['an exception', ''],
    ['a rejection', '?reject'],
  ])('ends the worker (%s), which is replaced', async (_, how) => {
    const node = await start();
    await crash(node, how);
    await until(() => events(node, 'worker.exit').length === 1, 'the end of the worker');
    expect(events(node, 'worker.error')[0]).toMatchObject({ level: 'error' });
    expect(String(events(node, 'worker.error')[0]!.stack)).toContain('worker.ts');
    expect(events(node, 'worker.exit')[0]).toMatchObject({ code: 1, restartInMs: 0 });
    await serves(node);
    expect(node.exit).toBeNull();
  });

  it.each([
    ['an exception', 'throw new Error("planted")'],
    ['a rejection', 'Promise.reject(new Error("planted"))'],
  ])('ends the process when it is in the control plane (%s), after it was told', async (name, act) => {
    const { env } = planted(name, `if (isMainThread) process.on('SIGWINCH', () => { ${act}; });`);
    const node = await start(env);
    node.child.kill('SIGWINCH');
    expect(await node.ended()).toEqual({ code: 1, signal: null });
    const [told] = events(node, 'node.crash');
    expect(told).toMatchObject({ level: 'error' });
    expect(told!.message).toContain('planted');
    expect(told!.stack).toContain(`${name}.mjs`.replace(' ', '%20'));
  });
});

describe('workers that die', () => {
  it('all at once are replaced all at once', async () => {
    const { env, bomb } = planted(
      'all',
      `if (!isMainThread) setInterval(() => {
         if (isArmed() && performance.now() > 1000) throw new Error('planted');
       }, 20).unref();`,
    );
    const node = await start(env);
    await until(() => node.events.some(({ type }) => type === 'node.ready'), 'readiness');
    writeFileSync(bomb, '');
    await until(() => events(node, 'worker.exit').length >= 2, 'the end of both');
    rmSync(bomb);
    await serves(node);
    expect(
      events(node, 'worker.exit')
        .slice(0, 2)
        .map(({ restartInMs }) => restartInMs),
    ).toEqual([0, 0]);
    expect(new Set(events(node, 'worker.exit').map(({ worker }) => worker))).toEqual(new Set([0, 1]));
    expect(await node.metric('fermat_worker_restarts_total')).toBe(events(node, 'worker.exit').length);
    expect(node.exit).toBeNull();
  });

  it('at the start end the process, which says so', async () => {
    const { env } = planted('start', `if (!isMainThread) throw new Error('planted');`);
    fermat = spawnFermat(config(), { env });
    expect(await fermat.ended(15_000)).toEqual({ code: 1, signal: null });
    expect(fermat.stderr).toContain('planted');
    expect(fermat.stderr).toContain('worker 0 ended before it listened');
  });

  it('over a new configuration get it at their birth, and the reload succeeds', async () => {
    const { env, bomb } = planted(
      'reload',
      `import { rmSync } from 'node:fs';
       if (!isMainThread) parentPort.on('message', ({ type }) => {
         if (type !== 'snapshot' || !isArmed()) return;
         rmSync(${JSON.stringify(join(scratch, 'reload.bomb'))});
         throw new Error('planted');
       });`,
    );
    const node = await start(env);
    node.writeConfig(config({ routes: [{ path: '/', respond: { status: 200, body: 'new' } }] }));
    writeFileSync(bomb, '');
    expect((await node.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await until(() => events(node, 'worker.exit').length === 1, 'the end of the first one');
    await serves(node);
    const texts = await Promise.all(Array.from({ length: 20 }, async () => (await exchange(node.port, get())).text));
    expect(new Set(texts)).toEqual(new Set(['new']));
  });

  it('in a successor end it, and the one that runs goes on', async () => {
    const { env, bomb } = planted('successor', `if (!isMainThread && isArmed()) throw new Error('planted');`);
    const node = await start(env);
    writeFileSync(bomb, '');
    const { status, text } = await askToReplace(node);
    expect([status, text]).toEqual([500, expect.stringContaining('ended before it listened')]);
    rmSync(bomb);
    await serves(node);
    expect(await pidOf(node)).toBe(node.pid);
    expect(events(node, 'worker.exit')).toEqual([]);
  }, 20_000);
});
