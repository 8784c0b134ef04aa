// Makes messages to disagree about: well-formed ones drawn from a small grammar, pipelined, then bent in the places where parsers
// are known to differ. Everything comes from one seeded generator, so a case can be made again from its seed.

/** Uniform in [0, 1). */
export type Random = () => number;

/** mulberry32: 32 bits of state, good enough to draw cases from. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

function upTo(random: Random, n: number): number {
  return Math.floor(random() * (n + 1));
}

function chance(random: Random, p: number): boolean {
  return random() < p;
}

const METHODS = ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PURGE'];
const MORE_METHODS = ['PROPFIND', 'REPORT', 'QUERY', 'M-SEARCH', 'SOURCE', 'CONNECT', 'LINK', 'get', 'PRI'];
const TARGETS = [
  '/',
  '/a/b?c=d',
  '/%41?x=%zz',
  '//double//slash',
  '/a;b=c,d',
  '/"quoted"<>|{}^`\\',
  '/[x]?y[]=1',
  'http://example.com',
  'HTTP://Example.COM:8080/x?y',
  'http://example.com?q',
  'https://[2001:db8::1]:443/p',
  'http://a.b/:@x',
  '*',
];
const BAD_TARGETS = [
  '/a#b',
  'x',
  '',
  '/\x7f',
  '/\xe4',
  'http://u@h/',
  'http:///x',
  'h:80',
  '/ x',
  'ftp://h/',
  'http://h:x/',
  '@h',
];
const HOSTS = ['example.com', 'A.b.C:8080', '127.0.0.1:80', '[::1]:1', '[::ffff:1.2.3.4]', 'a_b', 'x.', 'h:'];
const BAD_HOSTS = ['', 'a b', 'a/b', 'u@h', 'h:x', 'h:99999', '[::1', '::1', 'a,b', 'h:1:2', '[1::2::3]', 'h\x80'];
const FIELDS = [
  'Accept: */*',
  'accept-encoding: gzip, br',
  'X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'X-Empty:',
  'X-Empty: ',
  'X-Space:   padded \t ',
  'X-Tab:\ttab\tin\tside',
  'X-Obs: caf\xe9 \x80\xff',
  'X-Colon: a:b:c',
  "!#$%&'*+-.^_`|~09az: token",
  'Set-Cookie: a=b',
  'Set-Cookie: c=d',
  'Cookie: a=b; c=d',
  'Date: Mon, 06 Oct 2025 10:00:00 GMT',
  'Keep-Alive: timeout=5, max=10',
  'Trailer: X-T',
  'TE: trailers',
  'Via: 1.1 other',
  'User-Agent: fuzz',
  'Content-Type: text/plain; charset="x"',
];
const CONNECTIONS = [
  'close',
  'keep-alive',
  'Keep-Alive, X-Tab',
  'close, x',
  ' , keep-alive ,, te',
  'CLOSE',
  'x-empty',
  'keep-alive, close',
];
const BAD_LENGTHS = [
  '+5',
  '-1',
  '5 5',
  '5,5',
  '5, 5',
  '0x5',
  '',
  '5;',
  '99999999999999999999',
  '9007199254740993',
  '1e1',
  '5\t',
];
const BAD_CODINGS = [
  'identity',
  'chunked, identity',
  'gzip, chunked',
  'chunked, chunked',
  'xchunked',
  'chunked;a',
  '',
  'gzip',
  ' , chunked',
  '"chunked"',
];
const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="b;c"', ';a="\\"x"', ';a;b=c'];
const BAD_EXTENSIONS = [' ;a', ';', ';a=', '; a=b', ';a =b', ';a="', ';a="b"c', ' ', ';=b', ';a\x00', '\t'];
const TRAILERS = ['X-T: 1\r\n', 'X-T: 1\r\nX-U:  2 \r\n', 'Host: evil\r\n', 'Content-Length: 5\r\n', 'x:\r\n'];

/** Bytes where parsers part ways. */
const SHARP = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\x7f',
  '\x80',
  '\xff',
  '\x0b',
  '\x0c',
  '\x1f',
  '0',
  '5',
  'a',
  '"',
  '=',
  '\r\n\r\n',
  '\r\r\n',
  '\n\n',
  '\r\n ',
  '\r\n\t',
  ' :',
  '#',
  '%',
  '/',
];

function body(random: Random): { lines: string; content: string } {
  const kind = random();
  if (kind < 0.45) return { lines: '', content: '' };
  const bytes = upTo(random, 12);
  let data = '';
  for (let i = 0; i < bytes; i++) data += pick(random, ['a', '\r', '\n', '0', ' ', 'G', '\xff', '\0', ':']);
  if (kind < 0.65)
    return {
      lines: `${pick(random, ['Content-Length', 'content-length', 'CONTENT-LENGTH'])}: ${pick(random, ['', '', '0', ' '])}${data.length}\r\n`,
      content: data,
    };
  if (kind < 0.9) {
    return {
      lines: `Transfer-Encoding: ${pick(random, ['chunked', 'chunked', 'Chunked', '\tchunked '])}\r\n`,
      content: chunks(random, data),
    };
  }
  const lines = [
    `Content-Length: ${pick(random, BAD_LENGTHS)}\r\n`,
    `Transfer-Encoding: ${pick(random, BAD_CODINGS)}\r\n`,
    'Content-Length: 5\r\nContent-Length: 5\r\n',
    'Content-Length: 5\r\nContent-Length: 6\r\n',
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n',
    'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
  ];
  return { lines: pick(random, lines), content: chunks(random, data) };
}

function chunks(random: Random, data: string): string {
  let out = '';
  let at = 0;
  while (at < data.length) {
    const size = 1 + upTo(random, data.length - at - 1);
    const extension = chance(random, 0.04) ? pick(random, BAD_EXTENSIONS) : pick(random, EXTENSIONS);
    const hex = chance(random, 0.5)
      ? size.toString(16)
      : size
          .toString(16)
          .toUpperCase()
          .padStart(1 + upTo(random, 3), '0');
    out += `${hex}${extension}\r\n${data.slice(at, at + size)}\r\n`;
    at += size;
  }
  const end = chance(random, 0.1) ? '000' : '0';
  return `${out}${end}${pick(random, EXTENSIONS)}\r\n${chance(random, 0.25) ? pick(random, TRAILERS) : ''}\r\n`;
}

function fields(random: Random): string {
  let out = '';
  for (let i = upTo(random, 5); i > 0; i--) out += `${pick(random, FIELDS)}\r\n`;
  if (chance(random, 0.2)) out += `${pick(random, ['Connection', 'connection'])}: ${pick(random, CONNECTIONS)}\r\n`;
  if (chance(random, 0.03)) out += 'Connection: upgrade\r\nUpgrade: websocket\r\n';
  if (chance(random, 0.03)) out += `Expect: ${pick(random, ['100-continue', '100-Continue', 'magic'])}\r\n`;
  if (chance(random, 0.02)) out += 'Proxy-Connection: close\r\n';
  return out;
}

function request(random: Random): string {
  const method = chance(random, 0.08) ? pick(random, MORE_METHODS) : pick(random, METHODS);
  const target = chance(random, 0.05)
    ? pick(random, BAD_TARGETS)
    : pick(random, TARGETS.slice(0, chance(random, 0.7) ? 3 : 13));
  const version = chance(random, 0.9)
    ? 'HTTP/1.1'
    : pick(random, ['HTTP/1.0', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/01.1', 'HTTP/0.9']);
  const host = chance(random, 0.04) ? pick(random, BAD_HOSTS) : pick(random, HOSTS);
  const hostLine = chance(random, 0.03) ? pick(random, ['', 'Host: a\r\nHost: b\r\n']) : `Host: ${host}\r\n`;
  const { lines, content } = body(random);
  const blank = chance(random, 0.05) ? '\r\n'.repeat(upTo(random, 5)) : '';
  return `${blank}${method} ${target} ${version}\r\n${hostLine}${fields(random)}${lines}\r\n${content}`;
}

function response(random: Random): string {
  const status = pick(random, [200, 200, 200, 201, 204, 206, 301, 304, 404, 500, 503, 599, 999]);
  const line = chance(random, 0.9)
    ? `HTTP/1.${pick(random, [1, 1, 1, 0])} ${status} ${pick(random, ['OK', 'Not Found', '', 'caf\xe9', 'a\tb'])}`
    : pick(random, [
        'HTTP/1.1 200',
        'HTTP/1.1  200 OK',
        'HTTP/1.1 20 OK',
        'HTTP/1.1 2000 OK',
        'HTTP/2.0 200 OK',
        'HTTP/1.1 200OK',
        'http/1.1 200 OK',
        'HTTP/1.1 099 x',
      ]);
  const { lines, content } = body(random);
  const tail = lines === '' && chance(random, 0.5) ? 'until the end' : content;
  return `${line}\r\n${fields(random)}${lines}\r\n${tail}`;
}

const INTERIM = [
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n',
  'HTTP/1.1 102 Processing\r\nContent-Length: 0\r\n\r\n',
];

/** One to four bends: a byte in, out, or changed; a span doubled or gone. */
function bend(random: Random, message: string): string {
  let text = message;
  for (let i = 1 + upTo(random, 3); i > 0; i--) {
    // Most bends near a line end, where the meaning is.
    let at = upTo(random, text.length);
    if (chance(random, 0.5)) {
      const line = text.indexOf('\r\n', at);
      if (line >= 0) at = Math.max(0, line + upTo(random, 4) - 1);
    }
    const span = 1 + upTo(random, chance(random, 0.8) ? 2 : 30);
    const kind = random();
    if (kind < 0.4) text = text.slice(0, at) + pick(random, SHARP) + text.slice(at);
    else if (kind < 0.6) text = text.slice(0, at) + text.slice(at + span);
    else if (kind < 0.8) text = text.slice(0, at) + pick(random, SHARP) + text.slice(at + 1);
    else if (kind < 0.9) text = text.slice(0, at + span) + text.slice(at);
    else text = text.slice(0, at) + String.fromCharCode(upTo(random, 255)) + text.slice(at + 1);
  }
  return text;
}

/** The bytes (latin1) of one client's connection: one to three requests, more often bent than not. */
export function requests(random: Random): string {
  let text = '';
  for (let i = 1 + upTo(random, 2); i > 0; i--) text += request(random);
  return chance(random, 0.6) ? bend(random, text) : text;
}

/** The bytes (latin1) that answer one request: interim responses, the response, sometimes too much. */
export function responses(random: Random): string {
  let text = '';
  while (chance(random, 0.1)) text += pick(random, INTERIM);
  text += response(random);
  if (chance(random, 0.1)) text += response(random);
  return chance(random, 0.6) ? bend(random, text) : text;
}
