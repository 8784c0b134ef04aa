// One question to one peer, again and again over one connection: what did you measure? Its round trip is how far away the peer
// is. TLS in both directions, or signatures in both. Knows nothing of endpoints.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Agent as HttpAgent, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import {
  answerText,
  datedText,
  HOP_FIELD,
  hopText,
  QUESTION_KEY,
  QUESTION_PATH,
  signedText,
  signedValue,
} from '../../core/overlay/hop.ts';
import type { OverlayConfig, PeerConfig } from '../config/overlay.ts';
import { MAX_DIGEST_BYTES } from './digest.ts';

export interface Answered {
  readonly text: string;
  /** First byte of the answer after the question was sent; null = a connection had to be made first. ms */
  readonly rttMs: number | null;
}

/** A peer that does not answer in this time is not there. ms */
export const QUESTION_TIMEOUT_MS = 2000;

export class Question {
  readonly #self: string;
  readonly #peer: PeerConfig;
  readonly #secret: string | null;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #clock: () => number;

  constructor(self: string, peer: PeerConfig, { tls, secret }: OverlayConfig, clock: () => number) {
    this.#self = self;
    this.#peer = peer;
    this.#secret = secret;
    this.#clock = clock;
    const options = { keepAlive: true, maxSockets: 1, noDelay: true };
    this.#agent =
      tls === null
        ? new HttpAgent(options)
        : // Its certificate holds its id, wherever it is reached.
          new HttpsAgent({
            ...options,
            ca: tls.ca,
            cert: tls.cert,
            key: tls.key,
            servername: peer.id,
            minVersion: 'TLSv1.3',
          });
  }

  /** Rejects with an Error whose message is for people. */
  ask(signal: AbortSignal): Promise<Answered> {
    const { scheme, host, port, id } = this.#peer;
    const { promise, resolve, reject } = Promise.withResolvers<Answered>();
    const { value, mac } = this.#hop(id);
    const options: RequestOptions = {
      agent: this.#agent,
      host,
      port,
      path: QUESTION_PATH,
      headers: { host: id, [HOP_FIELD]: value },
      signal: AbortSignal.any([signal, AbortSignal.timeout(QUESTION_TIMEOUT_MS)]),
    };
    const sent = (scheme === 'https' ? requestHttps : requestHttp)(options);
    let sentMs = this.#clock();
    sent.on('finish', () => {
      sentMs = this.#clock();
    });
    sent.on('response', (response) => {
      const rttMs = sent.reusedSocket ? this.#clock() - sentMs : null;
      this.#read(response, mac, rttMs).then(resolve, reject);
    });
    sent.on('error', (error: NodeJS.ErrnoException) => reject(new Error(wordsOf(error))));
    sent.end();
    return promise;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #read(response: IncomingMessage, mac: string, rttMs: number | null): Promise<Answered> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > MAX_DIGEST_BYTES) throw new Error('its answer is too long');
      parts.push(part);
    }
    const text = Buffer.concat(parts).toString('utf8');
    if (response.statusCode !== 200) throw new Error(`it answers ${response.statusCode}: ${text.trim().slice(0, 120)}`);
    if (this.#secret !== null && !this.#isSealed(mac, text, response.headers['x-fermat-seal'])) {
      throw new Error('its answer is not signed by it');
    }
    return { text, rttMs };
  }

  #hop(to: string): { readonly value: string; readonly mac: string } {
    const text = hopText(this.#self, QUESTION_KEY, '', '');
    if (this.#secret === null) return { value: text, mac: '' };
    const dated = datedText(text, Date.now(), randomBytes(9).toString('hex'));
    const signed = signedText(to, 'GET', to, QUESTION_PATH, dated);
    const mac = createHmac('sha256', this.#secret).update(signed).digest('base64url');
    return { value: signedValue(dated, mac), mac };
  }

  #isSealed(mac: string, text: string, seal: string | string[] | undefined): boolean {
    const wanted = createHmac('sha256', this.#secret!).update(answerText(mac, text)).digest();
    const given = Buffer.from(typeof seal === 'string' ? seal : '', 'base64url');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

function wordsOf({ code, message, name }: NodeJS.ErrnoException): string {
  if (name === 'TimeoutError' || name === 'AbortError') return `no answer in ${QUESTION_TIMEOUT_MS} ms`;
  return code === undefined || message.includes(code) ? message : `${code} ${message}`;
}
