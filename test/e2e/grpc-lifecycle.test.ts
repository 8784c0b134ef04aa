// Reloads and drains under gRPC calls of every kind: none is lost.

import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { poolOf, simpleConfig, startFermat } from '../support/fermat.ts';
import { type EchoClient, endOf, metadataOf } from '../support/grpc.ts';
import { clientTo, echo, ends, proxy, rig, startBalancer, urlOf } from '../support/grpc-rig.ts';
import { delay, until, within } from '../support/until.ts';

describe('under calls', () => {
  /** Calls of every kind without a pause, until stopped. Gives how many there were, and what failed. */
  function load(client: EchoClient): { calls: () => number; stop: () => Promise<string[]> } {
    const failures: string[] = [];
    let calls = 0;
    let isOver = false;
    ends.push(() => {
      isOver = true;
    });
    const note = (error: { code?: number; details?: string }): void =>
      void failures.push(`${error.code} ${error.details}`);
    const callers = Array.from({ length: 12 }, async (_, i) => {
      while (!isOver && failures.length < 100) {
        calls++;
        if (i % 3 === 0) {
          let count = 0;
          const end = await endOf(
            client.repeat('20 500', { metadata: metadataOf({ 'x-echo-t': 'e' }) }),
            () => count++,
          );
          if (end.code !== status.OK) note(end);
          else if (count !== 20 || end.metadata.get('t')[0] !== 'e') note({ details: `a clean end after ${count}` });
        } else if (i % 3 === 1) {
          const text = `${i} ${calls}`;
          await client
            .unary(text)
            .then((got) => got.message.toString() !== text && note({ details: 'mixed up' }), note);
        } else
          await client
            .collect([Buffer.alloc(10), Buffer.alloc(5)])
            .then((got) => got !== '2 15' && note({ details: got }), note);
      }
    });
    return {
      calls: () => calls,
      stop: async () => {
        isOver = true;
        await within(10_000, 'the last calls', Promise.all(callers));
        return failures;
      },
    };
  }

  it('a reload loses none', async () => {
    const { server, fermat, client } = await rig();
    const { calls, stop } = load(client);
    for (let i = 0; i < 5; i++) {
      const before = calls();
      await until(() => calls() > before + 100, 'some calls');
      fermat.writeConfig(simpleConfig([urlOf(server)], { timeouts: { firstByte: `${20 + i}s` } }));
      const reload = await fermat.json<{ ok: boolean }>('/api/v1/reload', { method: 'POST' });
      expect(reload.ok).toBe(true);
    }
    expect(await stop()).toEqual([]);
  });

  it('a reload that takes their endpoint away loses none', async () => {
    const [first, second] = [await echo(), await echo()];
    const fermat = await proxy(simpleConfig([urlOf(first)]));
    const client = clientTo(fermat.port);
    const { calls, stop } = load(client);
    for (let i = 0; i < 4; i++) {
      const before = calls();
      await until(() => calls() > before + 100, 'some calls');
      const config = { pools: { main: poolOf([urlOf(i % 2 === 0 ? second : first)], {}, i % 2 === 0 ? 'b' : 'a') } };
      fermat.writeConfig({ ...config, routes: [{ pool: 'main' }] });
      expect((await fermat.json<{ ok: boolean }>('/api/v1/reload', { method: 'POST' })).ok).toBe(true);
    }
    expect(await stop()).toEqual([]);
    expect(second.calls.length).toBeGreaterThan(0);
  });

  // GOAWAY moves the channel on; what was refused behind it, or had no connection yet, the library sends again by itself.
  it('a drain finishes what has begun, and new calls go elsewhere without a failure', async () => {
    const server = await echo();
    const config = { ...simpleConfig([urlOf(server)]), shutdown: { drainDelay: '1s', timeout: '10s' } };
    const old = await startFermat(config);
    const next = await proxy(config);
    const balancer = await startBalancer(old.port);
    const client = clientTo(balancer.port);
    const long = client.chat();
    const heard: string[] = [];
    const longEnd = endOf(long, (text) => heard.push(text.toString()));
    long.write(Buffer.from('before'));
    await until(() => heard.length === 1, 'the long call');
    const { calls, stop } = load(client);
    await until(() => calls() > 100, 'some calls');
    old.child.kill('SIGTERM');
    await until(async () => (await old.admin('/readyz')).status === 503, 'the drain to be seen');
    balancer.to = next.port;
    await until(async () => (await next.metric('fermat_requests_total')) > 200, 'calls at the successor');
    await delay(1500);
    expect(await stop()).toEqual([]);
    long.write(Buffer.from('after'));
    long.end();
    expect((await longEnd).code).toBe(status.OK);
    expect(heard).toEqual(['before', 'after']);
    expect(await old.ended()).toEqual({ code: 0, signal: null });
  });
});
