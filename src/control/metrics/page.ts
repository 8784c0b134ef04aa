// The exposition as text, line by line: Prometheus' format 0.0.4, and OpenMetrics 1.0. prom-client would write a family in one go,
// and a histogram of a thousand endpoints is some ten milliseconds of the thread that probes; here others are let in between
// lines. What a family holds is told by whoever writes it.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { nowMs } from '../../clock.ts';
import type { Labels } from './totals.ts';

export type Format = 'text' | 'openmetrics';

export const CONTENT_TYPES = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const satisfies Record<Format, string>;

/** A scrape lets other work in when it has run this long. ms; what is done between two looks comes on top. */
const SLICE_MS = 1;
/** Lines between two looks at the clock. */
const LOOK_LINES = 128;
const CHUNK_CHARS = 64 * 1024;
const UNITS = ['seconds', 'bytes', 'ratio'];

export class Page {
  readonly format: Format;
  readonly #chunks: Buffer<ArrayBuffer>[] = [];
  #text = '';
  #lines = 0;
  #sliceAtMs = nowMs();

  constructor(format: Format) {
    this.format = format;
  }

  /** Begins a family. `name` as Prometheus has it, a counter's with `_total`. */
  head(name: string, help: string, type: string): void {
    const isOpen = this.format === 'openmetrics';
    const family = isOpen && type === 'counter' ? name.replace(/_total$/, '') : name;
    // In OpenMetrics a help text is quoted like a label.
    this.#text += `# HELP ${family} ${isOpen ? quoted(help) : escaped(help)}\n# TYPE ${family} ${type}\n`;
    const unit = isOpen ? UNITS.find((it) => family.endsWith(`_${it}`)) : undefined;
    if (unit !== undefined) this.#text += `# UNIT ${family} ${unit}\n`;
  }

  /** `labels` as `labelText` gives them, without braces. `exemplar` is written in OpenMetrics only. */
  line(name: string, labels: string, value: number, exemplar = ''): void {
    const braces = labels === '' ? '' : `{${labels}}`;
    this.#text += `${name}${braces} ${numberText(value)}${this.format === 'openmetrics' ? exemplar : ''}\n`;
    this.#lines++;
    if (this.#text.length >= CHUNK_CHARS) this.#cut();
  }

  /** To be awaited between lines, if it gives anything: others have their turn. */
  breathe(): Promise<void> | undefined {
    if (this.#lines < LOOK_LINES) return undefined;
    this.#lines = 0;
    return this.pause();
  }

  /** Like `breathe`, after a piece of work other than lines. */
  pause(): Promise<void> | undefined {
    return nowMs() - this.#sliceAtMs < SLICE_MS ? undefined : this.#turn();
  }

  /** The whole, UTF-8. */
  end(): Buffer<ArrayBuffer> {
    if (this.format === 'openmetrics') this.#text += '# EOF\n';
    this.#cut();
    return Buffer.concat(this.#chunks);
  }

  async #turn(): Promise<void> {
    await nextTurn();
    this.#sliceAtMs = nowMs();
  }

  #cut(): void {
    this.#chunks.push(Buffer.from(this.#text, 'utf8'));
    this.#text = '';
  }
}

/** `a="1",b="2"`, as it stands between braces. */
export function labelText(labels: Labels): string {
  let text = '';
  for (const name of Object.keys(labels)) {
    text += `${text === '' ? '' : ','}${name}="${quoted(String(labels[name]))}"`;
  }
  return text;
}

const texts = new WeakMap<Labels, string>();

/** The same, remembered for as long as the labels live. */
export function keptLabelText(labels: Labels): string {
  const kept = texts.get(labels);
  if (kept !== undefined) return kept;
  const text = labelText(labels);
  texts.set(labels, text);
  return text;
}

export function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

function quoted(text: string): string {
  return /[\\\n"]/.test(text) ? escaped(text).replace(/"/g, '\\"') : text;
}
