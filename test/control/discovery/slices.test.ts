// EndpointSlices as clusters write them, to entries.

import { describe, expect, test } from 'vitest';
import { entriesOf, regionOf, type Slice } from '../../../src/control/discovery/slices.ts';
import type { KubernetesSpec } from '../../../src/control/discovery/spec.ts';

const SPEC: KubernetesSpec = {
  kind: 'kubernetes',
  service: 'shop',
  namespace: null,
  port: null,
  scheme: 'http',
  kubeconfig: null,
  zones: {},
};

const sliceOf = (endpoints: Slice['endpoints'], more: Partial<Slice> = {}): Slice => ({
  metadata: { name: 'shop-abc' },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: endpoints ?? null,
  ...more,
});

const urlsOf = (slices: readonly Slice[], spec: Partial<KubernetesSpec> = {}) =>
  entriesOf(slices, { ...SPEC, ...spec }).map(({ endpoint }) => endpoint.url);

describe('conditions', () => {
  const at = (address: string, conditions: object | null) => ({ addresses: [address], conditions });

  test('what is not said is ready; what is not ready, or ends, is not used', () => {
    const slice = sliceOf([
      at('10.0.0.1', null),
      at('10.0.0.2', {}),
      at('10.0.0.3', { ready: null, serving: null, terminating: null }),
      at('10.0.0.4', { ready: false }),
      at('10.0.0.5', { ready: false, serving: true, terminating: true }),
      at('10.0.0.6', { ready: true, serving: true, terminating: true }),
    ]);
    expect(urlsOf([slice])).toEqual(['http://10.0.0.1:8080', 'http://10.0.0.2:8080', 'http://10.0.0.3:8080']);
  });

  test('where none is ready, those that end and still serve are better than nobody', () => {
    const slice = sliceOf([
      at('10.0.0.1', { ready: false }),
      at('10.0.0.2', { ready: false, serving: true, terminating: true }),
      at('10.0.0.3', { ready: false, serving: false, terminating: true }),
    ]);
    expect(urlsOf([slice])).toEqual(['http://10.0.0.2:8080']);
  });
});

describe('ports', () => {
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'metrics', port: 9090 },
    { name: 'http', port: 8080, protocol: 'TCP' },
  ];
  const slice = sliceOf([{ addresses: ['10.0.0.1'] }], { ports });

  test('are chosen by name or number; without either it is the first over TCP', () => {
    expect(urlsOf([slice])).toEqual(['http://10.0.0.1:9090']);
    expect(urlsOf([slice], { port: 'http' })).toEqual(['http://10.0.0.1:8080']);
    expect(urlsOf([slice], { port: 8080, scheme: 'h2c' })).toEqual(['h2c://10.0.0.1:8080']);
  });

  test('that are not there leave nobody', () => {
    expect(urlsOf([slice], { port: 'grpc' })).toEqual([]);
    expect(urlsOf([sliceOf([{ addresses: ['10.0.0.1'] }], { ports: null })])).toEqual([]);
  });
});

test('a pod with addresses of both families is one endpoint, by IPv4', () => {
  const targetRef = { kind: 'Pod', name: 'shop-1', uid: 'u1' };
  const six = sliceOf([{ addresses: ['fd00::1'], targetRef }], { addressType: 'IPv6' });
  const four = sliceOf([{ addresses: ['10.0.0.1'], targetRef }]);
  expect(urlsOf([six, four])).toEqual(['http://10.0.0.1:8080']);
  expect(urlsOf([six])).toEqual(['http://[fd00::1]:8080']);
});

test('zone, node and pod are labels, and labels of the service say weight and capacity', () => {
  const metadata = { name: 'shop-abc', labels: { 'fermat/weight': '3', 'fermat/capacity': '250' } };
  const targetRef = { kind: 'Pod', name: 'shop-1', uid: 'u1' };
  const member = { addresses: ['10.0.0.1'], zone: 'europe-west3-b', nodeName: 'node-7', targetRef };
  expect(entriesOf([sliceOf([member], { metadata })], SPEC)).toEqual([
    {
      at: 'shop-1 of shop-abc',
      endpoint: {
        url: 'http://10.0.0.1:8080',
        region: 'gcp:europe-west3',
        weight: 3,
        capacity: 250,
        labels: { zone: 'europe-west3-b', node: 'node-7', pod: 'shop-1' },
      },
    },
  ]);
});

test.each([
  ['eu-central-1a', 'aws:eu-central-1'],
  ['us-east-1f', 'aws:us-east-1'],
  ['europe-west1-d', 'gcp:europe-west1'],
  ['westeurope-2', 'azure:westeurope'],
  ['rack-17', null],
  ['', null],
])('the zone %j is in %s', (zone, region) => {
  expect(regionOf(zone, {})).toBe(region);
});

test('a zone that the configuration names is where that says', () => {
  expect(regionOf('rack-17', { 'rack-17': 'aws:eu-central-1' })).toBe('aws:eu-central-1');
});
