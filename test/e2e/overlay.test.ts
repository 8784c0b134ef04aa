// Two real edges and an origin, with every way between them as long as a test wants it: the faster way is taken, whether it leads
// over the other edge or not, and no request is lost when one of them goes. Exact times are bench/fleet/overlay.ts's.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../support/cluster.ts';
import { type Edges, startEdges } from '../support/edges.ts';
import { until } from '../support/until.ts';

const DIRECT_MS = 20;
const HOP_MS = 20;
const RATE = 100;

let edges: Edges;

beforeAll(async () => {
  edges = await startEdges({ count: 2, directMs: () => DIRECT_MS, hopMs: () => HOP_MS, trust: 'secret' });
});
afterAll(() => edges?.[Symbol.asyncDispose]());

const ask = (count: number): Promise<Answer[]> => edges.cluster.ask(0, count, RATE);
const failedOf = (answers: readonly Answer[]) => answers.filter(({ status }) => status !== 200);

interface Candidate {
  readonly id: string;
  readonly via?: string;
  readonly why: string;
  readonly role: string;
  readonly scoreMs: number;
}

async function candidates(): Promise<Candidate[]> {
  const explained = await edges.cluster.nodes[0]!.json<{ candidates: Candidate[] }>(
    '/api/v1/explain?client=203.0.113.5&path=/',
  );
  return explained.candidates;
}

/** Of the requests that were answered since, those that went over the other edge. 0…1 */
async function relayShare(send: () => Promise<Answer[]>): Promise<{ share: number; answers: Answer[] }> {
  const relayed = () => edges.cluster.nodes[0]!.metric('fermat_overlay_requests_total', 'result="ok"');
  const before = await relayed();
  const answers = await send();
  await until(
    async () => (await edges.cluster.nodes[0]!.metric('fermat_endpoint_inflight')) === 0,
    'all to be settled',
  );
  return { share: ((await relayed()) - before) / answers.length, answers };
}

/** Asks until most requests take the relay, or (false) hardly any; none may fail meanwhile. */
async function untilRelayed(isRelayed: boolean): Promise<void> {
  await until(
    async () => {
      const { share, answers } = await relayShare(() => ask(40));
      expect(failedOf(answers)).toEqual([]);
      return isRelayed ? share >= 0.9 : share <= 0.1;
    },
    `requests to take the ${isRelayed ? 'relay' : 'direct path'}`,
    20_000,
  );
}

describe('a route with overlay: fastest', () => {
  it('keeps to the direct path while that is as good, and shows the other one standing by', async () => {
    await untilRelayed(false);
    const via = (await candidates()).find((candidate) => candidate.via === 'n1');
    expect(via).toMatchObject({ id: 'shop-1 via n1', why: 'stands by: the direct path is as good', role: 'out' });
    expect(via!.scoreMs).toBeGreaterThan(HOP_MS);
    expect(via!.scoreMs).toBeLessThan(1000);
  });

  it('does not ask an endpoint that answers badly once more over the other edge', async () => {
    const before = await edges.cluster.asked(0);
    await edges.cluster.origin(0, { status: 503 });
    const answers = await ask(20);
    await edges.cluster.origin(0, { status: 200 });
    expect(answers.map(({ status }) => status)).toEqual(new Array(20).fill(503));
    expect((await edges.cluster.asked(0)) - before).toBe(20);
  });

  it('goes over the other edge when the direct path is cut, and back, and loses no request by it', async () => {
    const asked = ask(100);
    await edges.cutDirect(0, true);
    expect(failedOf(await asked)).toEqual([]);
    await until(async () => (await candidates())[0]?.via === 'n1', 'the relay to be taken');
    expect((await candidates())[0]).toMatchObject({ via: 'n1', why: 'taken: the direct path is down' });
    await edges.cutDirect(0, false);
    await untilRelayed(false);
  });

  it('goes over the other edge when the direct path has become slow, and loses no request when that edge goes', async () => {
    await edges.direct(0, DIRECT_MS + 150);
    await untilRelayed(true);
    expect((await candidates())[0]).toMatchObject({ via: 'n1', why: 'taken: faster than the direct path' });
    const asked = ask(100);
    await edges.cluster.nodes[1]!.kill();
    expect(failedOf(await asked)).toEqual([]);
    const isGone = async () => (await edges.cluster.nodes[0]!.metric('fermat_overlay_peer_reachable', '"n1"')) === 0;
    await until(isGone, 'the peer to be called gone', 10_000);
    await edges.direct(0, DIRECT_MS);
    await untilRelayed(false);
  });
});
