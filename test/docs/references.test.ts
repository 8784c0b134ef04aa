// What the documentation points at is there: pages and headings behind links, verbs and flags of `fermat`, keys of the
// configuration. And nobody is lost: every page can be found from the index.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { jsonSchema } from '../../src/control/config/schema.ts';
import { PROBLEM, type Problem, problemOfFault, SHED_PROBLEM } from '../../src/data/errors.ts';
import { docsPages, type Page, pageOf, ROOT } from '../support/docs/markdown.ts';
import { callsIn, commandLine, wrongIn } from '../support/docs/verbs.ts';

const pages = docsPages();
const isOutside = (target: string) => /^[a-z][a-z+.-]*:/i.test(target);

/** From the root; null for what is only an anchor or outside. */
function fileOf(page: Page, target: string): string | null {
  const [path = ''] = target.split('#', 1);
  return path === '' || isOutside(target) ? null : normalize(join(dirname(page.path), decodeURI(path)));
}

function anchorsOf(path: string): readonly string[] {
  const page = pages.find((page) => page.path === path) ?? pageOf(path, readFileSync(join(ROOT, path), 'utf8'));
  return page.headings.map(({ anchor }) => anchor);
}

describe('references of the documentation', () => {
  it('lead to files and headings that exist', () => {
    const broken = pages.flatMap((page) =>
      page.links
        .filter(({ text }) => !isOutside(text))
        .filter(({ text }) => {
          const path = fileOf(page, text) ?? page.path;
          const anchor = text.split('#')[1];
          if (!existsSync(join(ROOT, path))) return true;
          return anchor !== undefined && path.endsWith('.md') && !anchorsOf(path).includes(decodeURIComponent(anchor));
        })
        .map(({ text, line }) => `${page.path}:${line}: ${text}`),
    );
    expect(broken).toEqual([]);
  });

  it('name files and folders of the repository that exist', () => {
    const lost = pages.flatMap((page) =>
      page.codes.flatMap(({ text, line }) =>
        pathsIn(text)
          .filter((path) => !['', 'src', 'test', 'docs'].some((folder) => existsSync(join(ROOT, folder, path))))
          .map((path) => `${page.path}:${line}: ${path}`),
      ),
    );
    expect(lost).toEqual([]);
  });

  it('name verbs and flags that fermat has', async () => {
    const fermat = await commandLine();
    const wrong = pages.flatMap((page) => {
      const shells = page.blocks.filter(({ info }) => info.language === 'sh');
      return [...page.codes, ...shells].flatMap(({ text, line }) =>
        callsIn(text)
          .map((words) => ({ words, problem: wrongIn(words, fermat) }))
          .filter(({ problem }) => problem !== null)
          .map(({ words, problem }) => `${page.path}:${line}: fermat ${words.join(' ')}: ${problem}`),
      );
    });
    expect(wrong).toEqual([]);
  });

  it('name keys that the configuration has', () => {
    const paths = [...keyPaths(), ...chartPaths()];
    const first = new Set(paths.map((path) => path.split('.', 1)[0]!));
    const names = namesInSource();
    const unknown = pages.flatMap((page) =>
      page.codes
        // The left column of the pages about migrating speaks of others.
        .filter(({ column }) => column !== 0 || !page.path.includes('migrating-from'))
        .map(({ text, line }) => ({ path: keyPathOf(text), line }))
        .filter(({ path }) => path?.includes('.') && first.has(path.split('.', 1)[0]!))
        .filter(({ path }) => !paths.includes(path!) && !names.has(path!))
        .map(({ path, line }) => `${page.path}:${line}: ${path}`),
    );
    expect(unknown).toEqual([]);
  });

  it('tell of every answer of Fermat’s own its status, code and type, and of no other', () => {
    const made = [...Object.values<Problem>(PROBLEM), ...SHED_PROBLEM, problemOfFault(400, '', 'http_request_error')];
    const page = readFileSync(join(ROOT, 'docs/headers.md'), 'utf8');
    const rows = [...page.matchAll(/^\| (\d{3}) \| `(\w+)` \| `(\w+)` \|/gm)].map(([, ...cells]) => cells.join(' '));
    expect(new Set(rows).size).toBe(rows.length);
    const expected = new Set(made.map(({ status, code, type }) => `${status} ${code} ${type}`));
    expect([...rows].sort()).toEqual([...expected].sort());
  });

  it('tell every type of event that the source has, and no other', () => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    const text = files
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'))
      .join('\n');
    const emitted = [...text.matchAll(/(?:emit|#tell)\(\s*[^'`()]*'(?:debug|info|warn|error)',\s*'([a-z]+\.[a-z]+)'/g)];
    // Two have a level or an end that is known when it happens.
    const types = new Set([...emitted.map(([, type]) => type!), 'endpoint.state']);
    for (const end of ['ok', 'down', 'refusing']) types.add(`tracing.${end}`);
    const page = readFileSync(join(ROOT, 'docs/logs.md'), 'utf8');
    const rows = page.split('\n## Events\n')[1]!.matchAll(/^\| (`[a-z]+\.[a-z]+`.*?) \|/gm);
    const told = [...rows].flatMap(([, cell]) => [...cell!.matchAll(/`([a-z.]+)`/g)].map(([, type]) => type!));
    expect(types.size).toBeGreaterThan(50);
    expect([...told].sort()).toEqual([...types].sort());
  });

  it('reach every page from the index of docs/, and the index from the README', () => {
    const index = pages.find(({ path }) => path === 'docs/README.md')!;
    const linked = new Set(index.links.map(({ text }) => fileOf(index, text)));
    const lost = pages
      .map(({ path }) => path)
      .filter((path) => path.startsWith('docs/') && path !== index.path && !linked.has(path));
    expect(lost).toEqual([]);
    for (const readme of pages.filter(({ path }) => path.startsWith('README'))) {
      expect(readme.links.map(({ text }) => fileOf(readme, text))).toContain(index.path);
    }
  });
});

/** `control/{a,b}.ts` → control/a.ts, control/b.ts; none for what is no path of ours. */
function pathsIn(code: string): string[] {
  const isOurs = /^(src|core|wire|data|control|geoip|bench|test|deploy|tools|docs)\/[\w./{},-]*$/.test(code);
  if (!isOurs || code.includes('*')) return [];
  const braces = /^(.*)\{(.*)\}(.*)$/.exec(code);
  if (braces === null) return [code];
  return braces[2]!.split(',').map((part) => `${braces[1]}${part}${braces[3]}`);
}

const FILE = /\.(ts|js|md|json|yaml|yml|pem|key|sh|txt|css|mmdb|svg|png|service|conf|cfg)$/;
/** Functions of Node. */
const NODE = /^(tls|net|http)\.create[A-Z]/;

/** `pools.*.timeouts.connect: 2s` → pools.timeouts.connect; null for what does not look like a path of keys. */
function keyPathOf(code: string): string | null {
  const path = /^([a-z][A-Za-z]*(?:\[\])?(?:\.(?:[a-z][A-Za-z]*(?:\[\])?|\*|NAME))*)(?::.*)?$/.exec(code)?.[1];
  if (path === undefined || FILE.test(path) || NODE.test(path)) return null;
  return path.replaceAll('[]', '').replaceAll(/\.(\*|NAME)/g, '');
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
}

/** Every path of keys, and its ends: pages about pools leave `pools.NAME` out. */
function keyPaths(): string[] {
  const paths = new Set<string>();
  walk(jsonSchema() as Schema, []);
  return [...paths];

  function walk({ properties = {}, items, additionalProperties, anyOf = [] }: Schema, path: readonly string[]): void {
    for (let i = 0; i < path.length; i++) paths.add(path.slice(i).join('.'));
    for (const [key, inner] of Object.entries(properties)) walk(inner, [...path, key]);
    for (const inner of [items, additionalProperties, ...anyOf]) {
      if (typeof inner === 'object') walk(inner, path);
    }
  }
}

/** Keys of the Helm chart's values. */
function chartPaths(): string[] {
  const values = parse(readFileSync(join(ROOT, 'deploy/helm/fermat/values.yaml'), 'utf8')) as unknown;
  const pathsIn = (value: unknown, path: string): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, inner]) => [path + key, ...pathsIn(inner, `${path}${key}.`)])
      : [];
  return pathsIn(values, '');
}

/** Quoted in the source, or begun there and ended by what is known when it happens: names of events look like keys. */
function namesInSource(): { has(name: string): boolean } {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  const text = files
    .map((name) => join(ROOT, 'src', name))
    .filter((file) => file.endsWith('.ts') && statSync(file).isFile())
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  const whole = new Set([...text.matchAll(/'([a-z]+(?:\.[a-z_]+)+)'/g)].map((match) => match[1]!));
  const begun = [...text.matchAll(/`([a-z]+(?:\.[a-z_]+)*\.)\$\{/g)].map((match) => match[1]!);
  return { has: (name) => whole.has(name) || begun.some((prefix) => name.startsWith(prefix)) };
}
