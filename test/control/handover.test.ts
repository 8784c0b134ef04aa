// What one process reads of another's: taken when it is whole, and as far as it is understood.

import { fstatSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nowMs } from '../../src/clock.ts';
import { claim, type Handover, readAnswer, readHandover } from '../../src/control/handover.ts';
import { Names } from '../../src/control/names.ts';
import { TicketKeys } from '../../src/control/tickets.ts';
import type { ListenerSpec } from '../../src/core/snapshot.ts';

const HANDOVER: Handover = {
  form: 1,
  version: '0.1.0',
  sockets: [{ name: 'http', place: '|8080', port: 8080, fd: 4 }],
  admin: { address: '127.0.0.1:9901', fd: 5 },
  tickets: {},
  names: {},
  memory: null,
};
const listener = (name: string, port: number): ListenerSpec => ({
  uid: 0,
  name,
  host: '127.0.0.1',
  port,
  path: null,
  proxyProtocol: 'off',
  tls: null,
});

describe('a handover', () => {
  it('is read when it is whole', () => {
    expect(readHandover(JSON.parse(JSON.stringify(HANDOVER)))).toEqual(HANDOVER);
    expect(readHandover({ ...HANDOVER, admin: null, more: 1 })).not.toBeNull();
  });

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a text', 'handover'],
    ['another form', { ...HANDOVER, form: 2 }],
    ['no version', { ...HANDOVER, version: undefined }],
    ['no sockets', { ...HANDOVER, sockets: undefined }],
    ['a socket without a descriptor', { ...HANDOVER, sockets: [{ name: 'http', place: '|1', port: 1 }] }],
    ['a descriptor that is standard output', { ...HANDOVER, sockets: [{ ...HANDOVER.sockets[0], fd: 1 }] }],
    ['an admin listener without a place', { ...HANDOVER, admin: { fd: 5 } }],
    ['no ticket keys', { ...HANDOVER, tickets: null }],
    ['no names', { ...HANDOVER, names: 'a' }],
  ])('is refused: %s', (_, given) => {
    expect(readHandover(given)).toBeNull();
  });

  it('is answered with readiness or reasons, and nothing else', () => {
    expect(readAnswer({ type: 'ready', version: '0.2.0' })).toEqual({ type: 'ready', version: '0.2.0' });
    expect(readAnswer({ type: 'failed', problems: ['a', 1] })).toEqual({
      type: 'failed',
      isConfig: false,
      problems: ['a', '1'],
    });
    for (const given of [null, 'ready', {}, { type: 'ready' }, { type: 'failed' }, { type: 'late' }])
      expect(readAnswer(given)).toBeNull();
  });
});

describe('sockets that are handed over', () => {
  it('go to the listeners that are there now, and the others are closed', () => {
    const kept = { name: 'old', place: '127.0.0.1|8080', port: 8080, fd: 999_998 };
    expect(claim([kept], [listener('new', 8080)])).toEqual([{ ...kept, name: 'new' }]);
    const unwanted = openSync(import.meta.filename, 'r');
    expect(claim([{ ...kept, place: '127.0.0.1|1', fd: unwanted }], [listener('new', 8080)])).toEqual([]);
    expect(() => fstatSync(unwanted)).toThrow('EBADF');
  });
});

describe('names that are handed over', () => {
  it('are known at once where nothing has been heard of them, and only those that are asked for', () => {
    const told: [string, readonly string[] | null][] = [];
    const names = new Names({ clock: nowMs, onChange: (host, addresses) => void told.push([host, addresses]) });
    names.keep(new Set(['shop.test', 'other.test', '127.0.0.1']));
    names.recall({
      'shop.test': ['fd00::1', '10.0.0.1'],
      'other.test': ['no address'],
      'gone.test': ['10.0.0.2'],
      '127.0.0.1': ['10.0.0.3'],
    });
    expect(told).toEqual([['shop.test', ['10.0.0.1', 'fd00::1']]]);
    expect(names.known()).toEqual({ 'shop.test': ['10.0.0.1', 'fd00::1'] });
    names.close();
  });
});

describe('ticket keys that are handed over', () => {
  it('stay those of their listeners; what is no key is made anew', () => {
    const before = new TicketKeys(() => {});
    const keys = before.of(['https', 'other']);
    const after = new TicketKeys(() => {});
    after.adopt({ ...before.packed(), other: 'c2hvcnQ=', more: 7 });
    const taken = after.of(['https', 'other']);
    expect(Buffer.from(taken.https!)).toEqual(Buffer.from(keys.https!));
    expect(taken.other).toHaveLength(48);
    expect(Buffer.from(taken.other!)).not.toEqual(Buffer.from(keys.other!));
  });
});
