// Trailer sections (RFC 9112 7.1.2): read as strictly as heads, and never merged into one. Names that would change what a message
// is, who sent it, or where it goes are marked as dropped (RFC 9110 6.5.1): a receiver may merge what we would not.

import { FAULT, type Fault, NO_FAULT } from './fault.ts';
import { FIELD, type Fields } from './fields.ts';
import { HeadReader } from './reader.ts';

const FORBIDDEN = new Uint8Array(256);
for (const id of [
  FIELD.HOST,
  FIELD.CONNECTION,
  FIELD.CONTENT_LENGTH,
  FIELD.TRANSFER_ENCODING,
  FIELD.UPGRADE,
  FIELD.EXPECT,
  FIELD.TE,
  FIELD.TRAILER,
  FIELD.KEEP_ALIVE,
  FIELD.PROXY_CONNECTION,
  FIELD.PROXY_AUTHENTICATE,
  FIELD.PROXY_AUTHORIZATION,
  FIELD.PROXY_AUTHENTICATION_INFO,
  FIELD.VIA,
  FIELD.CDN_LOOP,
  FIELD.FORWARDED,
  FIELD.X_FORWARDED_FOR,
  FIELD.X_FORWARDED_PROTO,
  FIELD.X_FORWARDED_HOST,
  FIELD.X_FORWARDED_PORT,
  FIELD.X_REAL_IP,
  FIELD.X_REQUEST_ID,
  FIELD.MAX_FORWARDS,
  FIELD.DATE,
  FIELD.SET_COOKIE,
  FIELD.COOKIE,
  FIELD.AUTHORIZATION,
  FIELD.RETRY_AFTER,
  FIELD.CONTENT_TYPE,
  FIELD.HTTP2_SETTINGS,
  FIELD.CONTENT_ENCODING,
  FIELD.CONTENT_RANGE,
  FIELD.CACHE_CONTROL,
  FIELD.WWW_AUTHENTICATE,
  FIELD.LOCATION,
  FIELD.RANGE,
  FIELD.ORIGIN,
  FIELD.AGE,
  FIELD.EXPIRES,
  FIELD.VARY,
]) {
  FORBIDDEN[id] = 1;
}

const FRAMING_BITS = (1 << FIELD.CONTENT_LENGTH) | (1 << FIELD.TRANSFER_ENCODING);

/** Whole families, by how a name starts: forwarding claims of any spelling, conditionals. */
const FORBIDDEN_PREFIXES = ['x-forwarded', 'x_forwarded', 'x.forwarded', 'x-real', 'x_real', 'if-'];

/** Reads the section after the last chunk, when it has lines. */
export class TrailerReader extends HeadReader<Fields> {
  constructor(trailers: Fields, maxBytes: number, maxLines: number) {
    super(trailers, maxBytes, maxLines, 0);
  }

  protected override readStart(_buf: Buffer, at: number): number {
    return at;
  }

  protected override tooLarge(): Fault {
    return FAULT.TRAILERS_TOO_LARGE;
  }

  protected override settle(): Fault {
    return judgeTrailers(this.head);
  }
}

/** Marks what a trailer may not say as dropped; the lines were read. FRAMING_IN_TRAILERS, or NO_FAULT. */
export function judgeTrailers(trailers: Fields): Fault {
  // Framing that comes too late is no metadata but somebody trying something; llhttp refuses it, too.
  if ((trailers.seen & FRAMING_BITS) !== 0) return FAULT.FRAMING_IN_TRAILERS;
  for (let i = 0; i < trailers.count; i++) {
    if (FORBIDDEN[trailers.id[i]!] === 1) trailers.drop[i] = 1;
    else for (const prefix of FORBIDDEN_PREFIXES) if (trailers.nameStartsWith(i, prefix)) trailers.drop[i] = 1;
  }
  return NO_FAULT;
}
