// One request as a line of Apache's combined format, as log tools read it: escaped in nginx's way, so that no quote in it is one
// of the client's.

import type { AccessLogSpec } from '../../core/snapshot.ts';
import type { RequestHead } from '../../wire/request.ts';
import { flat } from '../../wire/write.ts';
import type { Problem } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Peer } from '../sides.ts';
import { type Format, ROWS } from './format.ts';
import { Moments } from './moments.ts';
import { clientOf, find, found, type Noted } from './noted.ts';
import type { Page } from './page.ts';
import { QueryRedaction } from './redact.ts';
import { combinedText } from './text.ts';

/** Numbers of a row. END: of the exchange, by the worker's clock. */
const N = { END: 0, STATUS: 1, BYTES: 2, STRIDE: 3 } as const;
/** Texts of a row, in the order of the line. */
const T = { CLIENT: 0, ASKED: 1, SAID: 2, STRIDE: 3 } as const;
/** More than moment and numbers of a line take. */
const MOST_NUMBERS = 80;
const SPACE = 32;

export class CombinedLines implements Format {
  readonly #numbers = new Float64Array(ROWS * N.STRIDE);
  readonly #texts: string[] = new Array(ROWS * T.STRIDE).fill('');
  #rows = 0;
  readonly #moments = new Moments(' - - [');
  readonly #redaction: QueryRedaction;

  constructor(spec: AccessLogSpec) {
    this.#redaction = new QueryRedaction(spec.redactQuery);
  }

  get isFull(): boolean {
    return this.#rows === ROWS;
  }

  note(ex: Exchange, noted: Noted, totalMs: number): number {
    const { books, head } = ex;
    const asked = this.#asked(head, noted);
    const client = clientOf(ex, noted) || '-';
    if (!noted.hasSaid(head)) noted.keepSaid(head, this.#said(head));
    noted.client = client;
    const { said } = noted;
    const row = this.#rows++;
    const n = row * N.STRIDE;
    this.#numbers[n + N.END] = books.startMs + totalMs;
    this.#numbers[n + N.STATUS] = books.status;
    this.#numbers[n + N.BYTES] = books.responseBytes;
    const t = row * T.STRIDE;
    this.#texts[t + T.CLIENT] = client;
    this.#texts[t + T.ASKED] = asked;
    this.#texts[t + T.SAID] = said;
    return client.length + asked.length + said.length + MOST_NUMBERS;
  }

  write(page: Page, wallMs: number): void {
    const numbers = this.#numbers;
    const texts = this.#texts;
    for (let row = 0; row < this.#rows; row++) {
      const n = row * N.STRIDE;
      const t = row * T.STRIDE;
      page.text(texts[t + T.CLIENT]!);
      page.text(this.#moments.clf(wallMs + numbers[n + N.END]!));
      page.text(texts[t + T.ASKED]!);
      page.count(numbers[n + N.STATUS]!);
      page.byte(SPACE);
      page.count(numbers[n + N.BYTES]!);
      page.text(texts[t + T.SAID]!);
    }
    this.#rows = 0;
  }

  refusal(peer: Peer, status: number, _problem: Problem | null, wallMs: number): string {
    return `${peer.address || '-'}${this.#moments.clf(wallMs)}] "-" ${status} 0 "-" "-"\n`;
  }

  /** Put together for good only when it comes again: paths that never do are not worth it. */
  #asked({ method, target, isH2, minor: minor1 }: RequestHead, noted: Noted): string {
    const minor = isH2 ? 2 : minor1;
    if (target !== noted.path || method !== noted.method || minor !== noted.minor || noted.asked === '') {
      noted.path = target;
      noted.method = method;
      noted.minor = minor;
      const version = minor === 2 ? 'HTTP/2.0' : `HTTP/1.${minor}`;
      noted.asked = `] "${combinedText(method)} ${combinedText(this.#redaction.redactUrl(target))} ${version}" `;
      noted.front = '';
      return noted.asked;
    }
    if (noted.front === '') noted.front = flat(noted.asked);
    return noted.front;
  }

  #said(head: RequestHead): string {
    find(head);
    const { agent, referer } = found;
    const from = referer < 0 ? '-' : combinedText(this.#redaction.redactUrl(head.value(referer)));
    const by = agent < 0 ? '-' : combinedText(head.value(agent));
    return flat(` "${from}" "${by}"\n`);
  }
}
