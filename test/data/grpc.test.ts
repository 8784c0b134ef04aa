import { describe, expect, it } from 'vitest';
import { OUTCOME } from '../../src/core/sample.ts';
import { PROBLEM } from '../../src/data/errors.ts';
import {
  httpStatusOf,
  isCall,
  isGrpc,
  outcomeOf,
  RPC,
  renderCallProblem,
  rpcStatusOf,
  timeoutMsOf,
  trailersOf,
} from '../../src/data/grpc.ts';
import { addLine, copyKept, Fields } from '../../src/wire/fields.ts';
import type { RequestHead } from '../../src/wire/request.ts';
import { parseRequest } from '../wire/support.ts';

function headOf(lines: string): RequestHead {
  return parseRequest(`POST /a.B/C HTTP/1.1\r\nHost: a\r\n${lines}\r\n`).head;
}

function fieldsOf(lines: Record<string, string>): Fields {
  const fields = new Fields(1);
  for (const [name, value] of Object.entries(lines)) addLine(fields, name, value);
  return fields;
}

describe('a gRPC call', () => {
  it.each([
    ['application/grpc', true],
    ['Application/gRPC', true],
    ['application/grpc+proto', true],
    ['application/grpc;charset=x', true],
    ['application/grpc ; x', true],
    ['application/grpc-web', false],
    ['application/grpc-web+proto', false],
    ['application/grpcs', false],
    ['application/json', false],
    ['text/application/grpc', false],
  ])('is known by its content-type: %s', (type, expected) => {
    expect(isGrpc(headOf(`Content-Type: ${type}\r\n`))).toBe(expected);
  });

  it('is none without one, or over HTTP/1.1', () => {
    expect(isGrpc(headOf(''))).toBe(false);
    const head = headOf('Content-Type: application/grpc\r\n');
    expect(isCall(head)).toBe(false);
    head.isH2 = true;
    expect(isCall(head)).toBe(true);
  });
});

describe('the time a client gives', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['250m', 250],
    ['1500u', 1.5],
    ['500000n', 0.5],
    ['0m', 0],
    ['99999999H', 99_999_999 * 3_600_000],
  ])('is %s: %d ms', (value, ms) => {
    expect(timeoutMsOf(headOf(`grpc-timeout: ${value}\r\n`))).toBeCloseTo(ms, 9);
  });

  it.each([
    'm',
    '1',
    '1s',
    '100000000m',
    '-1m',
    '1.5S',
    '1 m',
    '+1m',
    '1mm',
    '1_0m',
  ])('is none when it cannot be read: %s', (value) => {
    expect(timeoutMsOf(headOf(`Grpc-Timeout: ${value}\r\n`))).toBe(-1);
  });

  it('is none when there is none', () => {
    expect(timeoutMsOf(headOf(''))).toBe(-1);
  });
});

describe("an endpoint's status", () => {
  it('is read from the trailers, or from the head when that is all there is', () => {
    const head = fieldsOf({ 'content-type': 'application/grpc' });
    expect(rpcStatusOf(head, fieldsOf({ 'grpc-status': '14' }))).toBe(14);
    expect(rpcStatusOf(fieldsOf({ 'Grpc-Status': '5' }), null)).toBe(5);
    expect(rpcStatusOf(fieldsOf({ 'grpc-status': '5' }), fieldsOf({ 'x-a': 'b' }))).toBe(5);
    expect(rpcStatusOf(head, null)).toBe(-1);
    for (const bad of ['', 'x', '1000', '-1', '1.0'])
      expect(rpcStatusOf(head, fieldsOf({ 'grpc-status': bad }))).toBe(-1);
  });

  it('counts against it as the like of it does in HTTP', () => {
    const of = (status: number): number => outcomeOf(status, true);
    for (const bad of [RPC.UNKNOWN, RPC.INTERNAL, RPC.UNAVAILABLE, RPC.DATA_LOSS])
      expect(of(bad)).toBe(OUTCOME.STATUS_5XX);
    expect(of(RPC.RESOURCE_EXHAUSTED)).toBe(OUTCOME.TOO_MANY);
    for (const good of [0, 1, 3, 5, 6, 7, 9, 10, 11, 12, 16]) expect(of(good)).toBe(OUTCOME.OK);
    expect(of(-1)).toBe(OUTCOME.BAD_RESPONSE);
    expect([0, 2, 4, 8, 13, 14, 15, 77, -1].map(httpStatusOf)).toEqual([200, 500, 504, 429, 500, 503, 500, 500, 500]);
  });

  it('of a deadline counts only when the client has set none', () => {
    expect(outcomeOf(RPC.DEADLINE_EXCEEDED, true)).toBe(OUTCOME.CLIENT_GONE);
    expect(outcomeOf(RPC.DEADLINE_EXCEEDED, false)).toBe(OUTCOME.STATUS_5XX);
  });
});

describe("Fermat's own answer to a call", () => {
  const statusOf = (lines: string): number => Number(/^grpc-status: (\d+)\r$/m.exec(lines)?.[1]);

  it.each([
    [PROBLEM.ambiguousPath, RPC.INTERNAL],
    [PROBLEM.noRoute, RPC.UNIMPLEMENTED],
    [PROBLEM.requestTimeout, RPC.DEADLINE_EXCEEDED],
    [PROBLEM.bodyTooLarge, RPC.RESOURCE_EXHAUSTED],
    [PROBLEM.misdirected, RPC.INTERNAL],
    [PROBLEM.loop, RPC.INTERNAL],
    [PROBLEM.noEndpoint, RPC.UNAVAILABLE],
    [PROBLEM.overload, RPC.UNAVAILABLE],
    [PROBLEM.connectRefused, RPC.UNAVAILABLE],
    [PROBLEM.reset, RPC.UNAVAILABLE],
    [PROBLEM.responseTimeout, RPC.DEADLINE_EXCEEDED],
    [PROBLEM.internal, RPC.INTERNAL],
  ])('to $code is status %2$d', (problem, status) => {
    expect(statusOf(renderCallProblem(problem))).toBe(status);
  });

  // Nothing has been sent: a client that tries again does no harm, while DEADLINE_EXCEEDED says that it may.
  it('to a connect that took too long is UNAVAILABLE', () => {
    expect(statusOf(renderCallProblem(PROBLEM.connectTimeout))).toBe(RPC.UNAVAILABLE);
  });

  it('has all of its words in its head, with the time to wait where there is one', () => {
    expect(renderCallProblem(PROBLEM.noEndpoint)).toBe(
      'Content-Type: application/grpc\r\ngrpc-status: 14\r\ngrpc-message: no endpoint is healthy\r\n' +
        'grpc-retry-pushback-ms: 1000\r\nProxy-Status: fermat; error=destination_unavailable\r\n',
    );
    expect(renderCallProblem(PROBLEM.noRoute)).not.toContain('pushback');
  });

  it('encodes what a field cannot hold', () => {
    const lines = renderCallProblem({ ...PROBLEM.internal, message: '100 % größer\r\nX: 1' });
    expect(lines).toContain('grpc-message: 100 %25 gr%C3%B6%C3%9Fer%0D%0AX: 1\r\n');
  });

  it('that comes too late for a head is told in the trailers', () => {
    expect(copyKept(trailersOf(PROBLEM.reset))).toBe(
      'grpc-status: 14\r\ngrpc-message: the endpoint closed the connection before its answer was whole\r\n',
    );
  });
});
