// How registrations prove where they come from: HMAC-SHA256, with the token of the pool as key, over everything that is meant by
// the message. The same code signs and checks. That a message is not taken twice is the business of the book (book.ts).

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export const TIMESTAMP_FIELD = 'x-fermat-timestamp';
export const SIGNATURE_FIELD = 'x-fermat-signature';
/** Between the clocks of the two machines. ms */
export const MAX_SKEW_MS = 60_000;
/** How long a registration may be good for. ms */
export const MIN_TTL_MS = 1000;
export const MAX_TTL_MS = 10 * 60_000;

export interface Message {
  readonly method: string;
  /** As it stands in the request line. */
  readonly path: string;
  /** Wall clock, ms. */
  readonly atMs: number;
  readonly body: string;
}

/** `v1=` and 64 hexadecimal digits. */
export function signatureOf(token: string, { method, path, atMs, body }: Message): string {
  const digest = createHash('sha256').update(body).digest('hex');
  const text = ['fermat-register-v1', method, path, String(atMs), digest].join('\n');
  return `v1=${createHmac('sha256', token).update(text).digest('hex')}`;
}

/** In a time that does not depend on where the two differ. */
export function isSignedBy(token: string, message: Message, signature: string): boolean {
  const [given, wanted] = [signature, signatureOf(token, message)].map((text) =>
    createHash('sha256').update(text).digest(),
  );
  return timingSafeEqual(given!, wanted!);
}
