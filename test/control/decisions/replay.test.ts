// Recorded decisions under another configuration, and files that are not what they should be.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/control/config/load.ts';
import { Alternative } from '../../../src/control/decisions/alternative.ts';
import { offPolicy, quantileOf, thinned } from '../../../src/control/decisions/estimate.ts';
import { parseRecord, type Recorded } from '../../../src/control/decisions/parse.ts';
import { type Comparison, compare, verify } from '../../../src/control/decisions/replay.ts';
import { Decided, type DecidedOptions } from '../../support/decided.ts';

const COUNTRIES = ['aws:eu-central-1', 'aws:eu-west-1', 'aws:us-east-1', 'aws:us-west-2', 'aws:ap-northeast-1'];

async function recorded(options: DecidedOptions = {}): Promise<Recorded[]> {
  const decided = new Decided({ endpoints: 5, ids: (i) => ({ region: COUNTRIES[i]! }), ...options });
  decided.ctx.mayExplore = true;
  decided.run(150, 15);
  const records = await decided.decisions.recent({ limit: 1024 });
  return records.map((record) => parseRecord(JSON.stringify(record)));
}

interface Other {
  readonly balance?: Record<string, unknown>;
  readonly endpoint?: (i: number) => Record<string, unknown>;
  readonly count?: number;
  readonly route?: Record<string, unknown>;
  readonly drained?: string[];
}

function alternative(records: readonly Recorded[], other: Other = {}): Alternative {
  const { balance = {}, endpoint = () => ({}), count = 5, route = {}, drained = [] } = other;
  const directory = mkdtempSync(join(tmpdir(), 'fermat-'));
  const file = join(directory, 'other.yaml');
  const endpoints = Array.from({ length: count }, (_, i) => ({
    url: `http://10.0.0.${i + 1}:80`,
    id: `e${i}`,
    ...(COUNTRIES[i] === undefined ? {} : { region: COUNTRIES[i] }),
    ...endpoint(i),
  }));
  const config = {
    listeners: [{ name: 'http', address: '127.0.0.1:0' }],
    pools: { shop: { endpoints, balance } },
    routes: [{ name: 'web', pool: 'shop', ...route }],
  };
  writeFileSync(file, JSON.stringify(config));
  const loaded = loadConfig(file, {});
  rmSync(directory, { recursive: true });
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return new Alternative(loaded.config, new Set(drained), records);
}

const afterOf = ({ shares }: Comparison) =>
  Object.fromEntries(shares.filter((s) => s.after > 0).map((s) => [s.endpoint, Math.round(s.after * 100) / 100]));

describe('under their own configuration', () => {
  it('every choice is reproduced, and nothing would have changed', async () => {
    const records = await recorded();
    expect(verify(records)).toEqual([]);
    const result = compare(records, alternative(records));
    expect(result).toMatchObject({ decisions: 150, picks: 150, changed: 0, unanswered: 0 });
    expect(result.meanMs.after).toBe(result.meanMs.before);
    expect(result.p99Ms.after).toBe(result.p99Ms.before);
    expect(result.offPolicy.mean).toBeCloseTo(15, 6);
  });

  it('a choice that was tampered with is found', async () => {
    const records = await recorded();
    const [first, ...rest] = records as [Recorded, ...Recorded[]];
    const place = first.place === 0 ? 1 : 0;
    const differences = verify([{ ...first, place }, ...rest]);
    expect(differences).toEqual([{ id: first.id, was: `e${place}`, is: first.endpoint }]);
  });
});

describe('under another', () => {
  it('policy, they go where that one sends them', async () => {
    const records = await recorded();
    const result = compare(records, alternative(records, { balance: { policy: 'round-robin' } }));
    expect(Object.keys(afterOf(result))).toHaveLength(5);
    expect(result.changed).toBeGreaterThan(75);
    expect(result.meanMs.after).toBeGreaterThan(result.meanMs.before * 1.2);
    expect(result.p99Ms.after).toBeGreaterThan(result.p99Ms.before);
  });

  it('band, a wide one spreads them and a narrow one gathers them', async () => {
    const records = await recorded();
    const wide = compare(records, alternative(records, { balance: { bandMs: 100 } }));
    const narrow = compare(
      records,
      alternative(records, { balance: { bandMs: 0, bandPercent: 0, explorePercent: 0 } }),
    );
    expect(afterOf(narrow).e0).toBeGreaterThan(0.9);
    expect(afterOf(wide).e0!).toBeLessThan(afterOf(narrow).e0!);
  });

  it('set of endpoints, nobody goes to one that is drained or gone, and new ones are named as unknown', async () => {
    const records = await recorded();
    const drained = alternative(records, { drained: ['e0'] });
    expect(Object.keys(afterOf(compare(records, drained)))).not.toContain('e0');
    const fewer = alternative(records, { count: 1 });
    expect(afterOf(compare(records, fewer))).toEqual({ e0: 1 });
    const more = alternative(records, { count: 7 });
    expect(compare(records, more).changed).toBe(0);
    expect([...more.unknownEndpoints]).toEqual(['e5', 'e6']);
    const none = compare(records, alternative(records, { drained: ['e0', 'e1', 'e2', 'e3', 'e4'] }));
    expect(none).toMatchObject({ unanswered: 150, changed: 150 });
  });

  it('residency, all stay inside', async () => {
    const records = await recorded();
    const result = compare(records, alternative(records, { route: { residency: ['US'] } }));
    expect(Object.keys(afterOf(result)).every((id) => ['e2', 'e3'].includes(id))).toBe(true);
    expect(result.unanswered).toBe(0);
  });

  it('price, what leaves a dear cloud goes to the cheap one once a dollar is worth the way', async () => {
    const records = await recorded();
    const price = (i: number) => ({ egressUsdPerGb: i === 0 ? 1000 : 0 });
    const dear = compare(records, alternative(records, { endpoint: price }));
    expect(afterOf(dear).e0).toBeGreaterThan(0.5);
    // 1,000 bytes at 1,000 USD/GB are 1,000 USD per million requests.
    expect(dear.usdPerMillion.after).toBeCloseTo(1000 * afterOf(dear).e0!, -1);
    const rho = compare(records, alternative(records, { endpoint: price, balance: { millisPerUsdPerMillion: 1 } }));
    expect(afterOf(rho).e0 ?? 0).toBe(0);
    expect(rho.usdPerMillion.after).toBe(0);
  });

  it('set of pools, it says which it does not know', async () => {
    const records = await recorded();
    const other = alternative(records);
    expect([other.knows('shop'), other.knows('images')]).toEqual([true, false]);
    expect(() => other.stateOf({ ...records[0]!, pool: 'images' })).toThrow('images');
  });
});

describe('a line', () => {
  it.each([
    ['{', 'not JSON'],
    ['[]', 'the line: expected an object'],
    ['{}', 'replay: expected an object'],
  ])('%s is refused: %s', (line, message) => {
    expect(() => parseRecord(line)).toThrow(message);
  });

  it('that lacks a term, a choice or a known policy says which', async () => {
    const [record] = await new Decided().decisions.recent();
    expect(record).toBeUndefined();
    const decided = new Decided();
    decided.request();
    decided.tick();
    const [whole] = JSON.parse(JSON.stringify(await decided.decisions.recent()));
    const broken = (change: (record: typeof whole) => void) => {
      const copy = structuredClone(whole);
      change(copy);
      return () => parseRecord(JSON.stringify(copy));
    };
    expect(broken(() => {})).not.toThrow();
    expect(broken((r) => delete r.candidates[2].terms.server)).toThrow('candidates[2].terms.server: expected a number');
    expect(broken((r) => (r.endpoint = 'nobody'))).toThrow('nobody is not among the candidates');
    expect(broken((r) => (r.settings.policy = 'fate'))).toThrow('settings.policy');
    expect(broken((r) => (r.role = 'extra'))).toThrow('role');
    expect(broken((r) => (r.candidates = []))).toThrow('candidates: expected at least one');
    expect(broken((r) => (r.replay.head.eligible = 99))).toThrow('more candidates than there are');
  });
});

describe('an estimate', () => {
  it('off policy is the mean under the other policy, where exploration supports it', () => {
    // Every tenth went to the second endpoint, by chance; the other policy would send all there.
    const trials = Array.from({ length: 1000 }, (_, i) => {
      const isSecond = i % 10 === 0;
      return {
        value: isSecond ? 8 : 20,
        weight: 1,
        propensity: isSecond ? 0.1 : 0.9,
        otherPropensity: isSecond ? 1 : 0,
      };
    });
    expect(offPolicy(trials)).toEqual({
      mean: 8,
      count: 1000,
      effective: expect.closeTo(100, 6),
      covered: 1,
      isSupported: true,
    });
    expect(offPolicy(trials.slice(0, 100)).isSupported).toBe(false);
    expect(offPolicy(trials.map((t) => ({ ...t, otherPropensity: 0 })))).toMatchObject({
      effective: 0,
      isSupported: false,
    });
  });

  it('of a quantile counts weights', () => {
    const all = [1, 2, 3, 4].map((value) => ({ value, weight: value === 4 ? 7 : 1 }));
    expect([quantileOf(all, 0.1), quantileOf(all, 0.3), quantileOf(all, 0.31)]).toEqual([1, 3, 4]);
    expect(thinned([5, 1, 4, 2, 3], 10)).toEqual([1, 2, 3, 4, 5]);
    expect(
      thinned(
        Array.from({ length: 100 }, (_, i) => i),
        4,
      ),
    ).toEqual([12, 37, 62, 87]);
  });
});
