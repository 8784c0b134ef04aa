// Entries of sources held against the schema: bad ones are named and take nobody with them.

import { describe, expect, test } from 'vitest';
import { judge, MAX_FOUND } from '../../../src/control/discovery/entries.ts';
import { DIRECTORY, REGISTRY, specOf } from './support.ts';

const entry = (endpoint: Record<string, unknown>, at = 'here') => ({ at, endpoint });

describe('an entry', () => {
  test('has everything that a typed endpoint may have', () => {
    const told = {
      url: 'https://web-1:8443',
      id: 'web-1',
      region: 'aws:eu-central-1',
      weight: 3,
      capacity: 50,
      egressUsdPerGb: 0.09,
      labels: { rack: 'a' },
    };
    const { endpoints, problems } = judge([entry(told)], specOf(DIRECTORY));
    expect(problems).toEqual([]);
    expect(endpoints).toMatchObject([
      { ...told, host: 'web-1', port: 8443, scheme: 'https', location: { latDeg: 50.111 }, tier: 0 },
    ]);
  });

  test('has the defaults of its source where it is silent, and its own place without theirs', () => {
    const defaults = {
      region: 'aws:eu-west-1',
      location: { latDeg: 53.4, lonDeg: -6.3 },
      weight: 2,
      capacity: 9,
      egressUsdPerGb: 1,
      labels: { from: 'dns', rack: '?' },
    };
    const spec = specOf(DIRECTORY, { defaults });
    const { endpoints } = judge(
      [
        entry({ url: 'http://a', labels: { rack: 'b' }, region: null }),
        entry({ url: 'http://b', region: 'aws:us-east-1' }),
      ],
      spec,
    );
    expect(endpoints).toMatchObject([
      {
        host: 'a',
        region: 'aws:eu-west-1',
        weight: 2,
        capacity: 9,
        egressUsdPerGb: 1,
        labels: { from: 'dns', rack: 'b' },
      },
      { host: 'b', region: 'aws:us-east-1', weight: 2 },
    ]);
    expect(endpoints[1]!.location!.lonDeg).toBeLessThan(-70);
  });

  test('that is bad is left out and named, the others stay', () => {
    const { endpoints, problems } = judge(
      [
        entry({ url: 'http://good' }),
        entry({ url: 'ftp://x' }, 'a.yaml:3:5'),
        entry({ url: 'http://y', region: 'aws:eu-zentral-1' }, 'b'),
        entry({ url: 'http://z', wieght: 1 }, 'c'),
        entry({ url: 'http://w', weight: 'much' }, 'd'),
      ],
      specOf(DIRECTORY),
    );
    expect(endpoints.map(({ url }) => url)).toEqual(['http://good']);
    expect(problems).toEqual([
      expect.stringMatching(/^a\.yaml:3:5: url: unknown scheme ftp, expected http:/),
      expect.stringMatching(/^b: region: unknown region \(did you mean aws:eu-central-1\?\)/),
      expect.stringMatching(/^c: wieght: unknown key \(did you mean weight\?\)/),
      'd: weight: not a number, expected a number from 0 to 1000000',
    ]);
  });

  test('twice is one endpoint, and all stand in the order of their ids', () => {
    const urls = ['http://b', 'http://a', 'http://b:80', 'http://b'];
    const { endpoints } = judge(
      urls.map((url) => entry({ url })),
      specOf(DIRECTORY),
    );
    expect(endpoints.map(({ url }) => url)).toEqual(['http://a', 'http://b', 'http://b:80']);
  });
});

test('of too many the first are taken, and the rest is counted', () => {
  const many = Array.from({ length: MAX_FOUND + 5 }, (_, i) => entry({ url: `http://10.0.${i >> 8}.${i & 255}:80` }));
  const { endpoints, problems } = judge(many, specOf(DIRECTORY));
  expect(endpoints).toHaveLength(MAX_FOUND);
  expect(problems).toEqual([`5 more than the ${MAX_FOUND} that are taken`]);
});

test('of many problems the first are named', () => {
  const { problems } = judge(
    Array.from({ length: 50 }, () => entry({ url: 7 })),
    specOf(DIRECTORY),
  );
  expect(problems).toHaveLength(21);
  expect(problems.at(-1)).toBe('and 30 more');
});

test('only a directory may lead to a socket of this machine', () => {
  expect(judge([entry({ url: 'unix:/run/app.sock', id: 'app' })], specOf(DIRECTORY)).endpoints).toHaveLength(1);
  const { endpoints, problems } = judge([entry({ url: 'unix:/var/run/docker.sock', id: 'x' })], specOf(REGISTRY));
  expect(endpoints).toEqual([]);
  expect(problems[0]).toContain('a socket of this machine');
});

test('with networks, addresses outside and names are refused', () => {
  const spec = specOf({ kind: 'registry', token: 'x', otherToken: null, networks: ['10.0.0.0/8', 'fd00::/8'] });
  const urls = ['http://10.1.2.3:80', 'http://[fd00::1]:80', 'http://169.254.169.254', 'http://web'];
  const { endpoints, problems } = judge(
    urls.map((url) => entry({ url })),
    spec,
  );
  expect(endpoints.map(({ host }) => host).sort()).toEqual(['10.1.2.3', 'fd00::1']);
  expect(problems).toEqual([
    'here: url: 169.254.169.254 is not inside 10.0.0.0/8, fd00::/8',
    'here: url: web is not inside 10.0.0.0/8, fd00::/8',
  ]);
});
