// What one value of the configuration cannot know about another: names that must exist, ids that must be unique, routes
// that would shadow each other. Works on the tree as it was read, before it is known to be well formed, so that these
// problems are told in the same breath as all others; whatever has the wrong shape is passed over here.

import { decodedRoute, normalisePath } from '../../core/path.ts';
import { MAX_SLOTS } from '../../core/snapshot.ts';
import { adminProblems } from './administered.ts';
import { discoverProblems } from './discovered.ts';
import { limitProblems } from './limited.ts';
import { modeProblems } from './modes.ts';
import { overlayProblems } from './overlay.ts';
import { probeProblems } from './probed.ts';
import { type Path, type Problem, pathText } from './problems.ts';
import { proxyProblems } from './proxied.ts';
import { redisProblems } from './redis.ts';
import { didYouMean } from './suggest.ts';
import { isFramingHeader, isToken, parseAddress, parseDuration, parseEndpointUrl, routeHost } from './values.ts';

type Tree = Readonly<Record<string, unknown>>;

export function crossProblems(tree: unknown): Problem[] {
  const root = mapping(tree);
  const listeners = list(root.listeners).map(mapping);
  const pools = mapping(root.pools);
  const routes = list(root.routes).map(mapping);
  return [
    ...listenerProblems(listeners),
    ...poolProblems(pools),
    ...discoverProblems(pools, mapping(root.admin)),
    ...probeProblems(pools),
    ...endpointIdProblems(pools),
    ...routes.flatMap((route, i) => routeProblems(route, i, pools, listeners)),
    ...modeProblems(routes, pools, list(mapping(root.geoip).databases).length > 0),
    ...proxyProblems(listeners, pools, list(root.trustedProxies).length > 0),
    ...limitProblems(routes, pools, mapping(root.state).redis != null),
    ...sameRoutes(routes),
    ...adminProblems(root),
    ...overlayProblems(root, mapping(root.node).id),
    ...redisProblems(mapping(root.state).redis),
  ];
}

function listenerProblems(listeners: readonly Tree[]): Problem[] {
  const problems: Problem[] = [];
  const names = new Firsts();
  const addresses = new Firsts();
  listeners.forEach((listener, i) => {
    const { address, name } = listener;
    const parsed = typeof address === 'string' ? parseAddress(address) : null;
    let isNew = true;
    // Port 0 is another port every time.
    if (typeof address === 'string' && parsed?.port !== 0) {
      const canonical = parsed === null ? address : `${parsed.host}:${parsed.port}`;
      isNew = addresses.add(canonical, ['listeners', i, 'address'], problems, 'address used twice');
    }
    if (typeof name === 'string') names.add(name, ['listeners', i, 'name'], problems, 'listener name used twice');
    else if (typeof address === 'string' && isNew) {
      names.add(address, ['listeners', i, 'address'], problems, 'listener name (its address) used twice');
    }
  });
  return problems;
}

function poolProblems(pools: Tree): Problem[] {
  const problems: Problem[] = [];
  let endpoints = 0;
  for (const [name, value] of Object.entries(pools)) {
    const pool = mapping(value);
    const all = list(pool.endpoints).map(mapping);
    endpoints += all.length;
    if (!/^[^\x00-\x1f\x7f]{1,200}$/.test(name)) {
      problems.push({
        path: ['pools', name],
        what: 'not a pool name',
        expected: 'at most 200 printable characters',
        isKey: true,
      });
    }
    if (all.length > 0 && all.every(({ weight }) => weight === 0)) {
      problems.push({
        path: ['pools', name, 'endpoints'],
        what: 'every weight is 0',
        expected: 'one above 0',
        got: '0',
      });
    }
    const tls = mapping(pool.tls);
    if (typeof tls.cert === 'string' && typeof tls.key !== 'string') {
      problems.push({
        path: ['pools', name, 'tls', 'cert'],
        what: 'a certificate without its key',
        expected: 'key beside it',
      });
    }
    if (typeof tls.key === 'string' && typeof tls.cert !== 'string') {
      problems.push({
        path: ['pools', name, 'tls', 'key'],
        what: 'a key without its certificate',
        expected: 'cert beside it',
        got: 'key alone',
      });
    }
    const { ejection = '30s', maxEjection = '300s' } = mapping(pool.outlier);
    const [first, most] = [parseDuration(ejection), parseDuration(maxEjection)];
    if (first !== null && most !== null && first > most) {
      const key = mapping(pool.outlier).maxEjection === undefined ? 'ejection' : 'maxEjection';
      problems.push({
        path: ['pools', name, 'outlier', key],
        what: 'ejection above maxEjection',
        expected: `at most ${maxEjection} and ${ejection}`,
      });
    }
  }
  if (endpoints > MAX_SLOTS) {
    problems.push({
      path: ['pools'],
      what: 'too many endpoints',
      expected: `at most ${MAX_SLOTS} in all pools`,
      got: String(endpoints),
    });
  }
  return problems;
}

function endpointIdProblems(pools: Tree): Problem[] {
  const problems: Problem[] = [];
  const ids = new Firsts();
  for (const [name, pool] of Object.entries(pools)) {
    list(mapping(pool).endpoints).forEach((value, i) => {
      const { id, url } = mapping(value);
      const path: Path = ['pools', name, 'endpoints', i, id === undefined ? 'url' : 'id'];
      const parsed = typeof url === 'string' ? parseEndpointUrl(url) : null;
      const key = id ?? (parsed !== null && typeof parsed !== 'string' ? parsed.id : undefined);
      const hint = id === undefined ? 'endpoint id (its host:port) used twice' : 'endpoint id used twice';
      if (typeof key === 'string') ids.add(key, path, problems, hint);
      if (id === undefined && typeof key === 'string' && !/^[\w.:@/[\]-]{1,200}$/.test(key)) {
        problems.push({ path, what: 'this address makes no id', expected: 'an id beside it' });
      }
    });
  }
  return problems;
}

function routeProblems(route: Tree, i: number, pools: Tree, listeners: readonly Tree[]): Problem[] {
  const at: Path = ['routes', i];
  const problems: Problem[] = [];
  const { pool, respond, listener, path } = route;
  if (pool === undefined && respond === undefined) {
    problems.push({ path: at, what: 'leads nowhere', expected: 'pool or respond', got: 'neither' });
  } else if (pool !== undefined && respond !== undefined) {
    problems.push({
      path: [...at, 'respond'],
      what: 'leads to two places',
      expected: 'pool or respond',
      got: 'both',
      isKey: true,
    });
  }
  if (typeof pool === 'string' && !Object.hasOwn(pools, pool)) {
    problems.push(unknownName('pool', pool, Object.keys(pools), [...at, 'pool']));
  }
  const names = listeners.map(({ name, address }) => String(name ?? address));
  if (typeof listener === 'string' && !names.includes(listener)) {
    problems.push(unknownName('listener', listener, names, [...at, 'listener']));
  }
  if (typeof path === 'string') problems.push(...pathProblems(path, [...at, 'path']));
  problems.push(...respondProblems(mapping(respond), [...at, 'respond']));
  for (const edits of ['requestHeaders', 'responseHeaders']) {
    problems.push(...fieldNameProblems(mapping(mapping(route[edits]).set), [...at, edits, 'set']));
  }
  return problems;
}

function unknownName(kind: string, name: string, known: readonly string[], path: Path): Problem {
  const near = didYouMean(name, known);
  const hint = near === null ? '' : ` (did you mean ${near}?)`;
  const expected = known.length === 0 ? `a ${kind}, of which there is none` : `one of ${known.slice(0, 20).join(', ')}`;
  return { path, what: `unknown ${kind}${hint}`, expected };
}

/** Routes are matched on normalised paths: one that is not normal itself would never match. */
function pathProblems(written: string, at: Path): Problem[] {
  const path = written.startsWith('=') ? written.slice(1) : written;
  const normal = normalisePath(path);
  if (normal === null) return [];
  if (normal === path) {
    if (decodedRoute(path) !== null) return [];
    return [
      {
        path: at,
        what: 'an encoded character that may be read as one of the path itself, so it would never match',
        expected: 'none of / \\ ; ? # % and controls encoded',
      },
    ];
  }
  return [{ path: at, what: 'not a normalised path, so it would never match', expected: JSON.stringify(normal) }];
}

function respondProblems({ status, location, body }: Tree, at: Path): Problem[] {
  if (typeof status !== 'number') return [];
  const isRedirect = [301, 302, 303, 307, 308].includes(status);
  const hasLocation = typeof location === 'string';
  if (isRedirect && !hasLocation) {
    return [{ path: [...at, 'status'], what: 'a redirect without location', expected: 'location beside it' }];
  }
  if (!isRedirect && hasLocation) {
    return [
      { path: [...at, 'location'], what: `location with status ${status}`, expected: 'status 301, 302, 307 or 308' },
    ];
  }
  if ((status === 204 || status === 205 || status === 304) && typeof body === 'string' && body !== '') {
    return [{ path: [...at, 'body'], what: `a body with status ${status}`, expected: 'none' }];
  }
  return [];
}

/** Keys of a mapping are no values, so the schema does not see them. */
function fieldNameProblems(set: Tree, at: Path): Problem[] {
  const seen = new Set<string>();
  return Object.keys(set).flatMap((name): Problem[] => {
    const isTwice = seen.size === seen.add(name.toLowerCase()).size;
    const what = !isToken(name)
      ? 'not a header name'
      : name.toLowerCase() === 'host'
        ? 'Host is set by hostHeader'
        : isFramingHeader(name)
          ? 'Fermat writes this field itself'
          : isTwice
            ? 'field set twice (case does not count)'
            : null;
    if (what === null) return [];
    return [
      {
        path: [...at, name],
        what,
        expected: 'the name of another header field',
        got: JSON.stringify(name),
        isKey: true,
      },
    ];
  });
}

function sameRoutes(routes: readonly Tree[]): Problem[] {
  const problems: Problem[] = [];
  const matches = new Firsts();
  const names = new Firsts();
  routes.forEach(({ name, host, path = '/', listener }, i) => {
    if (typeof name === 'string') names.add(name, ['routes', i, 'name'], problems, 'route name used twice');
    if (typeof path !== 'string') return;
    const matchHost = typeof host === 'string' ? routeHost(host) : '';
    if (matchHost === null) return; // told already; it is not the same as another one that is none
    const key = JSON.stringify([matchHost, path, listener ?? null]);
    matches.add(key, ['routes', i], problems, 'same host, path and listener as another route', `${matchHost}${path}`);
  });
  return problems;
}

/** Remembers where each name was seen first, and files a problem for the second. */
class Firsts {
  readonly #seen = new Map<string, Path>();

  /** Whether it is new. */
  add(key: string, path: Path, problems: Problem[], what: string, shown = key): boolean {
    const first = this.#seen.get(key);
    if (first === undefined) {
      this.#seen.set(key, path);
      return true;
    }
    problems.push({ path, what, expected: `another than at ${pathText(first)}`, got: JSON.stringify(shown) });
    return false;
  }
}

function mapping(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
