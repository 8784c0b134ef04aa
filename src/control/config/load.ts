// A configuration from a file, or from the command line alone, to a Config or to everything that is wrong with it. The one
// way in: `run`, `validate`, `config show` and every reload go through loadConfig, so what validates is what runs.

import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { build } from './build.ts';
import { crossProblems } from './check.ts';
import type { Config } from './config.ts';
import type { Environment } from './environment.ts';
import { gotText, type Path, type Problem, pathText, problemsOf, valueAt } from './problems.ts';
import { readText } from './read.ts';
import { fileSchema, keysAt } from './schema.ts';
import { type Parsed, parseSource, type Source } from './source.ts';

export interface Overrides {
  /** Addresses in place of the file's listeners. */
  readonly listen?: readonly string[] | undefined;
  /** URLs of the endpoints; without a file, a whole configuration. */
  readonly upstream?: readonly string[] | undefined;
  readonly logLevel?: string | undefined;
  readonly adminToken?: string | undefined;
}

export type Loaded =
  | {
      readonly ok: true;
      readonly config: Config;
      /** The file as it was given, or `command line`. */
      readonly source: string;
      /** Absolute paths of what was read, the configuration first: what to watch. The databases are geodb.ts's to watch. */
      readonly files: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Lines of problems; nobody reads more. */
const MAX_PROBLEMS = 200;
const COMMAND_LINE = 'command line';

/**
 * Reads, checks and builds the whole; changes nothing. Never throws; what is wrong comes back as lines, in the order of
 * the file. Overrides win over FERMAT_LOG_LEVEL, FERMAT_ADMIN_TOKEN and FERMAT_ADMIN_ADDRESS of `env`, these over the
 * file.
 */
export function loadConfig(file: string | null, overrides: Overrides = {}, env: Environment = process.env): Loaded {
  if (file === null) return judge(sidecar(overrides), COMMAND_LINE, null, overrides, env);
  const read = readText(file);
  if (!read.ok) return { ok: false, problems: [`${file}:1:1 (file): ${read.problem}`] };
  return judge(parseSource(read.text, env), file, resolve(file), overrides, env);
}

/** `--listen :8080 --upstream URL …` as the file that would say the same. */
function sidecar({ listen = [], upstream = [] }: Overrides): Parsed {
  const tree = {
    listeners: (listen.length === 0 ? [':8080'] : listen).map((address) => ({ address })),
    pools: {
      upstream: {
        endpoints: upstream.map((url) => ({ url })),
        // Nobody told what path to ask for; whatever the app answers but a 5xx shows that it is there.
        probe: { expectStatus: ['200-499'] },
      },
    },
    routes: [{ path: '/', pool: 'upstream' }],
  };
  const nowhere = { line: 1, col: 1 };
  const source: Source = { tree, placeOf: () => nowhere, placeAt: () => nowhere, isSubstituted: () => false };
  return { source, problems: [], isBroken: false };
}

function judge(parsed: Parsed, label: string, file: string | null, overrides: Overrides, env: Environment): Loaded {
  const { source } = parsed;
  const originOf = (path: Path) => flagOf(path, file === null, overrides, env);
  const tell = (problems: readonly Problem[]): Loaded => ({
    ok: false,
    problems: linesOf(problems, source, tree, label, originOf),
  });
  const tree = overridden(source.tree, overrides, env, file !== null);
  if (parsed.isBroken) return tell(parsed.problems);
  const result = parseRetyping(tree, source);
  const problems = [
    ...parsed.problems,
    ...(result.success ? [] : problemsOf(result.error.issues, keysAt)),
    ...crossProblems(tree),
  ];
  if (!result.success || problems.length > 0) return tell(problems);
  const built = build(result.data, file === null ? process.cwd() : dirname(file));
  if (built.problems.length > 0) return tell(built.problems);
  return { ok: true, config: built.config, source: label, files: file === null ? built.files : [file, ...built.files] };
}

/** The tree with what flags and environment put over it. Only what is well formed is touched; the rest is for the checks. */
function overridden(tree: unknown, overrides: Overrides, env: Environment, isFile: boolean): unknown {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return tree;
  const root: Record<string, unknown> = { ...tree };
  const put = (section: string, key: string, value: string | undefined) => {
    const old = root[section] ?? {};
    if (value && typeof old === 'object' && !Array.isArray(old)) root[section] = { ...old, [key]: value };
  };
  put('logging', 'level', overrides.logLevel ?? env.FERMAT_LOG_LEVEL);
  put('admin', 'token', overrides.adminToken ?? env.FERMAT_ADMIN_TOKEN);
  // Two sidecars on one host cannot share the default, and have no file to say so.
  put('admin', 'address', env.FERMAT_ADMIN_ADDRESS);
  if (isFile && overrides.listen && overrides.listen.length > 0) {
    root.listeners = overrides.listen.map((address) => ({ address }));
  }
  return root;
}

type Result = ReturnType<typeof fileSchema.safeParse>;

/**
 * What comes out of the environment is text; where the schema wants a number or a truth, the text is read as one. A second
 * look only where the first one failed, so that a password of digits stays a password.
 */
function parseRetyping(tree: unknown, source: Source): Result {
  const parse = () => fileSchema.safeParse(tree, { reportInput: true });
  const first = parse();
  if (first.success) return first;
  const retyped = first.error.issues.filter((issue) => source.isSubstituted(issue.path as Path) && retype(tree, issue));
  return retyped.length > 0 ? parse() : first;
}

function retype(tree: unknown, { path }: z.core.$ZodIssue): boolean {
  const parent = valueAt(tree, path.slice(0, -1) as Path) as Record<PropertyKey, unknown>;
  const key = path.at(-1)!;
  const text = String(parent[key]);
  const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : { true: true, false: false, null: null }[text];
  if (value === undefined) return false;
  parent[key] = value;
  return true;
}

/** One line a problem, in the order of the file. */
function linesOf(
  problems: readonly Problem[],
  source: Source,
  tree: unknown,
  label: string,
  originOf: (path: Path) => string | null,
): string[] {
  const placed = problems.map(({ path, what, expected, got = gotText(tree, path), isKey = false, offset }) => {
    const { line, col } = offset === undefined ? source.placeOf(path, isKey) : source.placeAt(offset);
    const where = originOf(path) ?? `${label}:${line}:${col} ${pathText(path)}`;
    return { line, col, text: `${where}: ${what}, expected ${expected}, got ${got}` };
  });
  placed.sort((a, b) => a.line - b.line || a.col - b.col);
  const lines = [...new Set(placed.map(({ text }) => text))];
  if (lines.length <= MAX_PROBLEMS) return lines;
  return [...lines.slice(0, MAX_PROBLEMS), `${label}:1:1 (file): ${lines.length - MAX_PROBLEMS} more problems`];
}

/** The flag or variable a value came from, if it was not the file. */
function flagOf(path: Path, isSidecar: boolean, overrides: Overrides, env: Environment): string | null {
  const flag = (name: string) => `${COMMAND_LINE}:1:1 ${name}`;
  const variable = (name: string) => (env[name] ? `environment:1:1 ${name}` : null);
  if (path[0] === 'listeners' && (isSidecar || overrides.listen?.length)) return flag('--listen');
  if (path[0] === 'pools' && isSidecar) return flag('--upstream');
  switch (pathText(path)) {
    case 'logging.level':
      return overrides.logLevel ? flag('--log-level') : variable('FERMAT_LOG_LEVEL');
    case 'admin.token':
      return overrides.adminToken ? flag('--token') : variable('FERMAT_ADMIN_TOKEN');
    case 'admin.address':
      return variable('FERMAT_ADMIN_ADDRESS');
    default:
      return null;
  }
}
