// The table of refusals: what a client gets to see of each.

import { describe, expect, it } from 'vitest';
import {
  CONNECT_PROBLEM,
  PROBLEM,
  type Problem,
  problemOfFault,
  renderProblem,
  wantsJson,
} from '../../src/data/errors.ts';
import { CONNECT_FAILURE } from '../../src/data/sides.ts';
import { FAULT, faultOf } from '../../src/wire/fault.ts';
import { parseRequest } from '../wire/support.ts';

/** RFC 9209, 2.3: the registered error types. */
const TYPES = new Set([
  'dns_timeout',
  'dns_error',
  'destination_not_found',
  'destination_unavailable',
  'destination_ip_prohibited',
  'destination_ip_unroutable',
  'connection_refused',
  'connection_terminated',
  'connection_timeout',
  'connection_read_timeout',
  'connection_write_timeout',
  'connection_limit_reached',
  'tls_protocol_error',
  'tls_certificate_error',
  'tls_alert_received',
  'http_request_error',
  'http_request_denied',
  'http_response_incomplete',
  'http_response_header_section_size',
  'http_response_header_size',
  'http_response_body_size',
  'http_response_trailer_section_size',
  'http_response_trailer_size',
  'http_response_transfer_coding',
  'http_response_content_coding',
  'http_response_timeout',
  'http_upgrade_failed',
  'http_protocol_error',
  'proxy_internal_response',
  'proxy_internal_error',
  'proxy_configuration_error',
  'proxy_loop_detected',
]);
/** CONTRACT "Headers", and what the guard says of itself. */
const STATUSES = new Set([400, 404, 408, 413, 414, 417, 421, 429, 431, 500, 501, 502, 503, 504, 505, 508]);

const problems: [string, Problem][] = Object.entries(PROBLEM);
const faults: [string, Problem][] = Object.entries(FAULT).map(([name, code]) => {
  const { status, detail, proxyStatus } = faultOf(code);
  return [name, problemOfFault(status, detail, proxyStatus)];
});

describe.each([...problems, ...faults])('%s', (_, problem) => {
  it('has a status of the contract and an error type of RFC 9209', () => {
    expect(STATUSES).toContain(problem.status);
    expect(TYPES).toContain(problem.type);
  });

  it('is fit for a header and a body: nothing in it breaks a line, and it says something', () => {
    expect(problem.code).toMatch(/^[a-z][a-z_]+$/);
    expect(problem.message).toMatch(/^[\x20-\x7e]{5,200}$/);
  });

  it('is rendered as text and as JSON with the same facts', () => {
    const text = renderProblem(problem, false);
    const json = renderProblem(problem, true);
    expect(text.body).toBe(`${problem.status} ${problem.message}\n`);
    expect(JSON.parse(json.body)).toEqual({ error: { code: problem.code, message: problem.message } });
    expect(text.fields).toContain('Content-Type: text/plain; charset=utf-8\r\n');
    expect(json.fields).toContain('Content-Type: application/json\r\n');
    for (const { fields } of [text, json]) {
      expect(fields).toMatch(/^(?:[A-Za-z-]+: [\x20-\x7e]+\r\n)+$/);
      const details = 'details' in problem ? `; details="${problem.details}"` : '';
      expect(fields).toContain(`Proxy-Status: fermat; error=${problem.type}${details}\r\n`);
      expect(fields).toContain('Cache-Control: no-store\r\n');
      expect(fields.includes('Retry-After: ')).toBe(problem.retryAfterS > 0);
    }
  });
});

describe('the table', () => {
  it('gives every 503 and 429 a Retry-After and no other', () => {
    for (const [, problem] of problems) expect(problem.retryAfterS > 0).toBe([429, 503].includes(problem.status));
  });

  it('has codes that differ', () => {
    expect(new Set(problems.map(([, { code }]) => code)).size).toBe(problems.length);
  });

  it('has a problem for every way a connect fails', () => {
    const codes = Object.values(CONNECT_FAILURE).sort();
    expect(CONNECT_PROBLEM.map((_, i) => i)).toEqual(codes);
    expect(CONNECT_PROBLEM[CONNECT_FAILURE.TIMEOUT]!.status).toBe(504);
    expect(CONNECT_PROBLEM[CONNECT_FAILURE.REFUSED]!.status).toBe(502);
    expect(CONNECT_PROBLEM[CONNECT_FAILURE.DNS]!.type).toBe('dns_error');
    expect(CONNECT_PROBLEM[CONNECT_FAILURE.TLS]!.type).toBe('tls_protocol_error');
  });
});

describe('JSON', () => {
  const asks = (accept: string): boolean => wantsJson(parseRequest(`GET / HTTP/1.1\r\nHost: a\r\n${accept}\r\n`).head);

  it.each([
    'application/json',
    'Application/JSON; q=0.9',
    'text/html, application/json',
    'application/problem+json',
  ])('is given to who accepts %s', (value) => expect(asks(`Accept: ${value}\r\n`)).toBe(true));

  it.each([
    '',
    'Accept: */*\r\n',
    'Accept: text/html\r\n',
    'Accept: application/jsonp\r\n',
    'Accept: \r\n',
  ])('is not given for %j', (line) => expect(asks(line)).toBe(false));
});
