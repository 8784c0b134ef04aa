// What limits on rates and `locality` ask of a route, its pool and the rest of the file. Like check.ts it works on the tree as it
// was read, and passes over what has the wrong shape.

import { MAX_RATE_RULES } from '../../core/limit/table.ts';
import { isAt, isPlace } from '../locality/places.ts';
import type { Path, Problem } from './problems.ts';

type Tree = Readonly<Record<string, unknown>>;

export function limitProblems(routes: readonly Tree[], pools: Tree, hasRedis: boolean): Problem[] {
  let limits = 0;
  const problems = routes.flatMap((route, i) => {
    const list = limitsOf(route);
    limits += list.length;
    return [
      ...rateProblems(route, ['routes', i, 'rateLimit'], list, hasRedis),
      ...placeProblems(route, i, pools, hasRedis),
    ];
  });
  if (limits > MAX_RATE_RULES) {
    const expected = `at most ${MAX_RATE_RULES} in all routes`;
    problems.push({ path: ['routes'], what: 'too many limits', expected, got: String(limits) });
  }
  return problems;
}

function limitsOf({ rateLimit }: Tree): Tree[] {
  if (Array.isArray(rateLimit)) return rateLimit.map(mapping);
  return rateLimit === undefined ? [] : [mapping(rateLimit)];
}

function rateProblems({ rateLimit }: Tree, at: Path, list: readonly Tree[], hasRedis: boolean): Problem[] {
  const problems: Problem[] = [];
  const names = new Set<unknown>();
  list.forEach(({ name, scope }, i) => {
    const path = Array.isArray(rateLimit) ? [...at, i] : at;
    const called = name ?? (i === 0 ? 'default' : `${i + 1}`);
    if (names.has(called)) {
      problems.push({
        path: [...path, 'name'],
        what: 'name used twice',
        expected: 'another',
        got: JSON.stringify(called),
      });
    }
    names.add(called);
    if (scope === 'fleet' && !hasRedis) {
      problems.push({
        path: [...path, 'scope'],
        what: 'a fleet without state.redis',
        expected: 'node, or state.redis',
      });
    }
  });
  return problems;
}

function placeProblems(route: Tree, i: number, pools: Tree, hasRedis: boolean): Problem[] {
  if (route.locality === undefined || route.locality === null) return [];
  const path: Path = ['routes', i, 'locality'];
  const problems: Problem[] = [];
  if (!hasRedis) {
    const expected = 'state.redis, which holds the directory';
    problems.push({ path, what: 'a directory without Redis', expected, isKey: true });
  }
  if (route.pool === undefined) {
    problems.push({ path, what: 'nothing that could be anywhere', expected: 'a pool, or respond alone', isKey: true });
    return problems;
  }
  const pool = mapping(typeof route.pool === 'string' && Object.hasOwn(pools, route.pool) ? pools[route.pool] : {});
  // Endpoints that are found, not written, may be anywhere.
  if (pool.discover !== undefined || !Array.isArray(pool.endpoints) || pool.endpoints.length === 0) return problems;
  const regions = pool.endpoints.map((endpoint) => mapping(endpoint).region);
  const { unknown } = mapping(route.locality);
  if (!regions.some((region) => typeof region === 'string')) {
    const what = `no endpoint of pool ${String(route.pool)} has a region`;
    problems.push({ path, what, expected: 'region beside their url', got: 'none', isKey: true });
  } else if (
    typeof unknown === 'string' &&
    isPlace(unknown) &&
    !regions.some((r) => isAt(typeof r === 'string' ? r : null, unknown))
  ) {
    const what = `no endpoint of pool ${String(route.pool)} is there`;
    problems.push({ path: [...path, 'unknown'], what, expected: 'any, or a region of an endpoint' });
  }
  return problems;
}

function mapping(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}
