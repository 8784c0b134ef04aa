// What waits for the collector, and when it is asked: a batch at a time, again after a pause when it cannot take one, with a bound
// on what waits. OpenTelemetry's own exporter is not used: what a collector rejects of a batch (partial success) it tells nobody,
// it cannot be ended before its time-out, keeps up to 30 batches under way, reads settings from the environment behind the
// configuration's back, and takes 29 MB and 130 ms to load.

import type { EventLog } from '../types.ts';
import type { Answer, Collector } from './collector.ts';

/** `dropped`: lost on the way, since too many waited; `rejected`: the collector would not have them. */
export type SpanResult = 'exported' | 'rejected' | 'dropped';

/** In one batch, at most. */
const BATCH_SPANS = 512;
/** What waits at most; beyond it the oldest go: of an outage its end is worth more than its beginning. */
const MAX_SPANS = 8192;
const MAX_BYTES = 16 * 1024 * 1024;
/** A collector that asks for more is asked again nevertheless. */
const LONGEST_WAIT_MS = 300_000;
/** A collector that changes its mind all the time is told of so often, then once a minute. */
const TOLD_AT_ONCE = 10;
const TOLD_EVERY_MS = 60_000;

const COMMA = Buffer.from(',');

/** The spans of one request: they stay together. Outside of the heap, or the garbage collector would copy all that waits. */
interface Waiting {
  readonly json: Buffer;
  readonly spans: number;
}

export interface Pace {
  /** A batch that is not full waits so long for more. */
  readonly gatherMs: number;
  /** Pauses after failures in a row: doubled each time, shortened by up to half, at random. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}
const PACE: Pace = { gatherMs: 1000, firstPauseMs: 1000, longestPauseMs: 30_000 };

export interface ExporterOptions {
  readonly random: () => number;
  readonly events: EventLog;
  readonly onResult: (result: SpanResult, spans: number) => void;
  /** @default PACE */
  readonly pace?: Pace;
}

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #pace: Pace;
  readonly #collector: Collector;
  /** What stands before and behind the spans of a batch. */
  readonly #frame: readonly [Buffer, Buffer];
  readonly #abort = new AbortController();
  #waiting: Waiting[] = [];
  #spans = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;
  /** Failures in a row. */
  #failures = 0;
  /** What was last told of the collector. */
  #state: 'unknown' | 'ok' | 'down' | 'refusing' = 'unknown';
  #droppedSinceTold = 0;
  #tellings = TOLD_AT_ONCE;
  #tellingsAtMs = performance.now();
  #isStopping = false;

  constructor(options: ExporterOptions, collector: Collector, frame: readonly [string, string]) {
    this.#options = options;
    this.#pace = options.pace ?? PACE;
    this.#collector = collector;
    this.#frame = [Buffer.from(frame[0]), Buffer.from(frame[1])];
  }

  /** The spans of one request, as JSON parted by commas; and how many they are. */
  add(json: string, spans: number): void {
    const bytes = Buffer.from(json);
    this.#waiting.push({ json: bytes, spans });
    this.#spans += spans;
    this.#bytes += bytes.length;
    this.#bound();
    if (this.#sending !== null || this.#failures > 0) return; // who sends looks again at the end
    if (this.#spans >= BATCH_SPANS) this.#begin();
    else this.#timer ??= setTimeout(() => this.#begin(), this.#pace.gatherMs).unref();
  }

  /** Sends what is left, as far as it goes in `ms`, and ends. What did not go is counted as dropped. Never rejects. */
  async stop(ms: number): Promise<void> {
    this.#isStopping = true;
    const over = setTimeout(() => this.#abort.abort(), ms);
    this.#clearTimer();
    await this.#sending;
    while (this.#spans > 0 && !this.#abort.signal.aborted) {
      const spans = this.#spans;
      await this.#send(ms);
      if (this.#spans >= spans) break; // it is not there, or takes none
    }
    clearTimeout(over);
    if (this.#spans > 0) this.#options.onResult('dropped', this.#spans);
    this.#waiting = [];
    this.#spans = 0;
    this.#collector.close();
  }

  #begin(): void {
    this.#clearTimer();
    if (this.#sending !== null || this.#isStopping || this.#spans === 0) return;
    this.#sending = this.#send(this.#collector.config.timeoutMs).then(() => {
      this.#sending = null;
    });
  }

  /** One batch. When it could not be taken it waits again, before all others. */
  async #send(timeoutMs: number): Promise<void> {
    const batch = this.#nextBatch();
    const answer = await this.#collector.send(this.#bodyOf(batch), timeoutMs, this.#abort.signal);
    const spans = batch.reduce((sum, one) => sum + one.spans, 0);
    this.#note(answer, spans);
    if (answer.kind === 'retry') this.#putBack(batch);
    else this.#failures = 0;
    if (!this.#isStopping) this.#schedule(answer);
  }

  #schedule(answer: Answer): void {
    const { firstPauseMs, longestPauseMs } = this.#pace;
    if (answer.kind === 'retry') {
      const pauseMs = Math.min(firstPauseMs * 2 ** this.#failures++, longestPauseMs);
      const waitMs = Math.min(Math.max(pauseMs * (1 - this.#options.random() / 2), answer.afterMs), LONGEST_WAIT_MS);
      this.#timer = setTimeout(() => this.#begin(), waitMs).unref();
    } else if (this.#spans > 0) {
      this.#timer = setTimeout(() => this.#begin(), this.#spans >= BATCH_SPANS ? 0 : this.#pace.gatherMs).unref();
    }
  }

  #bodyOf(batch: readonly Waiting[]): Buffer {
    const pieces: Buffer[] = [];
    for (const { json } of batch) pieces.push(pieces.length === 0 ? this.#frame[0] : COMMA, json);
    return Buffer.concat([...pieces, this.#frame[1]]);
  }

  #nextBatch(): Waiting[] {
    let count = 0;
    let spans = 0;
    while (count < this.#waiting.length) {
      const more = this.#waiting[count]!.spans;
      if (count > 0 && spans + more > BATCH_SPANS) break;
      spans += more;
      count++;
    }
    const batch = this.#waiting.splice(0, count);
    for (const { json } of batch) this.#bytes -= json.length;
    this.#spans -= spans;
    return batch;
  }

  #putBack(batch: readonly Waiting[]): void {
    this.#waiting.unshift(...batch);
    for (const { json, spans } of batch) {
      this.#spans += spans;
      this.#bytes += json.length;
    }
    this.#bound();
  }

  #bound(): void {
    let dropped = 0;
    while (this.#spans > MAX_SPANS || this.#bytes > MAX_BYTES) {
      const { json, spans } = this.#waiting.shift()!;
      this.#spans -= spans;
      this.#bytes -= json.length;
      dropped += spans;
    }
    if (dropped === 0) return;
    this.#droppedSinceTold += dropped;
    this.#options.onResult('dropped', dropped);
  }

  /** Counts, and says it once when the collector has changed its mind. */
  #note(answer: Answer, spans: number): void {
    const { events, onResult } = this.#options;
    const { url } = this.#collector.config;
    const place = url.replace(/\?.*$/, '');
    if (answer.kind === 'taken') {
      const rejected = Math.min(answer.rejected, spans);
      if (spans > rejected) onResult('exported', spans - rejected);
      if (rejected > 0) onResult('rejected', rejected);
      if (rejected > 0) return this.#tell('refusing', `${place} rejects spans: ${answer.why}`, events);
      return this.#tell('ok', `spans reach ${place}`, events);
    }
    if (answer.kind === 'retry') return this.#tell('down', `spans do not reach ${place}: ${answer.why}`, events);
    onResult('rejected', spans);
    this.#tell('refusing', `${place} takes no spans: ${answer.why}`, events);
  }

  #tell(state: 'ok' | 'down' | 'refusing', message: string, events: EventLog): void {
    if (state === this.#state || this.#abort.signal.aborted || !this.#mayTell(performance.now())) return;
    this.#state = state;
    const dropped = this.#droppedSinceTold;
    this.#droppedSinceTold = 0;
    events.emit(state === 'ok' ? 'info' : 'warn', `tracing.${state}`, message, dropped === 0 ? {} : { dropped });
  }

  #mayTell(nowMs: number): boolean {
    this.#tellings = Math.min(TOLD_AT_ONCE, this.#tellings + (nowMs - this.#tellingsAtMs) / TOLD_EVERY_MS);
    this.#tellingsAtMs = nowMs;
    if (this.#tellings < 1) return false;
    this.#tellings--;
    return true;
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
