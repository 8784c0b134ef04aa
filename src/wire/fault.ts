// What can be wrong with the bytes of a message, in one table: a small code that travels through the hot path, and what it means
// to a client: status, words, and the Proxy-Status type (RFC 9209 2.3). The same defect is the client's in a request (4xx) and
// the endpoint's in a response (502), so a response's code is the request's plus OF_RESPONSE.

/** A code of FAULT, plus OF_RESPONSE when a response had it; 0 is none. */
export type Fault = number;

export const NO_FAULT = 0;
/** Added to a code when the defect is in what an endpoint sent. */
export const OF_RESPONSE = 64;

export const FAULT = {
  BAD_REQUEST_LINE: 1,
  BAD_METHOD: 2,
  BAD_TARGET: 3,
  BAD_VERSION: 4,
  UNSUPPORTED_VERSION: 5,
  CONNECT: 6,
  LINE_TOO_LONG: 7,
  HEAD_TOO_LARGE: 8,
  TOO_MANY_FIELDS: 9,
  BARE_CR: 10,
  BARE_LF: 11,
  CONTROL_BYTE: 12,
  BAD_NAME: 13,
  SPACE_BEFORE_COLON: 14,
  OBS_FOLD: 15,
  NO_HOST: 16,
  MANY_HOSTS: 17,
  BAD_HOST: 18,
  BAD_LENGTH: 19,
  MANY_LENGTHS: 20,
  LENGTH_TOO_LARGE: 21,
  LENGTH_AND_CODING: 22,
  CODING_IN_1_0: 23,
  BAD_CODING: 24,
  UNKNOWN_CODING: 25,
  BAD_CONNECTION: 26,
  BAD_UPGRADE: 27,
  UPGRADE_WITH_BODY: 28,
  BAD_STATUS_LINE: 29,
  FRAMED_WITHOUT_BODY: 30,
  BAD_CHUNK_SIZE: 31,
  BAD_CHUNK_EXTENSION: 32,
  CHUNK_LINE_TOO_LONG: 33,
  BAD_CHUNK_END: 34,
  TRAILERS_TOO_LARGE: 35,
  INCOMPLETE_BODY: 36,
  FRAMING_IN_TRAILERS: 37,
  FINAL_INTERIM: 38,
  BAD_PSEUDO: 39,
  CONNECTION_FIELD: 40,
  EDGE_SPACE: 41,
  HOST_DIFFERS: 42,
} as const;

export interface FaultInfo {
  /** The status to answer the client with. */
  readonly status: number;
  /** One short sentence for the client and the log; ASCII, without quotes. */
  readonly detail: string;
  /** RFC 9209 2.3 error type. */
  readonly proxyStatus: string;
}

const REQUEST = 'http_request_error';
const PROTOCOL = 'http_protocol_error';
const CODING = 'http_response_transfer_coding';
const SECTION = 'http_response_header_section_size';

type Row = readonly [code: number, status: number, detail: string, responseType?: string];

const ROWS: readonly Row[] = [
  [FAULT.BAD_REQUEST_LINE, 400, 'malformed request line'],
  [FAULT.BAD_METHOD, 400, 'method is not a token'],
  [FAULT.BAD_TARGET, 400, 'invalid request target'],
  [FAULT.BAD_VERSION, 400, 'malformed HTTP version'],
  [FAULT.UNSUPPORTED_VERSION, 505, 'only HTTP/1.0 and HTTP/1.1 are spoken here'],
  [FAULT.CONNECT, 501, 'CONNECT is not supported'],
  [FAULT.LINE_TOO_LONG, 414, 'request line too long', SECTION],
  [FAULT.HEAD_TOO_LARGE, 431, 'head too large', SECTION],
  [FAULT.TOO_MANY_FIELDS, 431, 'too many header fields', SECTION],
  [FAULT.BARE_CR, 400, 'CR without LF'],
  [FAULT.BARE_LF, 400, 'LF without CR'],
  [FAULT.CONTROL_BYTE, 400, 'control byte in the head'],
  [FAULT.BAD_NAME, 400, 'malformed field line'],
  [FAULT.SPACE_BEFORE_COLON, 400, 'whitespace before the colon of a field line'],
  [FAULT.OBS_FOLD, 400, 'field line starts with whitespace'],
  [FAULT.NO_HOST, 400, 'no Host field'],
  [FAULT.MANY_HOSTS, 400, 'more than one Host field'],
  [FAULT.BAD_HOST, 400, 'invalid host'],
  [FAULT.BAD_LENGTH, 400, 'invalid Content-Length'],
  [FAULT.MANY_LENGTHS, 400, 'more than one Content-Length'],
  [FAULT.LENGTH_TOO_LARGE, 400, 'Content-Length out of range'],
  [FAULT.LENGTH_AND_CODING, 400, 'both Content-Length and Transfer-Encoding'],
  [FAULT.CODING_IN_1_0, 400, 'Transfer-Encoding in HTTP/1.0', CODING],
  [FAULT.BAD_CODING, 400, 'Transfer-Encoding is not one final chunked', CODING],
  [FAULT.UNKNOWN_CODING, 501, 'transfer coding not supported', CODING],
  [FAULT.BAD_CONNECTION, 400, 'malformed Connection field'],
  [FAULT.BAD_UPGRADE, 400, 'malformed Upgrade field'],
  [FAULT.UPGRADE_WITH_BODY, 400, 'Upgrade in a request with content'],
  [FAULT.BAD_STATUS_LINE, 400, 'malformed status line'],
  [FAULT.FRAMED_WITHOUT_BODY, 400, 'a body announced where there is none'],
  [FAULT.BAD_CHUNK_SIZE, 400, 'invalid chunk size', CODING],
  [FAULT.BAD_CHUNK_EXTENSION, 400, 'malformed chunk extension', CODING],
  [FAULT.CHUNK_LINE_TOO_LONG, 400, 'chunk extensions too long', CODING],
  [FAULT.BAD_CHUNK_END, 400, 'chunk data not followed by CRLF', CODING],
  [FAULT.TRAILERS_TOO_LARGE, 431, 'trailer section too large', 'http_response_trailer_section_size'],
  [FAULT.FRAMING_IN_TRAILERS, 400, 'framing fields in the trailer section', CODING],
  [FAULT.FINAL_INTERIM, 400, 'an interim response that closes the connection'],
  [FAULT.BAD_PSEUDO, 400, 'malformed pseudo-header fields'],
  [FAULT.CONNECTION_FIELD, 400, 'a field about the connection in HTTP/2'],
  [FAULT.EDGE_SPACE, 400, 'whitespace at the edge of a field value'],
  [FAULT.HOST_DIFFERS, 400, 'Host differs from :authority'],
  [FAULT.INCOMPLETE_BODY, 400, 'body ended early', 'http_response_incomplete'],
];

const NONE: FaultInfo = { status: 500, detail: 'no fault', proxyStatus: 'proxy_internal_error' };
const TABLE: FaultInfo[] = new Array<FaultInfo>(OF_RESPONSE * 2).fill(NONE);
for (const [code, status, detail, responseType] of ROWS) {
  TABLE[code] = { status, detail, proxyStatus: REQUEST };
  TABLE[code + OF_RESPONSE] = { status: 502, detail: `endpoint: ${detail}`, proxyStatus: responseType ?? PROTOCOL };
}

/** What a fault means to the client. Unknown codes and NO_FAULT give a 500: asking for them is a bug upstairs. Never throws. */
export function faultOf(code: Fault): FaultInfo {
  return TABLE[code] ?? NONE;
}
