// How somebody with a browser shows the admin token: a page with one field and no script, and what becomes of what was typed.
// Guessing is slowed (tries.ts); what was typed is told to nobody.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { EventLog } from '../types.ts';
import { respond } from './answers.ts';
import { FORGET_COOKIE, type Sessions } from './session.ts';
import { Tries } from './tries.ts';

/** Failures are told once, then summed up for so long. ms */
const TOLD_EVERY_MS = 60_000;

const STYLE = `:root{color-scheme:light dark;--bg:#f6f7f9;--ink:#16191d;--ink-2:#545b66;--line:#8a93a0;--accent:#0b57d0;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--bg:#111418;--ink:#e8eaed;--ink-2:#a8b0ba;--line:#79818c;--accent:#8ab4f8;--bad:#f2968f}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--bg);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:22rem}
h1{margin:0;font-size:1.5rem}
p{margin:.25rem 0 1.5rem;color:var(--ink-2)}
p.bad{margin:.5rem 0 0;color:var(--bad)}
label{display:block;font-weight:600;margin-bottom:.25rem}
input,button{width:100%;padding:.6rem .75rem;font:inherit;border-radius:.4rem}
input{color:inherit;background:transparent;border:1px solid var(--line)}
button{margin-top:1rem;border:0;background:var(--accent);color:var(--bg);font-weight:600;cursor:pointer}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}`;

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  // Under no-referrer the browser would call the origin of the form `null`.
  'referrer-policy': 'same-origin',
  'content-security-policy':
    `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; ` +
    "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
} as const;

/**
 * The page with the form. It names no address to send it to, so it goes to its own with all that follows the `#`, which browsers
 * hand on to where they are sent then: whoever was given a link to a decision sees that one after the login. `complaint`: why it is
 * shown again; plain text without markup.
 */
export function loginPage(complaint: string | null, status = 401, headers: Record<string, string> = {}): Response {
  const why = complaint === null ? '' : `<p class="bad" id="why" role="alert">${complaint}</p>`;
  const described = complaint === null ? '' : ' aria-invalid="true" aria-describedby="why"';
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fermat: log in</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Fermat</h1>
<p>The console of this node asks for its admin token.</p>
<form method="post">
<label for="token">Admin token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus${described}>
${why}
<button>Log in</button>
</form>
</main>
</body>
</html>
`;
  return respond(page, status, { ...HEADERS, ...headers });
}

export interface Login {
  /** Answers what the form sends. `from`: the client's address. */
  take(body: string, from: string): Response;
  leave(): Response;
}

/** `token` null = nobody has to log in. */
export function createLogin(token: string | null, sessions: Sessions | null, events: EventLog): Login {
  const failures = new Failures(events);
  const tries = new Tries();
  const toConsole = (headers: Record<string, string> = {}) =>
    respond(null, 303, { location: '/ui/', 'cache-control': 'no-store', ...headers });
  return {
    take(body, from) {
      if (token === null || sessions === null) return toConsole();
      // Before it is looked at: an answer that comes only to the right one would be one more try.
      if (!tries.take(from, Date.now())) {
        return loginPage('Too many tries: wait a second, then try again.', 429, { 'retry-after': '1' });
      }
      const given = new URLSearchParams(body).get('token') ?? '';
      if (timingSafeEqual(sha256(given), sha256(token))) {
        return toConsole({ 'set-cookie': sessions.begin(Date.now()) });
      }
      failures.add(from, Date.now());
      return loginPage('That is not the token.', 401, { 'www-authenticate': 'Bearer realm="fermat"' });
    },
    leave: () => toConsole({ 'set-cookie': FORGET_COOKIE }),
  };
}

/** Tells that somebody does not know the token: at once, then no more than once a minute. */
class Failures {
  readonly #events: EventLog;
  #count = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(events: EventLog) {
    this.#events = events;
  }

  add(from: string, dateMs: number): void {
    this.#count++;
    if (dateMs - this.#toldMs < TOLD_EVERY_MS) return;
    const message = `${this.#count} login(s) with a wrong admin token, the last from ${from}`;
    this.#events.emit('warn', 'admin.login', message, { failed: this.#count, from });
    this.#count = 0;
    this.#toldMs = dateMs;
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
