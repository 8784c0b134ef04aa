import { describe, expect, it } from 'vitest';
import { regionsOf, rttOf } from '../../geoip/latency.ts';
import { endpointIdOf, type OriginPlan, planOf, sampleRttMs } from '../../src/demo/plan.ts';

function originsOf(edge: string, regions: string[] | null): readonly OriginPlan[] {
  const plan = planOf(edge, regions);
  if (plan.problem !== null) throw new Error(plan.problem);
  return plan.origins;
}

describe('the regions of the demo', () => {
  it('are six by default, the own region of the edge first and each farther than the one before', () => {
    for (const edge of ['aws:eu-central-1', 'aws:sa-east-1', 'gcp:asia-east1']) {
      const origins = originsOf(edge, null);
      expect(origins.map((origin) => origin.region)).toHaveLength(6);
      expect(origins[0]!.region).toBe(edge);
      const rtts = origins.map((origin) => origin.rtt.avgMs);
      expect(rtts).toEqual([...rtts].sort((a, b) => a - b));
      expect(new Set(origins.map((origin) => origin.region)).size).toBe(6);
    }
  });

  it('are as far from the edge as was measured, and have the names of their places', () => {
    const [frankfurt] = originsOf('aws:eu-central-1', null);
    expect(frankfurt!.rtt).toEqual(rttOf('aws', 'eu-central-1', 'eu-central-1'));
    expect(frankfurt!.place).toBe('Europe (Frankfurt)');
    expect(endpointIdOf(frankfurt!.region)).toBe('eu-central-1');
  });

  it('may be chosen, with or without the provider, in any order, and none counts twice', () => {
    const origins = originsOf('aws:us-east-1', ['ap-south-1', 'aws:us-east-1', ' us-east-1', 'aws:ap-south-1']);
    expect(origins.map((origin) => origin.region)).toEqual(['aws:us-east-1', 'aws:ap-south-1']);
  });

  it('are refused with what would have been right when the edge or a region is unknown', () => {
    expect(planOf('aws:eu-nowhere-9', null).problem).toContain('aws has af-south-1');
    expect(planOf('azure:westeurope', null).problem).toBe('--edge azure:westeurope: expected aws:REGION or gcp:REGION');
    expect(planOf('aws:eu-central-1', ['gcp:europe-west3']).problem).toContain('--regions gcp:europe-west3');
    expect(planOf('aws:eu-central-1', ['toString']).problem).toContain('--regions toString');
    expect(planOf('aws:eu-central-1', []).problem).toContain('at least one');
  });
});

describe('a sampled round trip', () => {
  it('stays inside what was measured and has the measured mean', () => {
    let state = 42;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    for (const to of regionsOf('aws')) {
      const rtt = rttOf('aws', 'eu-central-1', to)!;
      const samples = Array.from({ length: 2000 }, () => sampleRttMs(rtt, random));
      expect(Math.min(...samples)).toBeGreaterThanOrEqual(rtt.minMs);
      expect(Math.max(...samples)).toBeLessThanOrEqual(rtt.maxMs);
      const meanMs = samples.reduce((sum, ms) => sum + ms, 0) / samples.length;
      expect(Math.abs(meanMs - rtt.avgMs)).toBeLessThan(0.3);
    }
  });
});
