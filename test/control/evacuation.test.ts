// The preview of an evacuation over decisions of a real selector and capture, without a process.

import { describe, expect, it } from 'vitest';
import type { Evacuation, EvacuationQuery } from '../../src/control/evacuation/types.ts';
import { Evacuations } from '../../src/control/evacuation.ts';
import { newKnown } from '../../src/control/fleet/known.ts';
import { type PoolState, poolStateOf } from '../../src/control/fleet/ranking.ts';
import type { Refusal } from '../../src/control/types.ts';
import { Decided, type DecidedOptions } from '../support/decided.ts';
import { PROBE } from '../support/world.ts';

/** A pool of e0 … e4 in regions aws:r0 … aws:r4, what it has decided, and the questions. */
class Rig {
  readonly decided: Decided;
  readonly state: PoolState;
  readonly evacuations: Evacuations;
  /** Requests that each endpoint got, written down or not. */
  readonly sent = new Map<string, number>();

  constructor(options: DecidedOptions = {}) {
    this.decided = new Decided(options);
    const { snapshot, decisions } = this.decided;
    const [spec] = snapshot.pools;
    const members = snapshot.endpoints.map((endpoint) => newKnown(endpoint, 0, PROBE, 0));
    for (const k of members) k.health.state = 'healthy';
    this.state = poolStateOf(undefined, spec!, members, [{ at: 0, spec: snapshot.rows[0]! }], 0);
    const config = { pools: [{ ...spec!, endpoints: snapshot.endpoints, discover: [], probe: PROBE }], routes: [] };
    this.evacuations = new Evacuations({
      clock: () => performance.now(),
      newest: () => decisions.journal.newest(),
      pools: () => [this.state],
      config: () => config as unknown as ReturnType<ConstructorParameters<typeof Evacuations>[0]['config']>,
      edge: () => ({ latDeg: 50, lonDeg: 8 }),
    });
  }

  /** `beats` quarters of a second with so many requests each. */
  serve(beats: number, requests: number): void {
    for (let beat = 0; beat < beats; beat++) {
      for (let i = 0; i < requests; i++) {
        const id = `e${this.decided.request(12) / 3}`;
        this.sent.set(id, (this.sent.get(id) ?? 0) + 1);
      }
      this.decided.tick();
      this.decided.publish();
      this.decided.capture.beat();
    }
  }

  ask(query: Partial<EvacuationQuery>): Promise<Evacuation | Refusal> {
    return this.evacuations.preview({ regions: [], endpoints: [], pool: null, ...query });
  }

  async preview(query: Partial<EvacuationQuery>): Promise<Evacuation> {
    const answer = await this.ask(query);
    if ('status' in answer) throw new Error(answer.message);
    return answer;
  }
}

describe('the preview of an evacuation', () => {
  it('takes a sample for all that it stands for, also where the rate changed meanwhile', async () => {
    // Every third request may explore, and those are written down on top of the sample.
    const rig = new Rig({ pool: { exploreRatio: 0.1 }, row: { band: 2, overflow: 3, explorable: 3 } });
    rig.serve(30, 4);
    rig.serve(30, 400);
    const { pools, decisions } = await rig.preview({ regions: ['aws:r4'] });
    expect(decisions).toBeLessThan(700);
    const total = [...rig.sent.values()].reduce((a, b) => a + b, 0);
    for (const { id, now } of pools[0]!.endpoints) {
      const real = (rig.sent.get(id) ?? 0) / total;
      expect(Math.abs(now.share - real), `${id}: ${now.share}, really ${real}`).toBeLessThan(0.06);
    }
  });

  it('gives what an endpoint had to the others, and to no other than before what was not its', async () => {
    const rig = new Rig();
    rig.serve(40, 8);
    const { pools, countries, removed, note } = await rig.preview({ endpoints: ['e0'] });
    expect([removed, note]).toEqual([['e0'], null]);
    const [pool] = pools;
    const of = (id: string) => pool!.endpoints.find((endpoint) => endpoint.id === id)!;
    expect(of('e0').now.share).toBeGreaterThan(0.2);
    expect(of('e0').then.share).toBe(0);
    expect(of('e1').then.share).toBeGreaterThan(of('e1').now.share);
    expect(pool!.endpoints.reduce((sum, { then }) => sum + then.share, 0)).toBeCloseTo(1, 3);
    expect(countries).toHaveLength(1);
    const [{ country, requests, now, then }] = countries as [Evacuation['countries'][number]];
    expect([country, requests > 200]).toEqual([null, true]);
    // e0 is ten ms nearer than e1.
    expect(then.p50Ms).toBeGreaterThan(now.p50Ms!);
  });

  it('says so when there is little to go by, and when there is nothing', async () => {
    const rig = new Rig();
    const none = await rig.preview({ endpoints: ['e0'] });
    expect(none).toMatchObject({ decisions: 0, sinceIso: null, countries: [] });
    expect(none.note).toContain('no decision is recorded yet');
    expect(none.pools[0]!.endpoints).toHaveLength(5);
    rig.serve(1, 8);
    const few = await rig.preview({ endpoints: ['e0'] });
    expect(few.note).toMatch(/^only \d+ decisions are recorded/);
  });

  it('counts as unserved what has nowhere to go', async () => {
    const rig = new Rig();
    rig.serve(10, 8);
    const { pools } = await rig.preview({ endpoints: ['e0', 'e1', 'e2'], regions: ['aws:r3', 'aws:r4'] });
    expect(pools[0]!.unserved).toBe(1);
    expect(pools[0]!.regions.every(({ then }) => then.share === 0)).toBe(true);
  });

  // Before the first request, draining everything was said to leave nobody without an endpoint.
  it('foretells that nobody is left, also before there was a request', async () => {
    const rig = new Rig();
    const all = { endpoints: ['e0', 'e1', 'e2', 'e3', 'e4'] };
    expect((await rig.preview(all)).pools[0]!.unserved).toBe(1);
    expect((await rig.preview({ endpoints: ['e0'] })).pools[0]!.unserved).toBe(0);
    for (const k of rig.state.members.slice(1)) k.health.state = 'unhealthy';
    expect((await rig.preview({ endpoints: ['e0'] })).pools[0]!.unserved).toBe(1);
    expect((await rig.preview({ endpoints: ['e1'] })).pools[0]!.unserved).toBe(0);
  });

  // A region that was emptied showed that it can take 0.0, also where nobody had ever said what it can.
  it('knows what is left of a capacity only where one was configured', async () => {
    const rig = new Rig({ ids: (i) => ({ capacity: i === 0 ? 40 : 0 }) });
    rig.serve(10, 8);
    const { pools } = await rig.preview({ endpoints: ['e0', 'e1'] });
    const [pool] = pools;
    const of = (id: string) => pool!.endpoints.find((endpoint) => endpoint.id === id)!.capacity;
    const inside = (name: string) => pool!.regions.find(({ region }) => region === name)!.capacity;
    expect([of('e0'), of('e1'), of('e2')]).toEqual([0, null, null]);
    expect([inside('aws:r0'), inside('aws:r1'), inside('aws:r2')]).toEqual([0, null, null]);
    rig.state.members[2]!.health.state = 'unhealthy';
    expect((await rig.preview({ endpoints: ['e0'] })).pools[0]!.endpoints.find(({ id }) => id === 'e2')!.capacity).toBe(
      null,
    );
  });

  it('sends nothing to who is drained already, and on to the next best what a region cannot take', async () => {
    const rig = new Rig({ ids: (i) => ({ capacity: i === 2 ? 40 : 1000 }) });
    rig.serve(40, 8);
    for (const k of rig.state.members) k.requestsPerSecond = 20;
    rig.state.members[1]!.isDraining = true;
    const { pools, removed, note } = await rig.preview({ endpoints: ['e0'] });
    expect([removed, note]).toEqual([['e0'], null]);
    const of = (id: string) => pools[0]!.endpoints.find((endpoint) => endpoint.id === id)!;
    expect([of('e1').then.share, of('e1').capacity]).toEqual([0, 0]);
    // Nearest of those that are left: all would go there.
    expect(of('e2').then.requestsPerSecond).toBeGreaterThan(30);
    expect(of('e2').then.requestsPerSecond).toBeLessThan(40);
    expect(of('e3').then.requestsPerSecond).toBeGreaterThan(40);
  });

  it('warns where nobody has room for what a region cannot take', async () => {
    const rig = new Rig({ ids: (i) => ({ capacity: i === 0 ? 1000 : 20 }) });
    rig.serve(40, 8);
    for (const k of rig.state.members) k.requestsPerSecond = 40;
    const { pools, note } = await rig.preview({ endpoints: ['e0'] });
    expect(note).toMatch(/more than aws:r\d can take, and nobody else has room for it/);
    expect(pools[0]!.unserved).toBe(0);
  });

  // What moves was not added to the load that times are predicted at: one endpoint took everything, as quickly as ever.
  it('predicts the times of who gets more at the load that comes, and spreads it as those make it', async () => {
    const rig = new Rig({ row: { band: 1, overflow: 3 } });
    rig.serve(40, 8);
    const at = async (requestsPerSecond: number) => {
      for (const k of rig.state.members) k.requestsPerSecond = requestsPerSecond;
      const { pools, countries } = await rig.preview({ endpoints: ['e0'] });
      const shares = pools[0]!.endpoints.map(({ id, then }) => [id, then.share] as const);
      return { share: new Map(shares), ...countries[0]! };
    };
    const idle = await at(0);
    const quiet = await at(1);
    const busy = await at(1000);
    for (const [id, share] of idle.share) expect(Math.abs(quiet.share.get(id)! - share), id).toBeLessThan(0.05);
    expect(busy.now).toEqual(idle.now);
    expect(busy.then.p50Ms).toBeGreaterThan(idle.then.p50Ms! + 3);
    expect(busy.share.get('e1')).toBeLessThan(idle.share.get('e1')! - 0.1);
    expect(busy.share.get('e3')).toBeGreaterThan(idle.share.get('e3')! + 0.05);
    expect([...busy.share.values()].reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 2);
  });

  it('answers one question after the other, and refuses when too many wait', async () => {
    const rig = new Rig();
    rig.serve(20, 8);
    const answers = await Promise.all(Array.from({ length: 12 }, () => rig.ask({ endpoints: ['e0'] })));
    expect(answers.filter((answer) => 'decisions' in answer)).toHaveLength(8);
    expect(answers.filter((answer) => 'status' in answer && answer.code === 'busy')).toHaveLength(4);
    expect(await rig.ask({ endpoints: ['e0'] })).toHaveProperty('decisions');
  });

  it('refuses names that nobody has', async () => {
    const rig = new Rig();
    expect(await rig.ask({ regions: ['aws:r9'] })).toMatchObject({ status: 404, code: 'no_such_region' });
    expect(await rig.ask({ endpoints: ['e9'] })).toMatchObject({ status: 404, code: 'no_such_endpoint' });
    expect(await rig.ask({ endpoints: ['e0'], pool: 'shopp' })).toMatchObject({
      status: 404,
      code: 'no_such_pool',
      message: 'there is no pool shopp; did you mean shop?',
    });
  });
});
