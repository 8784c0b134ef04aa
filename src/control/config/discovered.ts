// `pools.NAME.discover`: what its form cannot say (one kind of source an entry, endpoints from somewhere), and its way from the
// form of the file to what the sources take. The checks work on the tree as it was read, like check.ts.

import { resolve } from 'node:path';
import type { z } from 'zod';
import { findRegion } from '../../../geoip/regions.ts';
import { parseCidr } from '../../core/ip.ts';
import type { DiscoverSpec, SourceSpec } from '../discovery/spec.ts';
import type { Path, Problem } from './problems.ts';
import type { discover } from './schema-discover.ts';
import { parseDuration } from './values.ts';

type Tree = Readonly<Record<string, unknown>>;
type FileDiscover = z.output<typeof discover>;

export const SOURCE_KINDS = ['dns', 'directory', 'kubernetes', 'consul', 'registry'] as const;

const OTHER_KEYS: readonly string[] = ['minimum', 'grace', 'defaults'];

export function discoverProblems(pools: Tree, admin: Tree): Problem[] {
  return Object.entries(pools).flatMap(([name, value]) => {
    if (!isMapping(value)) return [];
    const at: Path = ['pools', name];
    const sources = Array.isArray(value.discover) ? value.discover : [];
    return [
      ...(sources.length === 0 ? emptyProblems(value.endpoints, at) : []),
      ...sources.flatMap((source, i) => sourceProblems(source, [...at, 'discover', i], admin)),
      ...twoRegistries(sources, at),
    ];
  });
}

/** A pool is typed, or found. */
function emptyProblems(endpoints: unknown, at: Path): Problem[] {
  const path = [...at, 'endpoints'];
  if (endpoints === undefined) return [{ path, what: 'missing', expected: 'a list, or discover beside it' }];
  if (!Array.isArray(endpoints) || endpoints.length > 0) return [];
  return [{ path, what: 'too few', expected: 'at least 1, or discover beside it' }];
}

function sourceProblems(source: unknown, path: Path, admin: Tree): Problem[] {
  if (!isMapping(source)) return [];
  const kinds = SOURCE_KINDS.filter((kind) => source[kind] !== undefined);
  // A kind that is misspelt is told as an unknown key.
  if (kinds.length === 0 && Object.keys(source).some((key) => !OTHER_KEYS.includes(key))) return [];
  if (kinds.length !== 1) {
    const got = kinds.length === 0 ? 'none' : kinds.join(' and ');
    return [{ path, what: 'not one kind of source', expected: `one of ${SOURCE_KINDS.join(', ')}`, got }];
  }
  const problems: Problem[] = [];
  if (isMapping(source.dns)) {
    const { type, port } = source.dns;
    if (type === 'SRV' && port !== undefined) {
      problems.push({
        path: [...path, 'dns', 'port'],
        what: 'a port beside SRV records, which have their own',
        expected: 'it left out',
        isKey: true,
      });
    } else if (type !== 'SRV' && port === undefined) {
      problems.push({
        path: [...path, 'dns', 'port'],
        what: 'missing',
        expected: 'the port of the endpoints, or type SRV',
      });
    }
  }
  if (source.registry !== undefined && admin.address === '') {
    problems.push({
      path: [...path, 'registry'],
      what: 'nowhere to register: there is no admin listener',
      expected: 'admin.address',
      isKey: true,
    });
  }
  return problems;
}

function twoRegistries(sources: readonly unknown[], at: Path): Problem[] {
  const which = [...sources.keys()].filter((i) => isMapping(sources[i]) && sources[i].registry !== undefined);
  return which.slice(1).map((i) => ({
    path: [...at, 'discover', i, 'registry'],
    what: 'a second registry of the pool',
    expected: 'one of them, since nobody could say which is meant',
    isKey: true,
  }));
}

/** Takes what was found valid. `base`: the directory relative paths start from. */
export function discoverOf(sources: readonly FileDiscover[], base: string): DiscoverSpec[] {
  const taken = new Set<string>();
  return sources.map((source) => {
    const from = sourceOf(source, base);
    const plain = nameOf(from);
    let name = plain;
    for (let i = 2; taken.has(name); i++) name = `${plain}#${i}`;
    taken.add(name);
    const { region, location, ...rest } = source.defaults;
    const place = region === undefined ? null : findRegion(region);
    const given = location === undefined ? null : { latDeg: location.lat, lonDeg: location.lon };
    const defaults = {
      ...rest,
      region: region ?? null,
      location: given ?? (place && { latDeg: place.latDeg, lonDeg: place.lonDeg }),
    };
    return { name, minimum: source.minimum, graceMs: parseDuration(source.grace)!, defaults, from };
  });
}

function sourceOf({ dns, directory, kubernetes, consul, registry }: FileDiscover, base: string): SourceSpec {
  if (dns !== undefined) {
    const { name, type, port = 0, scheme, interval } = dns;
    return { kind: 'dns', name, type, port, scheme, intervalMs: parseDuration(interval)! };
  }
  if (directory !== undefined) return { kind: 'directory', path: resolve(base, directory.path) };
  if (kubernetes !== undefined) {
    const { port = null, kubeconfig, ...rest } = kubernetes;
    return { kind: 'kubernetes', ...rest, port, kubeconfig: kubeconfig === null ? null : resolve(base, kubeconfig) };
  }
  if (consul !== undefined) return { kind: 'consul', ...consul };
  if (registry === undefined) throw new TypeError('expected a checked source, got none');
  const { token, otherToken, networks } = registry;
  return { kind: 'registry', token, otherToken, networks: networks.map((cidr) => parseCidr(cidr)!.text) };
}

/** For metrics and people. */
function nameOf(from: SourceSpec): string {
  switch (from.kind) {
    case 'dns':
      return `dns:${from.name}`;
    case 'directory':
      return `directory:${from.path}`;
    case 'kubernetes':
      return `kubernetes:${from.namespace === null ? '' : `${from.namespace}/`}${from.service}`;
    case 'consul':
      return `consul:${from.service}${from.datacenter === null ? '' : `@${from.datacenter}`}`;
    case 'registry':
      return 'registry';
  }
}

function isMapping(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
