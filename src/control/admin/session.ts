// A login of the console, carried by a cookie: until when it lasts, and a seal that only who knows the admin token can make. Nothing
// is kept here, so that it outlives a hot restart; another token ends every session at once. How the cookie is kept from
// pages of others is said in its attributes and held to in gate.ts.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export const COOKIE = 'fermat_session';
const LASTS_MS = 12 * 3600_000;
/** Looked at in one request; a field has room for a thousand. */
const MOST_COOKIES = 8;
/** `Secure` would keep it from a listener that speaks plain HTTP, which is what this one does. */
const ATTRIBUTES = 'Path=/; HttpOnly; SameSite=Strict';

export interface Sessions {
  /** A Set-Cookie field of a new session. */
  begin(dateMs: number): string;
  /** Until when the session of a Cookie field lasts, as a date; null = it has none that is ours and not over. */
  expiryOf(cookie: string | undefined, dateMs: number): number | null;
}

export function createSessions(token: string): Sessions {
  // Not of the token alone: what is sealed elsewhere with the same secret is no session.
  const key = createHmac('sha256', token).update('fermat console session, 1').digest();
  const sealOf = (expiry: string) => createHmac('sha256', key).update(expiry).digest('base64url');
  const expiryIn = (value: string, dateMs: number): number | null => {
    const dot = value.indexOf('.');
    if (dot < 0) return null;
    const expiry = value.slice(0, dot);
    // Of digests, so that lengths need not be equal.
    if (!timingSafeEqual(sha256(value.slice(dot + 1)), sha256(sealOf(expiry)))) return null;
    const untilMs = Number.parseInt(expiry, 36);
    return untilMs > dateMs && untilMs <= dateMs + LASTS_MS ? untilMs : null;
  };
  return {
    begin(dateMs) {
      const expiry = (dateMs + LASTS_MS).toString(36);
      return `${COOKIE}=${expiry}.${sealOf(expiry)}; Max-Age=${LASTS_MS / 1000}; ${ATTRIBUTES}`;
    },
    expiryOf(cookie, dateMs) {
      for (const value of valuesOf(cookie)) {
        const untilMs = expiryIn(value, dateMs);
        if (untilMs !== null) return untilMs;
      }
      return null;
    },
  };
}

/** A Set-Cookie field that makes the browser forget. */
export const FORGET_COOKIE = `${COOKIE}=; Max-Age=0; ${ATTRIBUTES}`;

export function hasCookie(cookie: string | undefined): boolean {
  return valuesOf(cookie).length > 0;
}

/** Browsers send every cookie of the name that some path or domain has: one or two, and each costs its digests. */
function valuesOf(cookie: string | undefined): string[] {
  return (cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE}=`))
    .slice(0, MOST_COOKIES)
    .map((pair) => pair.slice(COOKIE.length + 1));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
