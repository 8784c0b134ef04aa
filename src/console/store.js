// What the page knows of the node: told by one stream of Server-Sent Events, kept here, read by the views. There is no
// polling. Frames are taken in within one animation frame each, views told once for all of them, and the whole measured as
// `fermat:update`: what an update costs can be seen in any browser's profiler.

import * as api from './api.js';
import { heedClock } from './dom.js';
import { Stream } from './stream.js';

/** @import { Decision, Endpoint, FermatEvent, FleetView, Hello, NodeView, PoolView, RouteView, Tick, Totals, TotalsHistory } from './types.d.ts' */
/** @typedef {'hello' | 'tick' | 'decision' | 'event' | 'connection'} Kind */
/** @typedef {import('./stream.js').Connection} Connection */

/** Ten minutes of ticks. */
const TOTALS_KEPT = 600;
const DECISIONS_KEPT = 200;
const EVENTS_KEPT = 300;
const HISTORY_KEPT = 60;
/** More than a tick can be late. */
const PUT_BACK_S = 30;
const MEASURE = 'fermat:update';

class Store {
  /** @type {NodeView | null} */ node = null;
  /** Why the node is not ready; null = it is. @type {string | null} */ ready = null;
  /** @type {PoolView[]} */ pools = [];
  /** @type {RouteView[]} */ routes = [];
  /** @type {FleetView | null} */ fleet = null;
  /** By index. @type {Endpoint[]} */ endpoints = [];
  /** @type {Totals} */ totals = { requestsPerSecond: 0, errorsPerSecond: 0, inflight: 0, p50Ms: null, p99Ms: null };
  /** @type {TotalsHistory} */
  totalsHistory = { at: [], requestsPerSecond: [], errorsPerSecond: [], inflight: [], p50Ms: [], p99Ms: [] };
  /** Most requests first; '' = not known. @type {Tick['countries']} */ countries = [];
  /** Newest first. @type {Decision[]} */ decisions = [];
  /** Newest first. @type {FermatEvent[]} */ events = [];
  /** @type {Connection} */ connection = 'connecting';
  /** Between two points of an endpoint's history. ms */
  historyStepMs = 5_000;
  /** Of the last point of the histories; 0 = none yet. ms since 1970 */
  historyEndMs = 0;
  /** Indices that the last tick changed. @type {Set<number>} */ changed = new Set();

  /** @type {Record<Kind, Set<(payload?: any) => void>>} */
  #listeners = { hello: new Set(), tick: new Set(), decision: new Set(), event: new Set(), connection: new Set() };
  /** @type {{ kind: string, data: string }[]} */ #frames = [];
  #frameRequest = 0;
  #stream = new Stream({
    take: (kind, data) => this.#take(kind, data),
    tell: (connection) => this.#tell(connection),
  });
  #measures = 0;
  /** Of histories, over all endpoints and hellos. */
  #version = 0;

  /**
   * `hello` (everything may be another) and `tick` have no payload; `decision` and `event` are told one by one, with it;
   * `connection` has none. Gives what ends the subscription.
   * @param {Kind} kind
   * @param {(payload?: any) => void} fn
   */
  on(kind, fn) {
    this.#listeners[kind].add(fn);
    return () => void this.#listeners[kind].delete(fn);
  }

  /** Opens the stream, for as long as the page is there. */
  start() {
    this.#stream.start();
  }

  get retryAtMs() {
    return this.#stream.retryAtMs;
  }

  endpointById(/** @type {string} */ id) {
    return this.endpoints.find((endpoint) => endpoint.id === id) ?? null;
  }

  #tell(/** @type {Connection} */ connection) {
    this.connection = connection;
    if (connection !== 'live') this.#frames.length = 0;
    this.#dispatch('connection');
  }

  #take(/** @type {string} */ kind, /** @type {string} */ data) {
    this.#frames.push({ kind, data });
    if (this.#frameRequest === 0) this.#frameRequest = requestAnimationFrame(() => this.#update());
  }

  #update() {
    this.#frameRequest = 0;
    const start = performance.now();
    const frames = this.#frames.splice(0);
    let hasHello = false;
    let hasTick = false;
    const told = /** @type {[Kind, unknown][]} */ ([]);
    this.changed.clear();
    for (const { kind, data } of frames) {
      const body = JSON.parse(data);
      if (kind === 'hello') this.#takeHello(body);
      else if (kind === 'tick') this.#takeTick(body);
      else if (kind === 'decision') prepend(this.decisions, body, DECISIONS_KEPT);
      else prepend(this.events, body, EVENTS_KEPT);
      hasHello ||= kind === 'hello';
      hasTick ||= kind === 'tick';
      if (kind === 'decision' || kind === 'event') told.push([kind, body]);
      if (kind === 'event') this.#heed(body);
    }
    if (hasHello) {
      this.#dispatch('hello');
      this.#stream.isGreeted();
    } else if (hasTick) this.#dispatch('tick');
    // A hello has told its own.
    if (!hasHello) for (const [kind, body] of told) this.#dispatch(kind, body);
    if (hasTick || hasHello) this.#measure(start, hasHello ? 'hello' : 'tick');
  }

  #measure(/** @type {number} */ start, /** @type {string} */ detail) {
    if (++this.#measures % TOTALS_KEPT === 0) performance.clearMeasures(MEASURE);
    performance.measure(MEASURE, { start, end: performance.now(), detail });
  }

  #takeHello(/** @type {Hello} */ hello) {
    this.node = hello.node;
    this.pools = hello.pools;
    this.routes = hello.routes;
    this.fleet = hello.fleet;
    this.decisions = joined(hello.decisions.toReversed(), this.decisions, DECISIONS_KEPT);
    this.events = joined(hello.events.toReversed(), this.events, EVENTS_KEPT);
    const { history } = hello;
    this.historyStepMs = history.stepMs;
    this.historyEndMs = Date.parse(history.endAt) || 0;
    this.endpoints = hello.endpoints.map((facts) => ({
      ...facts,
      ...UNTOLD,
      historyVersion: ++this.#version,
      history: { rttMs: history.rttMs[facts.index] ?? [], scoreMs: history.scoreMs[facts.index] ?? [] },
    }));
    for (const state of hello.states) this.#takeState(state);
    this.#takeTick(hello.tick);
  }

  #takeTick(/** @type {Tick} */ tick) {
    this.ready = tick.ready;
    this.totals = tick.totals;
    this.countries = tick.countries;
    for (const numbers of tick.endpoints) this.#takeNumbers(numbers);
    for (const state of tick.states) this.#takeState(state);
    for (const [name, requestsPerSecond, inflight, healthy] of tick.pools) {
      const pool = this.pools.find((one) => one.name === name);
      if (pool) Object.assign(pool, { requestsPerSecond, inflight, healthy });
    }
    const atMs = Date.parse(tick.at);
    heedClock(atMs);
    this.#remember(atMs);
    if (this.historyEndMs === 0 || atMs < this.historyEndMs - this.historyStepMs) this.historyEndMs = atMs;
    else if (atMs - this.historyEndMs >= this.historyStepMs) this.#extend(atMs);
  }

  /** What only a hello tells: asked for when an event says that it is another now. */
  async #heed(/** @type {FermatEvent} */ { type }) {
    try {
      if (type.startsWith('shedding.')) this.node = await api.get('/api/v1/node');
      else if (type === 'redis.up' || type === 'redis.down') this.fleet = await api.get('/api/v1/fleet');
    } catch {
      // the next hello tells
    }
  }

  #takeNumbers(/** @type {Tick['endpoints'][number]} */ numbers) {
    const endpoint = this.endpoints[numbers[0]];
    if (endpoint === undefined) return;
    endpoint.rps = numbers[1];
    endpoint.errorsPerSecond = numbers[2];
    endpoint.inflight = numbers[3];
    endpoint.networkMs = numbers[4];
    endpoint.serverMs = numbers[5];
    endpoint.scoreMs = numbers[6];
    endpoint.share = numbers[7];
    endpoint.requests = numbers[8];
    endpoint.failures = numbers[9];
    this.changed.add(numbers[0]);
  }

  #takeState(/** @type {Tick['states'][number]} */ [index, state, why, since]) {
    const endpoint = this.endpoints[index];
    if (endpoint === undefined) return;
    endpoint.state = state;
    endpoint.why = why;
    endpoint.since = since;
    this.changed.add(index);
  }

  /** The node keeps the same history for whoever comes next; here it only goes on. */
  #extend(/** @type {number} */ atMs) {
    this.historyEndMs = atMs;
    for (const endpoint of this.endpoints) {
      push(endpoint.history.rttMs, endpoint.networkMs, HISTORY_KEPT);
      push(endpoint.history.scoreMs, endpoint.scoreMs, HISTORY_KEPT);
      endpoint.historyVersion = ++this.#version;
      this.changed.add(endpoint.index);
    }
  }

  #remember(/** @type {number} */ atMs) {
    const { totalsHistory: kept, totals } = this;
    const at = atMs / 1000;
    const last = kept.at.at(-1) ?? 0;
    // The node's clock was put back: what was before cannot be on one line with what comes, which would not be shown until then.
    if (at < last - PUT_BACK_S) for (const series of Object.values(kept)) series.length = 0;
    else if (at <= last) return;
    push(kept.at, at, TOTALS_KEPT);
    push(kept.requestsPerSecond, totals.requestsPerSecond, TOTALS_KEPT);
    push(kept.errorsPerSecond, totals.errorsPerSecond, TOTALS_KEPT);
    push(kept.inflight, totals.inflight, TOTALS_KEPT);
    push(kept.p50Ms, totals.p50Ms, TOTALS_KEPT);
    push(kept.p99Ms, totals.p99Ms, TOTALS_KEPT);
  }

  #dispatch(/** @type {Kind} */ kind, /** @type {unknown} */ payload = undefined) {
    for (const fn of [...this.#listeners[kind]]) {
      try {
        fn(payload);
      } catch (error) {
        reportError(error); // one view's mistake is not the others'
      }
    }
  }
}

const UNTOLD = {
  state: /** @type {const} */ ('unknown'),
  why: '',
  since: '',
  rps: 0,
  errorsPerSecond: 0,
  inflight: 0,
  networkMs: null,
  serverMs: null,
  scoreMs: null,
  share: 0,
  requests: 0,
  failures: 0,
};

/**
 * @template T
 * @param {T[]} list
 * @param {T} value
 * @param {number} kept
 */
function push(list, value, kept) {
  list.push(value);
  if (list.length > kept) list.shift();
}

/**
 * @template T
 * @param {T[]} list
 * @param {T} value
 * @param {number} kept
 */
function prepend(list, value, kept) {
  list.unshift(value);
  if (list.length > kept) list.pop();
}

/**
 * What was told anew, and what is older and still known. Newest first.
 * @template {{ readonly at: string }} T
 * @param {T[]} told
 * @param {T[]} known
 * @param {number} kept
 */
function joined(told, known, kept) {
  const oldest = told.at(-1)?.at;
  const older = oldest === undefined ? known : known.filter(({ at }) => at < oldest);
  return [...told, ...older].slice(0, kept);
}

export const store = new Store();
