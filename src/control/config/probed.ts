// What the type of a probe asks of its pool, which its own form cannot say. Like check.ts it works on the tree as it was read,
// and passes over what has the wrong shape.

import type { Problem } from './problems.ts';

type Tree = Readonly<Record<string, unknown>>;

export function probeProblems(pools: Tree): Problem[] {
  return Object.entries(pools).flatMap(([name, value]): Problem[] => {
    const { probe, endpoints } = mapping(value);
    const { type, service } = mapping(probe);
    const at = ['pools', name, 'probe'];
    if (type !== 'grpc') {
      if (typeof service !== 'string' || service === '') return [];
      return [
        { path: [...at, 'service'], what: 'a service that nobody is asked about', expected: 'type grpc beside it' },
      ];
    }
    const urls = Array.isArray(endpoints) ? endpoints.map((endpoint) => mapping(endpoint).url) : [];
    const plain = urls.find((url) => typeof url === 'string' && !/^h2c?:/i.test(url));
    if (plain === undefined) return [];
    const what = `gRPC is spoken over HTTP/2 only, and ${plain} is not`;
    return [{ path: [...at, 'type'], what, expected: 'http or tcp, or endpoints at h2:// or h2c://' }];
  });
}

function mapping(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}
