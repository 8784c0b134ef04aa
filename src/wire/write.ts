// The bytes we write ourselves, as latin1 strings: start lines, chunk framing, dates. Nothing of a peer's framing goes through
// here as it came. Strings, not buffers: a head and a small body become one write.

import { copyKept, type Fields } from './fields.ts';

const REASONS: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  102: 'Processing',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  207: 'Multi-Status',
  208: 'Already Reported',
  226: 'IM Used',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  305: 'Use Proxy',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  423: 'Locked',
  424: 'Failed Dependency',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  506: 'Variant Also Negotiates',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
  511: 'Network Authentication Required',
};

/** The registered reason phrase, or '' (which is a legal one). */
export function reasonOf(status: number): string {
  return REASONS[status] ?? '';
}

/**
 * The same latin1 text in one piece. What was put together is a tree until it is written, and would be walked again in every
 * message that it is part of: for texts that are written again and again.
 */
export function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

const STATUS_LINES: string[] = [];
const STATUS_REASONS: string[] = [];
for (let status = 0; status < 1000; status++) {
  STATUS_REASONS[status] = reasonOf(status);
  STATUS_LINES[status] = flat(`HTTP/1.1 ${status} ${reasonOf(status)}\r\n`);
}

/** `HTTP/1.1 200 OK CRLF`; status 100-999. A reason of '' is the registered one; others must have been parsed by us. */
export function statusLine(status: number, reason: string): string {
  if (reason === '' || reason === STATUS_REASONS[status]) return STATUS_LINES[status]!;
  return `HTTP/1.1 ${status} ${reason}\r\n`;
}

/** Lengths that have their line made but once. */
const LENGTH_LINES: (string | undefined)[] = new Array(8192).fill(undefined);

/** `Content-Length: 3 CRLF`. */
export function lengthLine(bytes: number): string {
  if (bytes >= LENGTH_LINES.length) return `Content-Length: ${bytes}\r\n`;
  LENGTH_LINES[bytes] ??= flat(`Content-Length: ${bytes}\r\n`);
  return LENGTH_LINES[bytes];
}

/** `GET /path HTTP/1.1 CRLF`: always our own version (RFC 9112 2.3). */
export function requestLine(method: string, path: string): string {
  return `${method} ${path} HTTP/1.1\r\n`;
}

/** A whole request head: what is kept of `fields`, then `extra` (lines, each ended by CRLF), then the blank line. */
export function requestHead(method: string, path: string, fields: Fields, extra: string): string {
  return `${method} ${path} HTTP/1.1\r\n${copyKept(fields)}${extra}\r\n`;
}

/** A whole response head, in the same way. */
export function responseHead(status: number, reason: string, fields: Fields, extra: string): string {
  return `${statusLine(status, reason)}${copyKept(fields)}${extra}\r\n`;
}

/** The last chunk, and no trailers. */
export const LAST_CHUNK = '0\r\n\r\n';

let lastSize = -1;
let lastSizeLine = '';

/** `hex CRLF`: what goes before `bytes` of chunk data; CRLF goes after. bytes > 0, or it would be the last chunk. */
export function chunkSize(bytes: number): string {
  if (bytes !== lastSize) {
    lastSize = bytes;
    lastSizeLine = `${bytes.toString(16)}\r\n`;
  }
  return lastSizeLine;
}

/** The last chunk with the trailers that are kept. */
export function trailersBlock(trailers: Fields): string {
  return trailers.count === 0 ? LAST_CHUNK : `0\r\n${copyKept(trailers)}\r\n`;
}

const DAYS = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

let dateSecond = -1;
let dateText = '';

/** IMF-fixdate (RFC 9110 5.6.7) of a moment in ms since 1970, up to the year 9999; made once a second. */
export function httpDate(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = fixdate(second);
  }
  return dateText;
}

/** Days to a date as in Howard Hinnant's `civil_from_days`: years begin in March, so that leap days come last. */
function fixdate(second: number): string {
  const days = Math.floor(second / 86_400);
  const fromMarch = days + 719_468;
  const era = Math.floor(fromMarch / 146_097);
  const dayOfEra = fromMarch - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = (march + 2) % 12;
  const year = yearOfEra + era * 400 + (month < 2 ? 1 : 0);
  const rest = second - days * 86_400;
  const time = `${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  return `${DAYS[days % 7]}, ${two(day)} ${MONTHS[month]} ${year} ${time} GMT`;
}

function two(n: number): string {
  return n < 10 ? `0${n}` : `${n}`;
}
