// RFC 9113 8.3.2, and what a response over HTTP/2 is once it is read.

import { describe, expect, it } from 'vitest';
import { OF_RESPONSE } from '../../../src/wire/fault.ts';
import { copyKept } from '../../../src/wire/fields.ts';
import { FRAMING } from '../../../src/wire/framing.ts';
import { HeaderBlock } from '../../../src/wire/h2/block.ts';
import { HpackDecoder } from '../../../src/wire/h2/decoder.ts';
import { readResponse } from '../../../src/wire/h2/response.ts';
import { METHOD } from '../../../src/wire/method.ts';
import { ResponseHead } from '../../../src/wire/response.ts';
import { blockOf, type Field } from './support.ts';

function read(fields: readonly Field[], hasBody = true, methodId: number = METHOD.GET, head = new ResponseHead(0)) {
  const block = new HeaderBlock();
  const bytes = blockOf(fields);
  expect(new HpackDecoder().decode(bytes, 0, bytes.length, block, 65536, 100)).toBe(0);
  const fault = readResponse(block, head, methodId, hasBody);
  return { fault, head };
}
const status = (value: string): Field => [':status', value];

describe('a response over HTTP/2', () => {
  it('reads like one over HTTP/1.1', () => {
    const { fault, head } = read([status('200'), ['date', 'Mon, 06 Oct 2025 10:00:00 GMT'], ['x-a', 'b']]);
    expect(fault).toBe(0);
    expect(head).toMatchObject({
      status: 200,
      reason: '',
      minor: 1,
      isH2: true,
      keepAlive: true,
      keepAliveTimeoutMs: -1,
      hasDate: true,
      upgrade: '',
      framing: FRAMING.CHUNKED,
      length: -1,
      count: 2,
    });
    expect(copyKept(head)).toBe('date: Mon, 06 Oct 2025 10:00:00 GMT\r\nx-a: b\r\n');
  });

  it('leaves nothing behind for the next one', () => {
    const head = new ResponseHead(0);
    read(
      [status('200'), ['date', 'x'], ['content-length', '3'], ['set-cookie', 'a'], ['set-cookie', 'b']],
      true,
      1,
      head,
    );
    expect(copyKept(head)).toBe('date: x\r\nset-cookie: a\r\nset-cookie: b\r\n');
    read([status('404'), ['server', 'z']], false, 1, head);
    expect(head).toMatchObject({ status: 404, hasDate: false, framing: FRAMING.LENGTH, length: 0, repeated: 0 });
    expect(copyKept(head)).toBe('server: z\r\n');
  });

  it.each([
    ['no :status', []],
    ['two', [status('200'), status('200')]],
    ['one after a field', [['a', 'b'], status('200')]],
    ['another pseudo-header', [status('200'), [':path', '/']]],
    ['an :authority', [[':authority', 'a'], status('200')]],
    ['a :protocol', [status('200'), [':protocol', 'websocket']]],
    ['an unknown one', [status('200'), [':a', 'b']]],
    ['two digits', [status('20')]],
    ['four digits', [status('2000')]],
    ['letters', [status('2xx')]],
    ['a leading zero', [status('099')]],
    ['a sign', [status('+20')]],
    ['an empty one', [status('')]],
    ['101, which HTTP/2 does not have', [status('101')]],
    ['an upper-case name', [status('200'), ['Server', 'x']]],
    ['a control byte', [status('200'), ['server', 'x\ny']]],
    ['a field about the connection', [status('200'), ['connection', 'close']]],
    ['a transfer coding', [status('200'), ['transfer-encoding', 'chunked']]],
    ['two lengths', [status('200'), ['content-length', '1'], ['content-length', '1']]],
    ['a length that is none', [status('200'), ['content-length', 'x']]],
  ] as [string, Field[]][])('is refused for %s', (_, fields) => {
    expect(read(fields).fault).toBeGreaterThan(OF_RESPONSE);
  });

  it.each([
    ['a body of a known length', '200', '7', true, METHOD.GET, FRAMING.LENGTH, 7],
    ['a body of an unknown length', '200', '', true, METHOD.GET, FRAMING.CHUNKED, -1],
    ['an empty body', '200', '', false, METHOD.GET, FRAMING.LENGTH, 0],
    ['an empty body of a known length', '200', '0', false, METHOD.GET, FRAMING.LENGTH, 0],
    ['the answer to HEAD', '200', '7', false, METHOD.HEAD, FRAMING.NONE, 7],
    ['204', '204', '', false, METHOD.GET, FRAMING.NONE, -1],
    ['304', '304', '7', false, METHOD.GET, FRAMING.NONE, 7],
    ['100', '100', '', true, METHOD.GET, FRAMING.NONE, -1],
    ['103', '103', '', true, METHOD.GET, FRAMING.NONE, -1],
  ])('frames %s', (_, code, length, hasBody, methodId, framing, bytes) => {
    const fields: Field[] = length === '' ? [status(code)] : [status(code), ['content-length', length]];
    const { fault, head } = read(fields, hasBody, methodId);
    expect([fault, head.framing, head.length]).toEqual([0, framing, bytes]);
  });

  it.each([
    ['a body announced and not there', '200', '7', false],
    ['a body in 204', '204', '7', false],
    ['a body in 100', '100', '7', true],
    ['an interim one that ends the stream', '103', '', false],
  ])('is refused for %s', (_, code, length, hasBody) => {
    const fields: Field[] = length === '' ? [status(code)] : [status(code), ['content-length', length]];
    expect(read(fields, hasBody).fault).toBeGreaterThan(OF_RESPONSE);
  });

  it('passes on the length that HEAD and 304 tell of', () => {
    expect(copyKept(read([status('304'), ['content-length', '7']], false).head)).toBe('content-length: 7\r\n');
    expect(copyKept(read([status('200'), ['content-length', '7']], true).head)).toBe('');
  });
});
