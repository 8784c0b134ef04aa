// A line of a decisions file back into the state that the pick saw. Everything that the replay needs is checked, and what is
// wrong is named: a file may have been cut, edited, or written by another version.

import type { PickState } from '../../core/decision.ts';
import { ROLE_NAMES } from '../../core/selector.ts';
import { type EndpointSpec, type HashOn, NONE, POLICIES, type PoolSpec } from '../../core/snapshot.ts';
import { CANDIDATE_DOUBLES, ROW, ROW_INTS } from '../../core/table.ts';
import { HEAD_NAMES, TERM_NAMES } from './record.ts';

/** A decision as a replay works with it. */
export interface Recorded {
  readonly id: string;
  readonly atMs: number;
  readonly pool: string;
  readonly route: string;
  readonly row: number;
  readonly cohort: string;
  readonly residency: readonly string[];
  readonly endpoint: string;
  /** Of the choice, in the row. */
  readonly place: number;
  readonly role: number;
  readonly propensity: number;
  /** It stands for so many picks. */
  readonly every: number;
  /** Of the answer, where there was one: ms and bytes. */
  readonly firstByteMs: number | null;
  readonly bytes: number | null;
  readonly state: PickState;
  /** By place; null = unknown. */
  readonly distancesKm: readonly (number | null)[];
}

/** Throws an Error that says what is wrong with the line. */
export function parseRecord(line: string): Recorded {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error('not JSON');
  }
  const record = new Fields(json, '');
  const replay = record.child('replay');
  const candidates = record.list('candidates').map((value, i) => new Fields(value, `candidates[${i}].`));
  if (candidates.length === 0) throw new Error('candidates: expected at least one');
  const endpoint = record.text('endpoint');
  const place = candidates.findIndex((candidate) => candidate.text('id') === endpoint);
  if (place === NONE) throw new Error(`endpoint: ${endpoint} is not among the candidates`);
  const role = (ROLE_NAMES as readonly string[]).indexOf(record.text('role'));
  if (role === NONE) throw new Error(`role: expected one of ${ROLE_NAMES.join(', ')}`);
  return {
    id: record.text('id'),
    atMs: replay.number('nowMs'),
    pool: record.text('pool'),
    route: record.text('route'),
    row: record.number('row'),
    cohort: record.text('cohort'),
    residency: record.list('residency').map(String),
    endpoint,
    place,
    role,
    propensity: record.number('propensity'),
    every: replay.number('every'),
    firstByteMs: record.maybe('firstByteMs'),
    bytes: record.maybe('bytes'),
    state: stateOf(record, replay, candidates),
    distancesKm: candidates.map((candidate) => candidate.maybe('distanceKm')),
  };
}

function stateOf(record: Fields, replay: Fields, candidates: readonly Fields[]): PickState {
  const head = new Int32Array(ROW_INTS);
  const heads = replay.child('head');
  for (const [name, field] of HEAD_NAMES) head[field] = heads.number(name);
  for (const field of [ROW.BAND, ROW.ELIGIBLE]) {
    if (head[field]! > candidates.length) throw new Error('replay.head: more candidates than there are');
  }
  const terms = new Float64Array(candidates.length * CANDIDATE_DOUBLES);
  candidates.forEach((candidate, i) => {
    const of = candidate.child('terms');
    for (const [name, field] of TERM_NAMES) terms[i * CANDIDATE_DOUBLES + field] = of.exact(name);
  });
  const ages = candidates.map((candidate) => candidate.maybe('trialAgeMs'));
  return {
    pool: poolOf(record.text('pool'), record.child('settings')),
    endpoints: candidates.map(endpointOf),
    head,
    indexes: Int32Array.from(candidates, (candidate) => candidate.number('index')),
    flags: Int32Array.from(candidates, (candidate) => candidate.number('flags')),
    terms,
    inflight: Int32Array.from(candidates, (candidate) => candidate.number('inflight')),
    trialAgesMs: Float64Array.from(ages.includes(null) ? [] : (ages as number[])),
    tried: Int32Array.from(replay.list('tried').map(Number)),
    chance: replay.number('chance'),
    turn: replay.number('turn'),
    nowMs: replay.number('nowMs'),
    hash: replay.number('hash'),
    mayExplore: replay.flag('mayExplore'),
  };
}

function poolOf(name: string, settings: Fields): PoolSpec {
  const policy = POLICIES.find((known) => known === settings.text('policy'));
  if (policy === undefined) throw new Error(`settings.policy: expected one of ${POLICIES.join(', ')}`);
  return {
    ...POOL,
    name,
    policy,
    bandRatio: settings.number('bandRatio'),
    bandMs: settings.number('bandMs'),
    exploreRatio: settings.number('exploreRatio'),
    millisPerUsdPerMillion: settings.number('millisPerUsdPerMillion'),
    hashOn: hashOnOf(settings),
    whenAllDown: settings.text('whenAllDown') === 'fail' ? 'fail' : 'try',
  };
}

/** Whether there is one is all that a replay asks: the key itself is in the record as a hash. */
function hashOnOf(settings: Fields): HashOn | null {
  return settings.has('hashOn') ? { kind: 'client' } : null;
}

function endpointOf(candidate: Fields): EndpointSpec {
  return {
    ...ENDPOINT,
    uid: candidate.number('uid'),
    id: candidate.text('id'),
    slot: candidate.number('slot'),
    region: candidate.maybeText('region'),
    capacity: candidate.number('capacity'),
    weight: candidate.number('weight'),
    egressUsdPerGb: candidate.number('egressUsdPerGb'),
  };
}

/** An object whose fields are asked for by name and kind. */
class Fields {
  readonly #of: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new Error(`${path === '' ? 'the line' : path.slice(0, -1)}: expected an object`);
    }
    this.#of = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  child(name: string): Fields {
    return new Fields(this.#of[name], `${this.#path}${name}.`);
  }

  text(name: string): string {
    const value = this.#of[name];
    return typeof value === 'string' ? value : this.#fail(name, 'a text');
  }

  maybeText(name: string): string | null {
    return this.#of[name] === null ? null : this.text(name);
  }

  number(name: string): number {
    const value = this.#of[name];
    return typeof value === 'number' ? value : this.#fail(name, 'a number');
  }

  maybe(name: string): number | null {
    return this.#of[name] === null ? null : this.number(name);
  }

  /** Also what JSON has no number for. */
  exact(name: string): number {
    const value = this.#of[name];
    if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
    return this.number(name);
  }

  has(name: string): boolean {
    return (this.#of[name] ?? null) !== null;
  }

  flag(name: string): boolean {
    const value = this.#of[name];
    return typeof value === 'boolean' ? value : this.#fail(name, 'true or false');
  }

  list(name: string): readonly unknown[] {
    const value = this.#of[name];
    return Array.isArray(value) ? value : this.#fail(name, 'a list');
  }

  #fail(name: string, expected: string): never {
    throw new Error(`${this.#path}${name}: expected ${expected}`);
  }
}

/** What a pick asks nothing of. */
const POOL: PoolSpec = {
  uid: 0,
  name: '',
  endpoints: [],
  row: 0,
  policy: 'fastest',
  bandRatio: 0,
  bandMs: 0,
  exploreRatio: 0,
  hashOn: null,
  millisPerUsdPerMillion: 0,
  slowStartMs: 0,
  whenAllDown: 'try',
  timeouts: { connectMs: 0, firstByteMs: 0, bodyIdleMs: 0, tunnelIdleMs: 0, idleMs: 0, connectionAgeMs: 0, totalMs: 0 },
  retry: {
    attempts: 0,
    onConnect: false,
    onReset: false,
    onTimeout: false,
    onStatus: [],
    methods: [],
    budgetRatio: 0,
    budgetMin: 0,
  },
  hedge: null,
  outlier: { consecutive: 0, intervalMs: 0, ejectionMs: 0, maxEjectionMs: 0, maxEjectedRatio: 0 },
  connectionsPerEndpoint: 0,
  requests: 0,
  requestsPerEndpoint: 0,
  queue: 0,
  queueTimeoutMs: 0,
  tls: { ca: null, cert: null, key: null, serverName: null, verify: true },
  proxyProtocol: 'off',
};

const ENDPOINT: EndpointSpec = {
  uid: 0,
  id: '',
  url: '',
  slot: 0,
  generation: 0,
  scheme: 'http',
  host: '',
  port: 0,
  socketPath: null,
  authority: '',
  region: null,
  location: null,
  weight: 1,
  capacity: 0,
  egressUsdPerGb: 0,
  labels: {},
};
