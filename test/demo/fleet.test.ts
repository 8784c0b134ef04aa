import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Fleet } from '../../src/demo/fleet.ts';
import { planOf } from '../../src/demo/plan.ts';
import { until } from '../support/until.ts';

const EDGE = 'aws:eu-central-1';
const NEAR = 'aws:eu-central-1';
const FAR = 'aws:us-east-1';

let fleet: Fleet | null = null;
afterEach(async () => {
  await fleet?.stop();
  fleet = null;
});

async function started(): Promise<Fleet> {
  const plan = planOf(EDGE, [NEAR, FAR]);
  if (plan.problem !== null) throw new Error(plan.problem);
  fleet = await Fleet.start(EDGE, plan.origins);
  return fleet;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly tookMs: number;
}

/** On a connection of its own; rejects when there is no answer. */
function get(port: number, headers: Record<string, string> = {}): Promise<Answer> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body, tookMs: performance.now() - startMs }));
    });
    sent.on('error', reject).end();
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the origins of the demo', () => {
  it('answer as late as their region is far away, and say who they are', async () => {
    const { ports } = await started();
    const far = await get(ports[FAR]!);
    expect(far.status).toBe(200);
    expect(far.body).toMatch(
      /^Hello from aws:us-east-1, US East \(N\. Virginia\): 8\d\.\d ms from aws:eu-central-1\n$/,
    );
    expect(far.tookMs).toBeGreaterThan(84);
    const near = JSON.parse((await get(ports[NEAR]!, { Accept: 'application/json' })).body);
    expect(near).toMatchObject({ region: NEAR, place: 'Europe (Frankfurt)', edge: EDGE });
    expect(near.rttMs).toBeLessThan(1);
  });

  it('refuse connections when killed and answer on the same port when revived', async () => {
    const origins = await started();
    expect(await origins.act('kill', null)).toEqual({ region: NEAR, problem: null });
    expect(origins.stateOf(NEAR)).toBe('down');
    await expect(get(origins.ports[NEAR]!)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await origins.act('revive', null)).toEqual({ region: NEAR, problem: null });
    expect((await get(origins.ports[NEAR]!)).status).toBe(200);
  });

  it('reset what is under way when killed', async () => {
    const origins = await started();
    const waiting = get(origins.ports[FAR]!);
    waiting.catch(() => undefined);
    await until(async () => (await get(origins.ports[NEAR]!)).status === 200); // the far one has been asked by now
    await origins.act('kill', 'us-east-1');
    await expect(waiting).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|ECONNREFUSED/) });
  });

  it('answer late while degraded', async () => {
    const origins = await started();
    await origins.act('degrade', NEAR);
    expect((await get(origins.ports[NEAR]!)).tookMs).toBeGreaterThan(295);
  });

  it('are broken nearest first and mended nearest first, until there is nothing left to do', async () => {
    const origins = await started();
    expect(await origins.act('degrade', null)).toMatchObject({ region: NEAR });
    expect(await origins.act('kill', null)).toMatchObject({ region: FAR }); // the best that is well
    expect(await origins.act('degrade', null)).toEqual({ problem: 'nothing to degrade' });
    expect(await origins.act('kill', null)).toMatchObject({ region: NEAR }); // slow is better than nothing to kill
    expect(await origins.act('kill', null)).toEqual({ problem: 'nothing to kill' });
    expect(await origins.act('revive', null)).toMatchObject({ region: NEAR });
    expect(await origins.act('revive', null)).toMatchObject({ region: FAR });
    expect(await origins.act('revive', null)).toEqual({ problem: 'nothing to revive' });
    expect(await origins.act('kill', 'mars')).toEqual({ problem: `no region mars; there are ${NEAR}, ${FAR}` });
  });

  it('end with their parent, and take the guarded process and folder along when it vanishes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fermat-fleet-test-'));
    const script = `
      const { Fleet } = await import(${JSON.stringify(new URL('../../src/demo/fleet.ts', import.meta.url).href)});
      const { planOf } = await import(${JSON.stringify(new URL('../../src/demo/plan.ts', import.meta.url).href)});
      const { spawn } = await import('node:child_process');
      const fleet = await Fleet.start('${EDGE}', planOf('${EDGE}', ['${NEAR}']).origins);
      const guarded = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
      fleet.guard(guarded.pid, ${JSON.stringify(folder)});
      console.log(JSON.stringify({ keeper: fleet.pid, guarded: guarded.pid }));
    `;
    const parent: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const line = await new Promise<string>((resolve) => parent.stdout!.once('data', (bytes) => resolve(String(bytes))));
    const { keeper, guarded } = JSON.parse(line);
    expect(isAlive(keeper) && isAlive(guarded) && existsSync(folder)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !isAlive(keeper) && !isAlive(guarded));
    expect(existsSync(folder)).toBe(false);
  });
});
