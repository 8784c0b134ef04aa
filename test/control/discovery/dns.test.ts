// Names as a source, asked of a real name server over UDP.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DnsSource } from '../../../src/control/discovery/dns.ts';
import type { DnsSpec } from '../../../src/control/discovery/spec.ts';
import { type DnsServer, startDns } from '../../support/dns.ts';
import { until } from '../../support/until.ts';
import { oneSource, tools } from './support.ts';

const rig = oneSource();

describe('a name', () => {
  let dns: DnsServer;
  beforeEach(async () => {
    dns = await startDns();
  });
  afterEach(() => dns.close());

  const begin = (more: Partial<DnsSpec> = {}): void => {
    const spec: DnsSpec = {
      kind: 'dns',
      name: 'shop.test',
      type: 'A',
      port: 8080,
      scheme: 'http',
      intervalMs: 30_000,
      ...more,
    };
    rig.start(new DnsSource(spec, rig.sink, tools, [dns.address]));
  };

  test('is every address of its type, asked again when the TTL is over', async () => {
    dns.set('shop.test', ['10.0.0.1', '10.0.0.2', 'fd00::1'], 1);
    begin();
    await rig.told('http://10.0.0.1:8080', 'http://10.0.0.2:8080');
    dns.set('shop.test', ['10.0.0.2', '10.0.0.3'], 1);
    await rig.told('http://10.0.0.2:8080', 'http://10.0.0.3:8080');
    const [first, second] = dns.questions.filter(({ type }) => type === 'A');
    expect(second!.atMs - first!.atMs).toBeGreaterThan(900);
  });

  test('is its IPv6 addresses with type AAAA', async () => {
    dns.set('shop.test', ['10.0.0.1', 'fd00::1'], 1);
    begin({ type: 'AAAA', scheme: 'h2c' });
    await rig.told('h2c://[fd00::1]:8080');
  });

  test('without records of the type is an answer, one that does not exist or is not answered a failure', async () => {
    dns.set('shop.test', ['fd00::1'], 1);
    begin({ intervalMs: 1000 });
    await rig.told();
    dns.zone.set('shop.test', 'nxdomain');
    await until(() => rig.sink.failures.length > 0, 'the failure');
    expect(rig.sink.failures[0]).toBe('shop.test is not resolved (ENOTFOUND)');
    dns.zone.set('shop.test', 'servfail');
    await until(() => rig.sink.failures.some((text) => text.includes('ESERVFAIL')), 'the other failure');
    dns.set('shop.test', ['10.0.0.1'], 1);
    await rig.told('http://10.0.0.1:8080');
  });

  test('of type SRV brings ports, weights and priorities', async () => {
    const services = [
      { priority: 10, weight: 60, port: 81, target: 'a.shop.test' },
      { priority: 10, weight: 0, port: 82, target: 'b.shop.test' },
      { priority: 20, weight: 0, port: 83, target: 'c.shop.test' },
    ];
    dns.zone.set('_http._tcp.shop.test', { addresses: [], services });
    begin({ name: '_http._tcp.shop.test', type: 'SRV', port: 0, intervalMs: 1000 });
    await rig.told('http://a.shop.test:81', 'http://b.shop.test:82', 'http://c.shop.test:83');
    const byUrl = new Map(rig.sink.answers[0]!.map(({ endpoint, tier }) => [endpoint.url, [endpoint.weight, tier]]));
    expect(byUrl.get('http://a.shop.test:81')).toEqual([60, 10]);
    expect(byUrl.get('http://b.shop.test:82')).toEqual([0.1, 10]);
    expect(byUrl.get('http://c.shop.test:83')).toEqual([0.1, 20]);
    dns.zone.set('_http._tcp.shop.test', {
      addresses: [],
      services: [{ priority: 0, weight: 0, port: 84, target: 'd.shop.test' }],
    });
    await rig.told('http://d.shop.test:84');
    expect(rig.sink.answers.at(-1)![0]!.endpoint.weight).toBe(1);
  });
});
