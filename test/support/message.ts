// A second, tiny and strict reader of HTTP/1.1 messages, so that the tests do not judge the codec by itself. It wants
// exactly what Fermat may send: CRLF everywhere, one framing, no repairs. What it does not like it throws at the test.

export interface Message {
  /** Start line without its CRLF. */
  readonly start: string;
  /** The head as it came, latin1, blank line included. */
  readonly head: string;
  /** In order, names and values as written. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

export interface Body {
  readonly bytes: Buffer;
  readonly trailers: readonly (readonly [name: string, value: string])[];
}

const FIELD_LINE =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/;

/** Length of the head in front of `buffer`, blank line included; -1 when it is not all there. */
export function headLength(buffer: Buffer): number {
  const end = buffer.indexOf('\r\n\r\n');
  return end < 0 ? -1 : end + 4;
}

/** Throws what is wrong with it. */
export function parseHead(head: string): Message {
  const lines = head.slice(0, -4).split('\r\n');
  const start = lines[0]!;
  if (/[\r\n\0]/.test(head.replaceAll('\r\n', ''))) throw new Error(`bare CR, LF or NUL in ${JSON.stringify(head)}`);
  return { start, head, fields: parseFields(lines.slice(1)) };
}

export function parseFields(lines: readonly string[]): [string, string][] {
  return lines.map((line) => {
    const match = FIELD_LINE.exec(line);
    if (!match) throw new Error(`malformed field line ${JSON.stringify(line)}`);
    return [match[1]!, match[2]!];
  });
}

/** Values of every line with this name, in order. */
export function fieldsOf(message: { fields: Message['fields'] }, name: string): string[] {
  return message.fields.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** The one value of a field; null without one. Throws when there are several lines. */
export function fieldOf(message: { fields: Message['fields'] }, name: string): string | null {
  const values = fieldsOf(message, name);
  if (values.length > 1) throw new Error(`${name} came ${values.length} times: ${values.join(' | ')}`);
  return values[0] ?? null;
}

export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' };

/** Exactly one framing, or none. Throws on anything a peer could read in two ways. */
export function framingOf(message: Message): Framing {
  const length = fieldOf(message, 'content-length');
  const coding = fieldOf(message, 'transfer-encoding');
  if (length !== null && coding !== null) throw new Error(`two framings in ${JSON.stringify(message.head)}`);
  if (coding !== null) {
    if (coding !== 'chunked') throw new Error(`transfer coding ${coding}`);
    return { kind: 'chunked' };
  }
  if (length === null) return { kind: 'none' };
  if (!/^(0|[1-9]\d*)$/.test(length)) throw new Error(`Content-Length ${JSON.stringify(length)}`);
  return { kind: 'length', length: Number(length) };
}

/**
 * Reads a chunked body bit by bit. `take(buffer)` gives how many bytes of it belong to the body so far consumed; `isDone`
 * says that the last chunk and the trailers were among them. Throws on anything but the plainest chunked coding.
 */
export class ChunkedBody {
  isDone = false;
  trailers: [string, string][] = [];
  /** Sizes of the chunks, in order. */
  readonly sizes: number[] = [];
  readonly #onData: (bytes: Buffer) => void;
  #left = 0;
  #state: 'size' | 'data' | 'crlf' | 'trailers' = 'size';

  constructor(onData: (bytes: Buffer) => void) {
    this.#onData = onData;
  }

  take(buffer: Buffer): number {
    let at = 0;
    while (!this.isDone) {
      const used = this.#step(buffer, at);
      if (used < 0) break;
      at = used;
    }
    return at;
  }

  /** Position after one more piece; -1 when there are not bytes enough. */
  #step(buffer: Buffer, at: number): number {
    switch (this.#state) {
      case 'size':
        return this.#size(buffer, at);
      case 'data': {
        if (at === buffer.length) return -1;
        const end = Math.min(buffer.length, at + this.#left);
        this.#onData(buffer.subarray(at, end));
        this.#left -= end - at;
        if (this.#left === 0) this.#state = 'crlf';
        return end;
      }
      case 'crlf':
        if (buffer.length < at + 2) return -1;
        if (buffer.toString('latin1', at, at + 2) !== '\r\n') throw new Error('chunk data not followed by CRLF');
        this.#state = 'size';
        return at + 2;
      default:
        return this.#trailers(buffer, at);
    }
  }

  #size(buffer: Buffer, at: number): number {
    const end = buffer.indexOf('\r\n', at);
    if (end < 0) return -1;
    const line = buffer.toString('latin1', at, end);
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new Error(`chunk size line ${JSON.stringify(line)}`);
    this.#left = Number.parseInt(line, 16);
    this.sizes.push(this.#left);
    this.#state = this.#left === 0 ? 'trailers' : 'data';
    return end + 2;
  }

  #trailers(buffer: Buffer, at: number): number {
    if (buffer.length >= at + 2 && buffer.toString('latin1', at, at + 2) === '\r\n') {
      this.isDone = true;
      return at + 2;
    }
    const end = buffer.indexOf('\r\n\r\n', at);
    if (end < 0) return -1;
    this.trailers = parseFields(buffer.toString('latin1', at, end).split('\r\n'));
    this.isDone = true;
    return end + 4;
  }
}
