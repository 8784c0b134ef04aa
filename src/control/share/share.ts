// Sharing through Redis: once a probe interval a node tells what it measured, and hears what others tell. One command a turn; what
// is told is bounded by what all of them together may send to each (RECEIVED_PER_S), so that the traffic of a node does not
// grow with the fleet. Who comes anew reads the whole digests of its nearest first. Without Redis nothing happens, and what was
// heard fades. What is made of it is core/share's business; owns its timer and its subscription.

import { randomBytes } from 'node:crypto';
import { Changes } from '../../core/share/changes.ts';
import { decodeDigest, ENDPOINT_BYTES, encodeDigest, MAX_BYTES } from '../../core/share/codec.ts';
import type { Digest, SharedCohort, SharedEndpoint } from '../../core/share/digest.ts';
import { type Heard, Peers } from '../../core/share/peers.ts';
import type { LatLon } from '../../core/snapshot.ts';
import type { RedisLink } from '../redis/link.ts';
import type { EventLog, FleetView } from '../types.ts';
import { nameOf, worthReading } from './nearby.ts';
import { Rate } from './rate.ts';
import { LEAVE, LIST, READ, TELL } from './scripts.ts';

export interface ShareSelf {
  readonly node: string;
  readonly region: string | null;
  readonly place: LatLon | null;
  /** Of the most frequent probes. */
  readonly probeIntervalMs: number;
}

/** What became of a digest: heard, or why not; `sent` are our own. */
export type DigestResult = Heard | Exclude<ReturnType<typeof decodeDigest>, Digest> | 'sent';

export interface ShareOptions {
  readonly link: RedisLink;
  readonly events: EventLog;
  /** Monotonic, ms. */
  readonly clock: () => number;
  readonly random: () => number;
  readonly self: () => ShareSelf;
  /** What this node knows now. */
  readonly shared: (nowMs: number) => readonly SharedEndpoint[];
  /** What clients of countries get beside everybody: to tell, and as a near node told it. */
  readonly countries?: {
    shared(nowMs: number): readonly SharedCohort[];
    beginWith(told: readonly SharedCohort[], nowMs: number): void;
  };
  readonly onDigest: (result: DigestResult) => void;
  /** The shortest turn. ms; 1 s unless said otherwise. */
  readonly leastTurnMs?: number;
}

const CHANNEL = 'fleet';
const TAG = 'fleet';
/** A turn, while nodes are few. ms */
const LEAST_TURN_MS = 1000;
const LONGEST_TURN_MS = 10_000;
/** From so many nodes on turns are longer, by as much as they are more. */
const MANY_NODES = 64;
/** What a node may be sent by all others together. Bytes/s */
const RECEIVED_PER_S = 64 * 1024;
/** Of a digest without endpoints, with what Redis puts around it. */
const MESSAGE_BYTES = 140;
const LEAST_ENDPOINTS = 4;
/** Everything is kept in Redis every other turn, for three. */
const WHOLE_EVERY = 2;
const TTL_TURNS = 3;
/** A node whose changes do not all fit is read whole when it was not for so long. ms */
const REREAD_MS = 30_000;
const READS = 2;
/** Names that are looked at. */
const MAX_LISTED = 1024;
const JITTER = 0.1;
/** Of the start, for what others know. ms */
const FIRST_WAIT_MS = 500;

export class Share {
  readonly peers: Peers;
  readonly #options: ShareOptions;
  readonly #instance = randomBytes(8).toString('hex');
  readonly #changes = new Changes();
  readonly #received = new Rate();
  readonly #sent = new Rate();
  #sequence = 0;
  #turns = 0;
  #timer: NodeJS.Timeout | null = null;
  #unsubscribe: (() => void) | null = null;
  /** Kinds of rubbish that were told of. */
  readonly #told = new Set<string>();
  #isRunning = false;

  constructor(options: ShareOptions) {
    this.#options = options;
    this.peers = new Peers({ instance: this.#instance, region: null, place: null });
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#move();
    const { link } = this.#options;
    this.#unsubscribe = link.subscribe(
      CHANNEL,
      (message) => this.#hear(message),
      () => this.#see(this.#catchUp()),
    );
    this.#later(this.#turnMs() * this.#options.random());
  }

  /** Resolves when what others know has been read, or they cannot be asked: within half a second. Never rejects. */
  async ready(): Promise<void> {
    if (await this.#options.link.settled(FIRST_WAIT_MS)) await this.#catchUp().catch(() => {});
  }

  /** Says goodbye, if Redis is there. Never rejects. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#unsubscribe?.();
    const { link } = this.#options;
    const last = Buffer.from(encodeDigest(this.#digestOf([], true, true)));
    await link.script('leave', LEAVE, this.#keys(), [link.channel(CHANNEL), last, this.#name()]);
  }

  /** Who is there, as the admin API shows it. */
  view(): FleetView {
    const { link, clock, self } = this.#options;
    const nowMs = clock();
    const { node, region, place } = self();
    const nodes = [...this.peers.all].map((peer) => ({
      node: peer.node,
      instance: peer.instance,
      region: peer.region,
      location: peer.place,
      ageMs: Math.round(nowMs - peer.heardMs),
      intervalMs: peer.intervalMs,
      endpoints: peer.keys.size,
      distanceKm: Number.isNaN(peer.km) ? null : Math.round(peer.km),
      isNear: peer.isNear,
    }));
    nodes.sort((a, b) => (a.distanceKm ?? 1e9) - (b.distanceKm ?? 1e9) || a.node.localeCompare(b.node));
    return {
      redis: {
        configured: link.isConfigured,
        up: link.isUp,
        listening: link.isListening,
        receivedBytesPerS: Math.round(this.#received.perS),
        sentBytesPerS: Math.round(this.#sent.perS),
      },
      self: { node, instance: this.#instance, region, location: place },
      nodes,
    };
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => this.#see(this.#turn()), ms);
    this.#timer.unref();
  }

  /** Whatever others have put into Redis, this node lives on. */
  #see(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#options.events.emit('error', 'share.failed', `sharing failed, and goes on: ${error}`);
    });
  }

  /** Where we are may have changed with the configuration. */
  #move(): void {
    const { region, place } = this.#options.self();
    this.peers.move({ instance: this.#instance, region, place });
  }

  #turnMs(): number {
    const { probeIntervalMs } = this.#options.self();
    const ms = Math.min(Math.max(probeIntervalMs, this.#options.leastTurnMs ?? LEAST_TURN_MS), LONGEST_TURN_MS);
    return ms * Math.max((this.peers.size + 1) / MANY_NODES, 1);
  }

  async #turn(): Promise<void> {
    const { link, clock, random } = this.#options;
    const nowMs = clock();
    const turnMs = this.#turnMs();
    this.#later(turnMs * (1 + (random() * 2 - 1) * JITTER));
    this.#move();
    this.peers.expire(nowMs);
    const { received, sent } = link.bytes;
    this.#received.count(received, nowMs);
    this.#sent.count(sent, nowMs);
    if (!link.isUp) return;
    await this.#tell(turnMs, nowMs);
    await this.#readWanted();
  }

  async #tell(turnMs: number, nowMs: number): Promise<void> {
    const { link, shared, countries, onDigest } = this.#options;
    const endpoints = shared(nowMs);
    const isKept = this.#turns++ % WHOLE_EVERY === 0;
    const perTurn = (RECEIVED_PER_S * turnMs) / 1000 / (this.peers.size + 1);
    const most = Math.max(Math.floor((perTurn - MESSAGE_BYTES) / ENDPOINT_BYTES), LEAST_ENDPOINTS);
    const isWhole = isKept && endpoints.length <= most;
    const told = isWhole ? this.#changes.takeAll(endpoints) : this.#changes.take(endpoints, most);
    const digest = this.#digestOf(told.endpoints, isWhole, told.isComplete, turnMs);
    const message = encodeDigest(digest);
    const all = { ...digest, endpoints, isWhole: true, isComplete: true };
    const kept = isKept ? encodeDigest({ ...all, cohorts: countries?.shared(nowMs) ?? [] }) : '';
    const ttlMs = Math.round(turnMs * TTL_TURNS);
    const args = [link.channel(CHANNEL), Buffer.from(message), ttlMs, Buffer.from(kept), this.#name()];
    const heard = await link.script('tell', TELL, this.#keys(), args);
    if (heard !== undefined) onDigest('sent');
    // Nobody knows whether it was heard: everything is told anew.
    else this.#changes.takeAll([]);
  }

  #digestOf(
    endpoints: readonly SharedEndpoint[],
    isWhole: boolean,
    isComplete: boolean,
    turnMs = LEAST_TURN_MS,
  ): Digest {
    const { node, region, place } = this.#options.self();
    const sequence = ++this.#sequence;
    const intervalMs = Math.round(turnMs * (1 + JITTER));
    return {
      instance: this.#instance,
      node,
      region,
      place,
      sequence,
      intervalMs,
      isWhole,
      isComplete,
      endpoints,
      cohorts: [],
    };
  }

  #hear(message: Uint8Array, delayMs = 0): void {
    const { clock, countries, events, onDigest } = this.#options;
    const digest = decodeDigest(message);
    if (typeof digest !== 'string') {
      onDigest(this.peers.hear(digest, clock(), delayMs));
      if (this.peers.named(digest.instance)?.isNear === true) countries?.beginWith(digest.cohorts, clock());
      return;
    }
    onDigest(digest);
    if (this.#told.has(digest)) return;
    this.#told.add(digest);
    const what = `what is at the fleet's place in Redis cannot be read (${digest}), and is ignored`;
    events.emit('warn', 'share.unreadable', what, { result: digest, bytes: message.length });
  }

  /** Reads who is there, and what the nearest know. */
  async #catchUp(): Promise<void> {
    const { link, random, self } = this.#options;
    this.#told.clear();
    this.peers.missed();
    const names = await link.script<unknown>('list', LIST, [link.key(TAG, 'nodes')], [MAX_LISTED]);
    if (!Array.isArray(names)) return;
    const { place } = self();
    await this.#read(worthReading(names, { instance: this.#instance, place }, random));
  }

  /** Nodes that were heard, but never whole, and those that change too much to tell it all; some each turn. */
  async #readWanted(): Promise<void> {
    const nowMs = this.#options.clock();
    const wanted = [...this.peers.all]
      .filter((peer) => nowMs - Math.max(peer.wholeMs, peer.completeMs) > REREAD_MS || peer.wholeMs === -Infinity)
      .sort((a, b) => Number(b.isNear) - Number(a.isNear) || a.wholeMs - b.wholeMs || 0);
    await this.#read(wanted.slice(0, READS).map(({ instance }) => instance));
  }

  async #read(instances: readonly string[]): Promise<void> {
    if (instances.length === 0) return;
    const { link } = this.#options;
    const keys = instances.map((instance) => link.key(TAG, instance));
    const found = await link.scriptBytes<unknown>('read', READ, keys, [MAX_BYTES]);
    if (!Array.isArray(found)) return;
    for (let i = 0; i < instances.length; i++) {
      const bytes: unknown = found[2 * i];
      const leftMs = Number(found[2 * i + 1]);
      if (!(bytes instanceof Uint8Array) || bytes.length === 0) continue;
      const digest = decodeDigest(bytes);
      const ttlMs = typeof digest === 'string' ? 0 : (digest.intervalMs / (1 + JITTER)) * TTL_TURNS;
      this.#hear(bytes, Math.max(ttlMs - Math.max(leftMs, 0), 0));
    }
  }

  #keys(): readonly string[] {
    const { link } = this.#options;
    return [link.key(TAG, 'nodes'), link.key(TAG, this.#instance)];
  }

  #name(): string {
    return nameOf({ instance: this.#instance, place: this.#options.self().place });
  }
}
