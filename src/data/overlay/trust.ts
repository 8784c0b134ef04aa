// Who is believed on the overlay listener: a peer of the configuration, shown by its certificate or by a signature that is good
// once; and the signing of what goes to other peers. Nothing here knows what a request is for.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { answerText, datedText, type Hop, parseHop, SKEW_MS, signedText, signedValue } from '../../core/overlay/hop.ts';
import { Replays, SEEN } from '../../core/overlay/replays.ts';
import type { OverlaySpec } from '../../core/snapshot.ts';

/** Why a request is not believed, for the one who asks; null = it is. */
export type Distrust =
  | 'no hop'
  | 'not a peer'
  | 'not its certificate'
  | 'bad signature'
  | 'late'
  | 'seen before'
  | 'busy';

export interface Believed {
  readonly hop: Hop;
  /** What it was signed with; null = its certificate was enough. */
  readonly secret: string | null;
  readonly why: null;
}
export interface Disbelieved {
  readonly hop: null;
  readonly secret: null;
  readonly why: Distrust;
}

/** The request that a hop came with, as the relay sees it. */
export interface Asked {
  readonly method: string;
  readonly authority: string;
  readonly target: string;
  /** DNS names of the client's certificate; null = the connection is plain. */
  readonly names: readonly string[] | null;
}

/** One worker's; made anew with each Snapshot. */
export class Trust {
  readonly #self: string;
  readonly #peers: ReadonlySet<string>;
  /** Any of them is good; empty = certificates are enough. */
  readonly #secrets: readonly string[];
  readonly #replays: Replays | null;

  constructor({ self, peers, secret, otherSecret, replays }: OverlaySpec) {
    this.#self = self;
    this.#peers = new Set(peers);
    this.#secrets = [secret, otherSecret].filter((one) => one !== null);
    this.#replays = replays === null ? null : new Replays(replays);
  }

  /** `value`: of X-Fermat-Hop, '' = it is missing, or there are several. `nowMs`: wall clock. Never throws. */
  judge(value: string, asked: Asked, nowMs: number): Believed | Disbelieved {
    const hop = parseHop(value);
    if (hop === null) return no('no hop');
    if (!this.#peers.has(hop.from)) return no('not a peer');
    if (asked.names !== null && !asked.names.includes(hop.from.toLowerCase())) return no('not its certificate');
    if (this.#replays === null) return { hop, secret: null, why: null };
    const text = signedText(this.#self, asked.method, asked.authority, asked.target, hop.text);
    const given = Buffer.from(hop.mac, 'base64url');
    const secret = this.#secrets.find((one) => isMac(given, one, text));
    if (secret === undefined) return no('bad signature');
    if (Math.abs(nowMs - hop.atMs) > SKEW_MS) return no('late');
    switch (this.#replays.see(given.readBigInt64LE(0), hop.atMs)) {
      case SEEN.AGAIN:
        return no('seen before');
      case SEEN.FULL:
        return no('busy');
    }
    return { hop, secret, why: null };
  }

  /** What goes with an answer to a question, so that nobody can put another in its place; '' = the certificate is enough. */
  seal({ hop, secret }: Believed, body: string): string {
    return secret === null ? '' : createHmac('sha256', secret).update(answerText(hop.mac, body)).digest('base64url');
  }
}

function isMac(given: Buffer, secret: string, text: string): boolean {
  const wanted = createHmac('sha256', secret).update(text).digest();
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function no(why: Distrust): Disbelieved {
  return { hop: null, secret: null, why };
}

/** Differs between all workers and processes; a count follows. */
const NONCE = randomBytes(8).toString('hex');
let nonces = 0;

/** The value of X-Fermat-Hop for one request. `to`: the relay's id; `text`: a hopText; `nowMs`: wall clock. */
export function hopValue(
  secret: string | null,
  to: string,
  text: string,
  method: string,
  authority: string,
  target: string,
  nowMs: number,
): string {
  if (secret === null) return text;
  const dated = datedText(text, Math.floor(nowMs), `${NONCE}${(nonces++).toString(36)}`);
  const mac = createHmac('sha256', secret)
    .update(signedText(to, method, authority, target, dated))
    .digest('base64url');
  return signedValue(dated, mac);
}
