// Secrets of query strings stay out of the log: the values of parameters with telling names are replaced. Names are compared
// whole, without regard to case and percent-encoding, and so are those within brackets. A name may begin behind `&`, behind `;`,
// which parts parameters for some endpoints, and behind the `?` or `#` of a URL within; also behind an encoded one of these, for
// a URL within is encoded as a rule. A value ends at `&` alone, since all others may be part of a secret. Userinfo is never told.

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
const TWO = 50;
const FIVE = 53;
const BRACKET = 91;
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
    let isPlain = true;
    for (let i = at; i < end; i++) {
      let c = text.charCodeAt(i);
      const name = i;
      if (c === PERCENT) {
        const triplet = escapeAt(text, i, end);
        c = triplet & 0xff;
        i += triplet >> 8;
      }
      if (isNameNext(c)) {
        nameAt = i + 1;
        isPlain = true;
      } else if (c === EQUALS && nameAt >= 0) {
        if (this.#isSecret(text, nameAt, name, isPlain)) {
          let to = i + 1;
          while (to < end && text.charCodeAt(to) !== AMP) to++;
          if (to > i + 1) {
            out += text.slice(from, i + 1) + REDACTED;
            from = to;
          }
          i = to - 1;
        }
        nameAt = -1; // what follows is its value
      } else if (i > name || c === PERCENT || c === PLUS || c === BRACKET) isPlain = false;
    }
    return withoutUsers(out + text.slice(from, end));
  }

  #isSecret(text: string, at: number, end: number, isPlain: boolean): boolean {
    const length = end - at;
    if (!isPlain) return this.#isSecretOdd(decoded(text.slice(at, end)));
    if (length === 0 || length >= MAX_NAME) return false;
    if (this.#may[length * 32 + (text.charCodeAt(at) & 31)] === 0) return false;
    return this.#names.has(text.slice(at, end).toLowerCase());
  }

  /** `token[]`, `user[token]`: as some endpoints read lists and objects. */
  #isSecretOdd(name: string): boolean {
    return this.#names.has(name) || (name.includes('[') && name.split(/[[\]]/).some((part) => this.#names.has(part)));
  }
}

/** Whether the name of a parameter may begin behind it. */
function isNameNext(c: number): boolean {
  return c === AMP || c === SEMICOLON || c === QUESTION || c === HASH;
}

/** The char that the escape at text[at] stands for, also when it was encoded twice (`%253D`), and 256 times what follows `%`. */
function escapeAt(text: string, at: number, end: number): number {
  let to = at + 1;
  while (to + 4 <= end && text.charCodeAt(to) === TWO && text.charCodeAt(to + 1) === FIVE) to += 2;
  if (to + 2 > end) return PERCENT;
  const code = Number.parseInt(text.slice(to, to + 2), 16);
  return code > 32 && code < 127 && HEX.test(text.slice(to, to + 2)) ? code | ((to + 1 - at) << 8) : PERCENT;
}

/** A query without who somebody said to be in a URL within. */
function withoutUsers(query: string): string {
  return IS_AT.test(query) ? query.replace(USERINFO, `$1${REDACTED}$2`) : query;
}

const HEX = /^[0-9a-f]{2}$/i;
const IS_AT = /@|%(?:25)*40/;
const USERINFO = /((?::|%(?:25)*3a)(?:\/|%(?:25)*2f){2})(?:(?![/?#&]|%(?:25)*(?:2f|3f|23|26)).)+(@|%(?:25)*40)/gi;

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

/** Whatever layers of encoding it is in. */
function decoded(name: string): string {
  let text = name.replaceAll('+', ' ');
  for (let before = ''; before !== text && text.includes('%'); ) {
    before = text;
    try {
      text = decodeURIComponent(text);
    } catch {}
  }
  return text.trim().toLowerCase();
}
