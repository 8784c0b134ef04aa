// A request on the overlay listener: a peer asks what was measured here, or sends a client's request on to one endpoint. Who is
// believed is trust.ts's; from there on it is a request like any other, but that nothing is chosen for it.

import { HOP_FIELD_LOWER, QUESTION_KEY, QUESTION_PATH, UNSENT_FIELD_LOWER } from '../../core/overlay/hop.ts';
import { OUTCOME, type Outcome } from '../../core/sample.ts';
import { NONE } from '../../core/snapshot.ts';
import type { Fields } from '../../wire/fields.ts';
import { answerLastHop, tellUnsent } from '../answers.ts';
import * as attempt from '../attempt.ts';
import type { Problem } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { isLastHop, refusalOf } from '../guard.ts';
import { clientAddress, prepare } from '../request.ts';
import type { OverlayRuntime } from './runtime.ts';
import type { Distrust } from './trust.ts';

/** What control said last is not to be passed on when control says nothing more: ms. */
const STALE_MS = 10_000;

/** What the worker answers a question with. */
export interface Measured {
  readonly text: string;
  /** When it came, on the worker's clock. */
  readonly atMs: number;
}

/** The head is in `ex.head`, of a connection to the overlay listener. */
export function begin(ex: Exchange, overlay: OverlayRuntime, nowMs: number): void {
  const { plane, head, generation } = ex;
  const { peer } = ex.down;
  // Hosts are not its certificate's business: that one is between edges.
  const refusal = refusalOf(head, plane.loopId, generation.snapshot.limits.bodyBytes, null);
  // Whatever we refuse has gone nowhere: the way is at fault, not the client, who is to be served another way.
  if (refusal !== null) return tellUnsent(ex, refusal);
  const { method, authority, path: target } = head;
  const asked = { method, authority, target, names: peer.tls === null ? null : peer.tls.clientNames };
  const judged = overlay.trust.judge(hopOf(head), asked, Date.now());
  if (judged.why !== null) return tellUnsent(ex, strangerOf(judged.why));
  const { hop } = judged;
  if (hop.key === QUESTION_KEY) {
    if (target !== QUESTION_PATH || method !== 'GET') return tellUnsent(ex, strangerOf('no hop'));
    return answer(ex, overlay.trust.seal(judged, plane.measured?.text ?? ''), nowMs);
  }
  const served = overlay.served.get(hop.key);
  if (served === undefined) return tellUnsent(ex, NOT_HERE);
  peer.isTrusted = true; // an edge of the fleet says who its client is
  if (generation.tracing !== null) ex.trace = plane.tracer.begin(ex, generation.tracing);
  ex.route = served.route;
  const shed = plane.admission.isOpen ? null : plane.admission.admit(ex);
  if (shed !== null) return ex.refuse(shed);
  if (isLastHop(head)) return answerLastHop(ex);
  ex.path = target;
  prepare(ex, served.route, clientAddress(ex), nowMs);
  attempt.beginAt(ex, served.slot, NONE);
}

/** Of the one field there may be; '' = there is none, or more than one. */
function hopOf(head: Fields): string {
  let value = '';
  for (let i = 0; i < head.count; i++) {
    if (!head.nameIs(i, HOP_FIELD_LOWER)) continue;
    if (value !== '') return '';
    value = head.value(i);
  }
  return value;
}

function answer(ex: Exchange, seal: string, nowMs: number): void {
  const { measured } = ex.plane;
  if (measured === null || nowMs - measured.atMs > STALE_MS) return tellUnsent(ex, NOTHING_YET);
  const sealed = seal === '' ? '' : `X-Fermat-Seal: ${seal}\r\n`;
  ex.reply(200, `Content-Type: application/json\r\nCache-Control: no-store\r\n${sealed}`, measured.text);
}

const NOT_HERE: Problem = {
  status: 503,
  code: 'not_served_here',
  type: 'destination_not_found',
  message: 'this edge has no such endpoint',
  retryAfterS: 0,
};
const NOTHING_YET: Problem = {
  ...NOT_HERE,
  code: 'nothing_measured',
  message: 'nothing has been measured here lately',
};

function strangerOf(why: Distrust): Problem {
  return {
    status: 403,
    code: 'not_believed',
    type: 'http_request_denied',
    message: `this address is for other edges: ${why}`,
    retryAfterS: 0,
  };
}

/**
 * What an answer that says so tells of the relay. What it finds wrong with the request (400 to 499, but for who asks) is tried
 * elsewhere, too, but not held against it: else a few large requests could shut the way for all.
 */
export function outcomeOfUnsent(status: number): Outcome {
  return status < 500 && status !== 403 ? OUTCOME.CLIENT_GONE : OUTCOME.CONNECT_FAILED;
}

/** Whether an answer of a relay says that the request has gone nowhere. */
export function isUnsent(head: Fields): boolean {
  for (let i = 0; i < head.count; i++) if (head.nameIs(i, UNSENT_FIELD_LOWER)) return true;
  return false;
}
