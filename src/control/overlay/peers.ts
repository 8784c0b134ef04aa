// The other edges, as this one sees them: each is asked on its own schedule, and what it answers becomes one probe of every path
// that leads over it. Owns the timers and connections; judges nothing, for a path over a peer is an endpoint to the fleet.

import { type Level, levelAfter, newLevel } from '../../core/score/network.ts';
import type { EndpointSpec, Snapshot } from '../../core/snapshot.ts';
import type { Config } from '../config/config.ts';
import type { OverlayConfig, PeerConfig } from '../config/overlay.ts';
import type { EventLog, ProbeResult } from '../types.ts';
import { type Digest, type Measure, readDigest } from './digest.ts';
import { Question } from './question.ts';

/** A peer for whom so much fails is no way out. */
const MAX_ERROR_RATIO = 0.2;
const JITTER_RATIO = 0.1;
/** What this node measured is told to its workers at least so often, however seldom it asks others. ms */
const TURN_MS = 2000;

export interface PeersOptions {
  /** Monotonic, ms. */
  readonly clock: () => number;
  readonly random: () => number;
  readonly events: EventLog;
  /** Of every path over a peer, whenever that was asked. */
  readonly onMeasured: (slot: number, generation: number, result: ProbeResult) => void;
  /** To be called once an interval: what this node measured goes to whoever answers peers. */
  readonly onTurn: (nowMs: number) => void;
}

/** One row of what the node says of its peers. */
export interface PeerView {
  readonly id: string;
  readonly url: string;
  readonly region: string | null;
  readonly reachable: boolean;
  /** Of the question; null = not measured. */
  readonly rttMs: number | null;
  /** Why it is not reachable; '' = it is. */
  readonly why: string;
  /** Endpoints that both know. */
  readonly endpoints: number;
}

interface Path {
  readonly slot: number;
  readonly generation: number;
  readonly key: string;
}

interface Peer {
  readonly fingerprint: string;
  readonly config: PeerConfig;
  readonly question: Question;
  readonly ending: AbortController;
  readonly rtt: Level;
  paths: readonly Path[];
  shared: number;
  /** null = it was not asked yet; '' = it answers. */
  why: string | null;
  timer: NodeJS.Timeout | null;
  /** The last question was the first over its connection. */
  isFresh: boolean;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Peer>();
  #config: OverlayConfig | null = null;
  #turn: NodeJS.Timeout | null = null;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Peers that stay as they were are gone on with, with what was measured of them. */
  install({ overlay, node }: Config, { endpoints }: Snapshot): void {
    this.#config = overlay;
    const wanted = new Map((overlay?.peers ?? []).map((peer) => [peer.id, peer]));
    for (const [id, peer] of this.#peers) {
      const now = wanted.get(id);
      if (now !== undefined && fingerprintOf(node.id, now, overlay!) === peer.fingerprint) continue;
      this.#end(peer);
      this.#peers.delete(id);
    }
    for (const [id, config] of wanted) {
      const peer = this.#peers.get(id) ?? this.#begin(node.id, config, overlay!);
      peer.paths = endpoints.flatMap(pathOf(id));
      this.#peers.set(id, peer);
    }
    if (this.#turn !== null) clearInterval(this.#turn);
    this.#turn =
      overlay === null ? null : setInterval(() => this.#onTurn(), Math.min(overlay.intervalMs, TURN_MS)).unref();
    if (overlay !== null) this.#onTurn();
  }

  stop(): void {
    for (const peer of this.#peers.values()) this.#end(peer);
    this.#peers.clear();
    if (this.#turn !== null) clearInterval(this.#turn);
    this.#turn = null;
  }

  views(): PeerView[] {
    return Array.from(this.#peers.values(), ({ config, rtt, why, shared }) => ({
      id: config.id,
      url: `${config.scheme}://${config.host.includes(':') ? `[${config.host}]` : config.host}:${config.port}`,
      region: config.region,
      reachable: why === '',
      rttMs: Number.isNaN(rtt.ms) ? null : Math.round(rtt.ms * 1000) / 1000,
      why: why ?? 'not asked yet',
      endpoints: shared,
    }));
  }

  #onTurn(): void {
    this.#options.onTurn(this.#options.clock());
  }

  #begin(self: string, config: PeerConfig, overlay: OverlayConfig): Peer {
    const { clock } = this.#options;
    const peer: Peer = {
      fingerprint: fingerprintOf(self, config, overlay),
      config,
      question: new Question(self, config, overlay, clock),
      ending: new AbortController(),
      rtt: newLevel(),
      paths: [],
      shared: 0,
      why: null,
      timer: null,
      isFresh: false,
    };
    this.#later(peer, 0);
    return peer;
  }

  #end(peer: Peer): void {
    peer.ending.abort();
    peer.question.close();
    if (peer.timer !== null) clearTimeout(peer.timer);
    peer.timer = null;
  }

  #later(peer: Peer, ms: number): void {
    peer.timer = setTimeout(() => void this.#ask(peer), ms);
    peer.timer.unref();
  }

  /** Never rejects. */
  async #ask(peer: Peer): Promise<void> {
    const { clock, random } = this.#options;
    const startMs = clock();
    let isFresh = false;
    try {
      const { text, rttMs } = await peer.question.ask(peer.ending.signal);
      if (peer.ending.signal.aborted) return;
      isFresh = rttMs === null && !peer.isFresh;
      if (rttMs !== null) this.#answered(peer, text, rttMs);
      else if (!isFresh) this.#failed(peer, 'it closes its connections: it is about to go');
    } catch (error) {
      if (peer.ending.signal.aborted) return;
      this.#failed(peer, error instanceof Error ? error.message : String(error));
    }
    const intervalMs = this.#config!.intervalMs * (1 + JITTER_RATIO * (2 * random() - 1));
    // The first question over a connection paid for that: the next tells the way.
    peer.isFresh = isFresh;
    this.#later(peer, isFresh ? 0 : Math.max(intervalMs - (clock() - startMs), 10));
  }

  #answered(peer: Peer, text: string, rttMs: number): void {
    const digest = readDigest(text);
    const wrong = typeof digest === 'string' ? digest : mismatchOf(peer.config, digest);
    if (wrong !== null) return this.#failed(peer, wrong);
    const { endpoints } = digest as Digest;
    if (peer.why !== '') {
      const message = `peer ${peer.config.id} answers: ${rttMs.toFixed(1)} ms`;
      this.#options.events.emit('info', 'overlay.peer', message, { peer: peer.config.id, rttMs });
    }
    peer.why = '';
    levelAfter(peer.rtt, rttMs);
    peer.shared = 0;
    for (const path of peer.paths) {
      const measure = Object.hasOwn(endpoints, path.key) ? endpoints[path.key] : undefined;
      if (measure !== undefined) peer.shared++;
      this.#tell(
        path,
        measure === undefined
          ? failure(`${peer.config.id} does not serve it`)
          : pathResult(rttMs, measure, peer.config.id),
      );
    }
  }

  #failed(peer: Peer, why: string): void {
    if (peer.why !== why) {
      const message = `peer ${peer.config.id} is of no use: ${why}`;
      this.#options.events.emit('warn', 'overlay.peer', message, { peer: peer.config.id, why });
    }
    peer.why = why;
    for (const path of peer.paths) this.#tell(path, failure(`${peer.config.id}: ${why}`));
  }

  #tell({ slot, generation }: Path, result: Outcome): void {
    const atMs = this.#options.clock();
    this.#options.onMeasured(slot, generation, { ...NOTHING, ...result, atMs });
  }
}

type Outcome = Partial<ProbeResult> & Pick<ProbeResult, 'ok'>;

const NOTHING: Omit<ProbeResult, 'ok' | 'atMs'> = {
  dnsMs: null,
  connectMs: null,
  tlsMs: null,
  firstByteMs: null,
  warm: true,
  status: null,
  error: null,
  failure: null,
  stalled: false,
};

function failure(error: string): Outcome {
  return { ok: false, error, failure: 'connect' };
}

/** The way to the peer and on from there, as one probe: network the round trips, first byte all of it. */
function pathResult(rttMs: number, measure: Measure, peer: string): Outcome {
  const { healthy, networkMs, probeMs, errorRatio } = measure;
  if (!healthy) return failure(`not healthy as ${peer} sees it`);
  if (errorRatio > MAX_ERROR_RATIO) return failure(`${Math.round(errorRatio * 100)} % fail as ${peer} sees it`);
  if (networkMs === null) return failure(`${peer} has not measured it lately`);
  const connectMs = rttMs + networkMs;
  return { ok: true, connectMs, firstByteMs: probeMs === null ? null : connectMs + probeMs };
}

/** Where the peer is decides what may pass it: both sides have to say the same. */
function mismatchOf({ id, region }: PeerConfig, digest: Digest): string | null {
  if (digest.node !== id) return `it calls itself ${digest.node}`;
  if (region === null || digest.region === null || digest.region === region) return null;
  return `it says that it is in ${digest.region}, the configuration says ${region}`;
}

function pathOf(peer: string): (endpoint: EndpointSpec) => Path[] {
  return ({ via, slot, generation }) => (via?.peer === peer ? [{ slot, generation, key: via.key }] : []);
}

/** All that a peer's connection depends on. */
function fingerprintOf(self: string, peer: PeerConfig, { tls, secret }: OverlayConfig): string {
  return JSON.stringify([self, peer, tls?.ca, tls?.cert, tls?.key, secret]);
}
