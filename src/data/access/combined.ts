// One request as a line of Apache's combined format, as log tools read it: escaped in nginx's way, so that no quote in it is one
// of the client's.

import type { AccessLogSpec } from '../../core/snapshot.ts';
import type { Exchange } from '../exchange.ts';
import type { Peer } from '../sides.ts';
import { clientOf, find, found, type Noted } from './noted.ts';
import { count, Moments } from './numbers.ts';
import { QueryRedaction } from './redact.ts';
import { combinedText } from './text.ts';

export class CombinedLines {
  readonly #moments = new Moments();
  readonly #redaction: QueryRedaction;

  constructor(spec: AccessLogSpec) {
    this.#redaction = new QueryRedaction(spec.redactQuery);
  }

  line(ex: Exchange, noted: Noted, wallMs: number): string {
    const { books, head } = ex;
    const { method, target } = head;
    const minor = head.isH2 ? 2 : head.minor;
    if (target !== noted.path || method !== noted.method || minor !== noted.minor || noted.asked === '') {
      noted.path = target;
      noted.method = method;
      noted.minor = minor;
      const version = minor === 2 ? 'HTTP/2.0' : `HTTP/1.${minor}`;
      noted.asked = `] "${combinedText(method)} ${combinedText(this.#redaction.redactUrl(target))} ${version}" `;
    }
    const client = clientOf(ex, noted);
    if (!noted.hasSaid(head)) {
      find(head);
      const { agent, referer } = found;
      const from = referer < 0 ? '-' : combinedText(this.#redaction.redactUrl(head.value(referer)));
      const by = agent < 0 ? '-' : combinedText(head.value(agent));
      noted.keepSaid(head, ` "${from}" "${by}"\n`);
    }
    noted.client = client;
    const { said } = noted;
    const when = this.#moments.clf(wallMs);
    return `${client || '-'} - - [${when}${noted.asked}${count(books.status)} ${count(books.responseBytes)}${said}`;
  }

  /** A request that could not be read. */
  refusal(peer: Peer, status: number, wallMs: number): string {
    return `${peer.address || '-'} - - [${this.#moments.clf(wallMs)}] "-" ${status} 0 "-" "-"\n`;
  }
}
