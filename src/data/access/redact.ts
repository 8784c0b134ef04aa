// Secrets of query strings stay out of the log: the values of parameters with telling names are replaced. Names are compared
// whole, without regard to case and percent-encoding. A name may begin behind `&`, behind `;`, which parts parameters for some
// endpoints, and behind the `?` or `#` of a URL within; a value ends at `&` alone, since all others may be part of a secret.
// Userinfo is never told.

/** What stands in place of a value. */
export const REDACTED = '***';

const HASH = 35;
const AMP = 38;
const SLASH = 47;
const SEMICOLON = 59;
const EQUALS = 61;
const PERCENT = 37;
const QUESTION = 63;
const AT = 64;
const PLUS = 43;
/** Longer names are none of those. */
const MAX_NAME = 64;

export class QueryRedaction {
  readonly #names: ReadonlySet<string>;
  /** By length of a name and its first letter: whether it may be one of them. */
  readonly #may = new Uint8Array(MAX_NAME * 32);

  /** `names`: lower case. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    for (const name of names) if (name.length < MAX_NAME) this.#may[name.length * 32 + (name.charCodeAt(0) & 31)] = 1;
  }

  /** A URL, or what stands in a request line. */
  redactUrl(url: string): string {
    const at = queryAt(url);
    const place = withoutUserinfo(url, at);
    return at === url.length ? place : place + url[at] + this.redact(url, at + 1, url.length);
  }

  /** The query text[at, end), without its question mark. */
  redact(text: string, at: number, end: number): string {
    let out = '';
    let from = at;
    let nameAt = at;
    let hasEscapes = false;
    for (let i = at; i < end; i++) {
      const c = text.charCodeAt(i);
      if (c === PERCENT || c === PLUS) hasEscapes = true;
      else if (isNameNext(c)) {
        nameAt = i + 1;
        hasEscapes = false;
      } else if (c === EQUALS && nameAt >= 0) {
        if (this.#isSecret(text, nameAt, i, hasEscapes)) {
          let to = i + 1;
          while (to < end && text.charCodeAt(to) !== AMP) to++;
          if (to > i + 1) {
            out += text.slice(from, i + 1) + REDACTED;
            from = to;
          }
          i = to - 1;
        }
        nameAt = -1; // what follows is its value
      }
    }
    return out + text.slice(from, end);
  }

  #isSecret(text: string, at: number, end: number, hasEscapes: boolean): boolean {
    const length = end - at;
    if (hasEscapes) return this.#names.has(decoded(text.slice(at, end)));
    if (length === 0 || length >= MAX_NAME) return false;
    if (this.#may[length * 32 + (text.charCodeAt(at) & 31)] === 0) return false;
    return this.#names.has(text.slice(at, end).toLowerCase());
  }
}

/** Whether the name of a parameter may begin behind it. */
function isNameNext(c: number): boolean {
  return c === AMP || c === SEMICOLON || c === QUESTION || c === HASH;
}

/** Where the question mark is, or the `#` of a URL without one; else its end. */
function queryAt(url: string): number {
  for (let i = 0; i < url.length; i++) {
    const c = url.charCodeAt(i);
    if (c === QUESTION || c === HASH) return i;
  }
  return url.length;
}

/** url[0, end), without who somebody said to be there, and with which password. */
function withoutUserinfo(url: string, end: number): string {
  const at = url.indexOf('://') + 3;
  if (at < 3 || at > end) return url.slice(0, end);
  let to = -1;
  for (let i = at; i < end && url.charCodeAt(i) !== SLASH; i++) if (url.charCodeAt(i) === AT) to = i;
  return to < 0 ? url.slice(0, end) : url.slice(0, at) + REDACTED + url.slice(to, end);
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' ')).trim().toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}
