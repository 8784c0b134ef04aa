// What a page shows of a configuration, made whole: what is missing is added (a listener, a pool, endpoints, a route), files
// that it names are made, variables are given values. What the page says is never changed, so what it says is what is checked.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { keysAt } from '../../../src/control/config/schema.ts';
import type { Pki } from '../pki.ts';

type Tree = Record<string, unknown>;

const TOP = keysAt([]);
/** Somewhere in several countries, so that a residency finds what it asks for. */
const REGIONS = ['aws:eu-central-1', 'aws:eu-west-1', 'aws:eu-west-3', 'aws:us-east-1', 'gcp:asia-northeast1'];
const LISTENER = '127.0.0.1:18080';

/** Whether this is about Fermat: at least half of its keys are ours. */
export function isFermats(tree: unknown): tree is Tree {
  if (!isTree(tree)) return false;
  const keys = Object.keys(tree);
  return keys.length > 0 && keys.filter((key) => TOP.includes(key)).length * 2 >= keys.length;
}

/** Has all that a node needs: it is checked as it stands. */
export function isWhole(tree: Tree): boolean {
  return 'listeners' in tree && 'routes' in tree;
}

/** A whole configuration around what is there. */
export function completed(tree: Tree): Tree {
  const routes = [...listOf(tree.routes)];
  const pools: Tree = { ...(isTree(tree.pools) ? tree.pools : {}) };
  for (const { pool } of routes) if (typeof pool === 'string') pools[pool] ??= {};
  for (const [name, pool] of Object.entries(pools)) {
    if (isTree(pool) && !('endpoints' in pool) && !('discover' in pool)) {
      pools[name] = { ...pool, endpoints: endpointsOf(name) };
    }
    if (!routes.some((route) => route.pool === name)) routes.push({ path: `/${name}/`, pool: name });
  }
  if (routes.length === 0) routes.push({ respond: { status: 204 } });
  const listeners = listOf(tree.listeners);
  const asked = new Set(routes.map(({ listener }) => listener).filter((name) => typeof name === 'string'));
  const there = new Set(listeners.flatMap(({ name, address }) => [name, address]));
  const added = [...asked].filter((name) => !there.has(name)).map((name) => ({ name, address: '127.0.0.1:0' }));
  const all = [...listeners, ...added];
  return { ...tree, listeners: all.length > 0 ? all : [{ address: LISTENER }], pools, routes };
}

function endpointsOf(pool: string): Tree[] {
  return REGIONS.map((region, i) => ({ id: `${pool}-${i}`, url: `http://10.0.0.${i + 1}:8080`, region }));
}

/** Keys whose values are PEM files. */
const FILES: ReadonlySet<string> = new Set(['cert', 'ca', 'clientCa', 'key']);

/** Makes what it names below `folder`, in which it is read; absolute paths lead there, too. */
export function withFiles(value: unknown, folder: string, pki: Pki): unknown {
  if (Array.isArray(value)) return value.map((item) => withFiles(item, folder, pki));
  if (!isTree(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (FILES.has(key) && typeof inner === 'string') return [key, made(inner, folder, pki)];
      if (key === 'databases' && Array.isArray(inner))
        return [key, inner.map((path) => database(String(path), folder))];
      return [key, withFiles(inner, folder, pki)];
    }),
  );
}

/** One certificate and its key in each file: whichever is asked for is there, and fits. `header:X-Tenant` is no file. */
function made(path: string, folder: string, pki: Pki): string {
  if (!/\.(pem|key|crt|cer)$/.test(path)) return path;
  const inside = below(path, folder);
  const both = ['site.pem', 'site.key'].map((name) => readFileSync(pki.file(name), 'utf8'));
  writeFileSync(join(folder, inside), both.join(''));
  return inside;
}

function database(path: string, folder: string): string {
  const inside = below(path, folder);
  writeFileSync(join(folder, inside), '');
  return inside;
}

function below(path: string, folder: string): string {
  const inside = isAbsolute(path) ? path.slice(1) : path;
  mkdirSync(dirname(join(folder, inside)), { recursive: true });
  return inside;
}

/** A value for every variable without a default, by what its name promises. */
export function environmentFor(text: string): Record<string, string> {
  const names = [...text.matchAll(/(?<!\$)\$\{([A-Z_][A-Z0-9_]*)\}/g)].map((match) => match[1]!);
  return Object.fromEntries(names.map((name) => [name, valueFor(name)]));
}

function valueFor(name: string): string {
  if (/PORT/.test(name)) return '8080';
  if (/REGION/.test(name)) return 'aws:eu-central-1';
  if (/(_IP|ADDRESS)$/.test(name)) return '10.0.0.9';
  if (/REDIS(_URL)?$/.test(name)) return 'redis://10.0.0.9:6379';
  if (/URL$/.test(name)) return 'http://10.0.0.9:8080';
  return 'a-value-of-16-characters-or-more';
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): Tree[] {
  return Array.isArray(value) ? value.filter(isTree) : [];
}
