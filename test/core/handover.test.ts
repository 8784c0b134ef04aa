import { describe, expect, it } from 'vitest';
import { belongsTo, type ListeningSocket, placeOf, shareOut } from '../../src/core/handover.ts';

const socket = (name: string, fd: number, place = '|8080', port = 8080): ListeningSocket => ({ name, place, port, fd });
const spec = (name: string, host: string, port: number, path: string | null = null) => ({ name, host, port, path });

describe('a listening socket', () => {
  it('belongs to what listens at its place, whatever that is called', () => {
    expect(belongsTo(socket('http', 4), spec('http', '', 8080))).toBe(true);
    expect(belongsTo(socket('http', 4), spec('web', '', 8080))).toBe(true);
    expect(belongsTo(socket('http', 4), spec('http', '127.0.0.1', 8080))).toBe(false);
    expect(belongsTo(socket('http', 4), spec('http', '', 8081))).toBe(false);
    expect(belongsTo(socket('u', 4, '/run/f.sock', 0), spec('v', '', 0, '/run/f.sock'))).toBe(true);
    expect(placeOf(spec('u', '', 0, '/run/f.sock'))).toBe('/run/f.sock');
  });

  it('of any port belongs to its name alone: every name has another port', () => {
    const any = socket('one', 4, '127.0.0.1|0', 40_000);
    expect(belongsTo(any, spec('one', '127.0.0.1', 0))).toBe(true);
    expect(belongsTo(any, spec('two', '127.0.0.1', 0))).toBe(false);
  });
});

describe('sockets are shared out', () => {
  const four = [socket('a', 4), socket('a', 5), socket('b', 6), socket('b', 7)];
  const fds = (lanes: number, sockets = four): number[][] =>
    shareOut(sockets, lanes).map((share) => share.map(({ fd }) => fd));

  it('one each where there are as many workers as before', () => {
    expect(fds(2)).toEqual([
      [4, 6],
      [5, 7],
    ]);
  });

  it('so that none is left without a worker when there are fewer', () => {
    expect(fds(1)).toEqual([[4, 5, 6, 7]]);
    expect(fds(2, [socket('a', 4), socket('a', 5), socket('a', 6)])).toEqual([[4, 6], [5]]);
  });

  it('and further workers get none', () => {
    expect(fds(3)).toEqual([[4, 6], [5, 7], []]);
    expect(fds(2, [])).toEqual([[], []]);
  });
});
