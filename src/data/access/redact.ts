// Secrets of query strings stay out of the log: the values of parameters with telling names are replaced. Names are compared
// whole, without regard to case and percent-encoding; `&` and `;` both part parameters, since some endpoints read them so.

/** What stands in place of a value. */
export const REDACTED = '***';

const AMP = 38;
const SEMICOLON = 59;
const EQUALS = 61;
const PERCENT = 37;
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
    const at = url.indexOf('?');
    return at < 0 ? url : url.slice(0, at + 1) + this.redact(url, at + 1, url.length);
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
      else if (c === AMP || c === SEMICOLON) {
        nameAt = i + 1;
        hasEscapes = false;
      } else if (c === EQUALS && nameAt >= 0) {
        if (this.#isSecret(text, nameAt, i, hasEscapes)) {
          let to = i + 1;
          while (to < end && text.charCodeAt(to) !== AMP && text.charCodeAt(to) !== SEMICOLON) to++;
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

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' ')).trim().toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}
