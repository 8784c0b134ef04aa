// One worker's data plane: everything its connections share. Built by worker.ts from what the control plane hands over,
// changed only by a new Snapshot, a new GeoIP database or a drain.

import type { GeoReader } from '../../geoip/reader.ts';
import { CELL, OTHER } from '../core/cells.ts';
import { Census, newCensus } from '../core/census.ts';
import type { LaneWriter } from '../core/lane-writer.ts';
import type { Addresses, ProxyRefusal } from '../core/messages.ts';
import type { Router } from '../core/router.ts';
import type { PickContext } from '../core/selector.ts';
import type { LimitsSpec, Snapshot } from '../core/snapshot.ts';
import type { TraceBatch } from '../core/trace-spans.ts';
import { RequestReader } from '../wire/request.ts';
import { ResponseReader } from '../wire/response.ts';
import { AccessLog } from './access.ts';
import { AddressBook } from './addresses.ts';
import { Admission } from './admission.ts';
import { Batch } from './batch.ts';
import { Capture } from './capture.ts';
import { Descriptors } from './descriptors.ts';
import type { Problem } from './errors.ts';
import { buildGeneration, type Generation } from './generation.ts';
import { Directories } from './locality.ts';
import { Locator } from './locate.ts';
import { relayGroups } from './overlay/relay.ts';
import type { Measured } from './overlay/serve.ts';
import { Overload } from './overload.ts';
import { Porch } from './porch.ts';
import { RateLimits } from './rate-limit.ts';
import { Readers } from './readers.ts';
import type { Peer } from './sides.ts';
import { Tracer } from './tracing.ts';
import type { Tunnel } from './tunnel.ts';
import { Upstreams } from './upstreams.ts';
import { Wheel } from './wheel.ts';

/** A client connection as the plane keeps it. */
export interface ClientConnectionHandle {
  /** This process is going to end: whoever can be told is told. */
  beginDrain(): void;
  /** Closes it when nothing is under way, or as soon as that is so. */
  closeIdle(): void;
  destroy(): void;
}

/** What an endpoint's response head may hold. */
const RESPONSE_LIMITS = { requestLineBytes: 8 * 1024, headBytes: 64 * 1024, headers: 200 };

/** Retries look at no more endpoints than this. */
const MAX_TRIED = 8;

const UNPROXIED_EVERY_MS = 60_000;

export interface PlaneOptions {
  readonly lane: number;
  readonly writer: LaneWriter;
  readonly clock: () => number;
  readonly random: () => number;
  readonly loopId: string;
  readonly snapshot: Snapshot;
  /** What the workers of the node count together; left out = this one counts alone. */
  readonly census?: Census;
  /** Buckets that the workers of the node share (core/limit/table.ts); left out = this one's alone. */
  readonly rateLimits?: SharedArrayBuffer;
  /** Sees every compiled router first; tests plant a bug there. */
  readonly wrapRouter: (router: Router) => Router;
  /** No exchange of a snapshot older than `version` is left. */
  readonly onQuiet: (version: number) => void;
  /** A connection was closed for its PROXY header, the first in a minute. */
  readonly onUnproxied?: (listener: string, address: string, why: ProxyRefusal) => void;
  readonly onSpans?: (batch: TraceBatch) => void;
}

export class Plane {
  readonly clock: () => number;
  readonly random: () => number;
  readonly lane: LaneWriter;
  readonly wheel: Wheel;
  readonly upstreams: Upstreams;
  readonly addresses: AddressBook;
  readonly batch = new Batch();
  readonly locator: Locator;
  readonly capture: Capture;
  readonly access: AccessLog;
  readonly tracer: Tracer;
  readonly overload: Overload;
  readonly admission: Admission;
  readonly rateLimits: RateLimits;
  readonly directories = new Directories();
  readonly descriptors = new Descriptors();
  readonly porch = new Porch();
  /** Workers of the node, this one counted; they stay as many. */
  readonly lanes: number;
  readonly loopId: string;
  /** The whole CDN-Loop line of this process. */
  readonly loopLine: string;
  /** Reused by every selection: a selection is one synchronous call. */
  readonly pick: PickContext;
  /** Made anew with the limits of each Snapshot. */
  requestReaders: Readers<RequestReader>;
  readonly responseReaders: Readers<ResponseReader>;
  generation: Generation;
  /** What peers are told that was measured here; null = nothing yet. */
  measured: Measured | null = null;
  isDraining = false;
  /** The grace of a drain is over: idle connections are closed too. */
  isClosingIdle = false;
  /** WebSockets on their way through. */
  readonly tunnels = new Set<Tunnel>();
  readonly #options: PlaneOptions;
  readonly #connections = new Set<ClientConnectionHandle>();
  readonly #old: Generation[] = [];
  #unproxiedFromMs = 0;

  constructor(options: PlaneOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.random = options.random;
    this.lane = options.writer;
    this.lanes = options.snapshot.lanes;
    this.loopId = options.loopId;
    this.loopLine = `CDN-Loop: fermat; n=${options.loopId}\r\n`;
    this.wheel = new Wheel(options.clock);
    this.locator = new Locator(options.writer);
    this.access = new AccessLog(options.lane, options.random, options.clock);
    this.tracer = new Tracer(options.random, options.snapshot.lanes, (batch) => options.onSpans?.(batch));
    this.capture = new Capture(options.writer, options.lane, options.random);
    this.addresses = new AddressBook(options.clock);
    this.upstreams = new Upstreams(this);
    this.overload = new Overload(options.snapshot.limits, this.wheel.nowMs);
    this.admission = new Admission(this, options.census ?? new Census(newCensus(1), 0), this.overload);
    this.rateLimits = new RateLimits(options.rateLimits ?? null);
    this.wheel.onTurn = (nowMs) => this.overload.tick(nowMs);
    this.pick = {
      lane: options.lane,
      inflight: options.writer.inflight,
      nowMs: 0,
      random: options.random,
      tried: new Int32Array(MAX_TRIED),
      triedCount: 0,
      mayExplore: false,
      hash: 0,
      place: null,
    };
    this.requestReaders = this.#readersOf(options.snapshot.limits);
    this.responseReaders = new Readers(() => new ResponseReader(RESPONSE_LIMITS));
    this.generation = this.#build(options.snapshot);
    this.wheel.start();
  }

  get limits(): LimitsSpec {
    return this.generation.snapshot.limits;
  }

  /** Answers are the last of their connections: the process is going to end, or memory is short. */
  get endsConnections(): boolean {
    return this.isDraining || this.overload.isClosing;
  }

  connections(): ClientConnectionHandle[] {
    return [...this.#connections];
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The next request sees the new structure; those under way end in the old one. */
  install(snapshot: Snapshot): void {
    this.#old.push(this.generation);
    this.generation = this.#build(snapshot);
    this.requestReaders = this.#readersOf(snapshot.limits);
    this.#reportQuiet();
  }

  /** To be called a few times a second: what need not be looked at for each request. */
  beat(): void {
    this.capture.beat();
    this.tracer.flush();
    this.overload.beat();
    this.descriptors.beat();
    if (this.descriptors.isTight) this.upstreams.closeSome();
    this.lane.tellOverload(this.overload.pressure, this.admission.reasonsAt(this.clock()));
  }

  installGeo(reader: GeoReader | null): void {
    this.locator.install(reader);
  }

  learnAddresses(news: Addresses): void {
    this.addresses.learn(news);
    this.upstreams.checkAddresses(news);
  }

  remember(connection: ClientConnectionHandle): void {
    this.#connections.add(connection);
  }

  forget(connection: ClientConnectionHandle): void {
    this.#connections.delete(connection);
  }

  enter(): Generation {
    this.generation.exchanges++;
    return this.generation;
  }

  leave(generation: Generation): void {
    generation.exchanges--;
    if (generation.exchanges === 0 && generation !== this.generation) this.#reportQuiet();
  }

  /** A request that never became an exchange. `peer`: null = it was not even a request; `problem`: null = its client took it back. */
  countRefusal(status: number, peer: Peer | null = null, problem: Problem | null = null): void {
    this.lane.count(CELL.REQUESTS, OTHER, OTHER, status);
    if (peer !== null && this.access.isOn) this.access.refuse(peer, status, problem);
  }

  beginDrain(): void {
    this.isDraining = true;
    for (const connection of this.#connections) connection.beginDrain();
  }

  /** Most likely somebody's configuration is wrong. Told once a minute: it may as well be an attack. */
  sayUnproxied(listener: string, address: string, why: ProxyRefusal): void {
    const nowMs = this.clock();
    if (nowMs < this.#unproxiedFromMs) return;
    this.#unproxiedFromMs = nowMs + UNPROXIED_EVERY_MS;
    this.#options.onUnproxied?.(listener, address, why);
  }

  closeIdle(): void {
    this.isClosingIdle = true;
    for (const connection of this.#connections) connection.closeIdle();
  }

  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
    this.upstreams.destroy();
    this.descriptors.close();
    this.wheel.stop();
  }

  #readersOf(limits: LimitsSpec): Readers<RequestReader> {
    return new Readers(() => new RequestReader(limits));
  }

  #build(snapshot: Snapshot): Generation {
    this.overload.install(snapshot.limits, this.wheel.nowMs);
    this.access.install(snapshot.accessLog ?? null);
    this.admission.install(snapshot);
    const { overlay = null, nodeId } = snapshot;
    const relays = overlay === null ? null : relayGroups(this, overlay, nodeId);
    const groups = this.upstreams.install(snapshot.endpoints, snapshot.pools, relays);
    return buildGeneration(snapshot, groups, this.clock(), this.#options.wrapRouter, this.generation ?? null);
  }

  #reportQuiet(): void {
    while (this.#old.length > 0 && this.#old[0]!.exchanges === 0) this.#old.shift();
    if (this.#old.length === 0) this.#options.onQuiet(this.generation.snapshot.version);
  }
}
