// RFC 9113, 3.4 to 6, and RFC 7541, as h2spec asks: what is wrong with a connection ends it with a GOAWAY that says why, what is
// wrong with a stream ends that stream alone, and what is merely unusual is put up with.

import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { h2Client } from '../support/h2.ts';
import {
  data,
  E,
  F,
  frame,
  getFields,
  goaway,
  headers,
  PREFACE,
  padded,
  ping,
  postFields,
  priority,
  reset,
  S,
  settings,
  T,
  u32,
  windowUpdate,
} from '../support/h2-frames.ts';
import { type Field, writeField, writeFields, writeInteger, writeString } from '../support/hpack.ts';
import { rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig((origin) => simpleConfig([origin.url]));

/** Sends `bytes` on a fresh connection, behind preface and SETTINGS, and gives the code of the GOAWAY that ends it. */
async function endedBy(...bytes: Buffer[]): Promise<number> {
  using client = await h2Client(rig.port);
  client.send(...bytes);
  return await client.ended();
}

/** Sends `bytes`; wants stream 1 to be reset with the code it gives, and the connection to be as good as before. */
async function resetBy(...bytes: Buffer[]): Promise<number> {
  using client = await h2Client(rig.port);
  client.id();
  client.send(...bytes);
  const { resetCode } = await client.over(client.stream(1));
  expect((await client.get()).status).toBe(200);
  return resetCode;
}

const open = (id = 1, fields: readonly Field[] = postFields()) => headers(id, fields);
const done = (id = 1, fields: readonly Field[] = getFields()) => headers(id, fields, F.END_STREAM);

describe('the preface', () => {
  it('is answered with SETTINGS, whatever the pieces it comes in', async () => {
    using client = await h2Client(rig.port, { isBare: true });
    const bytes = Buffer.concat([PREFACE, settings(), headers(1, getFields(), F.END_STREAM)]);
    client.stream(1);
    for (const byte of bytes) client.send(Buffer.from([byte]));
    expect((await client.over(client.stream(1))).status).toBe(200);
    expect(client.settingsAcks).toBe(1);
    expect(Object.fromEntries(client.told)).toMatchObject({ [S.STREAMS]: 100, [S.CONNECT]: 1 });
  });

  it.each([
    ['P'],
    ['PO'],
    ['PRI'],
    ['PRI * HTTP/2.0\r\n'],
  ])('leaves HTTP/1.1 on the same port to whoever begins with %j and goes on otherwise', async (first) => {
    using client = await rawClient(rig.port);
    const rest = first.startsWith('PRI')
      ? ' * HTTP/2.0\r\nHost: a\r\n\r\n'.slice(first.length - 3)
      : 'OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'.slice(first.length - 1);
    await client.send(first + rest, 1);
    const answer = await client.answer();
    expect(answer.status).toBe(first.startsWith('PRI') ? 505 : 200);
    if (first.startsWith('PO')) expect((await rig.origin.request.whole()).toString()).toBe('hi');
  });

  it('that turns wrong is no request either', async () => {
    using client = await rawClient(rig.port);
    await client.send('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n');
    expect([400, 505]).toContain((await client.answer()).status);
    await client.closed();
  });

  it('must be followed by SETTINGS', async () => {
    for (const bytes of [done(), ping(), windowUpdate(0, 1)]) {
      using client = await h2Client(rig.port, { isBare: true });
      client.send(PREFACE, bytes);
      expect(await client.ended()).toBe(E.PROTOCOL_ERROR);
    }
  });
});

describe('frames', () => {
  const CASES: [what: string, code: number, bytes: Buffer[]][] = [
    ['a frame above 16384 bytes', E.FRAME_SIZE_ERROR, [open(), frame(T.DATA, 0, 1, Buffer.alloc(16_385))]],
    ['HEADERS above 16384 bytes', E.FRAME_SIZE_ERROR, [frame(T.HEADERS, F.END_HEADERS, 1, Buffer.alloc(16_385))]],
    ['DATA on stream 0', E.PROTOCOL_ERROR, [data(0, 'x')]],
    ['HEADERS on stream 0', E.PROTOCOL_ERROR, [done(0)]],
    ['RST_STREAM on stream 0', E.PROTOCOL_ERROR, [reset(0)]],
    ['PRIORITY on stream 0', E.PROTOCOL_ERROR, [priority(0)]],
    ['SETTINGS on a stream', E.PROTOCOL_ERROR, [frame(T.SETTINGS, 0, 1)]],
    ['PING on a stream', E.PROTOCOL_ERROR, [frame(T.PING, 0, 1, Buffer.alloc(8))]],
    ['GOAWAY on a stream', E.PROTOCOL_ERROR, [frame(T.GOAWAY, 0, 1, Buffer.alloc(8))]],
    ['PUSH_PROMISE from a client', E.PROTOCOL_ERROR, [open(), frame(T.PUSH_PROMISE, F.END_HEADERS, 1, u32(2))]],
    ['CONTINUATION out of nowhere', E.PROTOCOL_ERROR, [frame(T.CONTINUATION, F.END_HEADERS, 1)]],
    [
      'CONTINUATION of another stream',
      E.PROTOCOL_ERROR,
      [frame(T.HEADERS, 0, 1, writeFields(getFields())), frame(T.CONTINUATION, F.END_HEADERS, 3)],
    ],
    [
      'another header section inside one',
      E.PROTOCOL_ERROR,
      [frame(T.HEADERS, 0, 1, writeFields(getFields())), headers(3, getFields(), F.END_STREAM)],
    ],
    ['a PRIORITY that depends on itself', E.PROTOCOL_ERROR, [priority(3, 3)]],
    ['any other frame in a header section', E.PROTOCOL_ERROR, [frame(T.HEADERS, 0, 1), ping()]],
    ['an unknown frame in a header section', E.PROTOCOL_ERROR, [frame(T.HEADERS, 0, 1), frame(99, 0, 1)]],
    ['DATA with more padding than frame', E.PROTOCOL_ERROR, [open(), frame(T.DATA, F.PADDED, 1, Buffer.from([9, 1]))]],
    ['SETTINGS of a length that is no multiple of 6', E.FRAME_SIZE_ERROR, [frame(T.SETTINGS, 0, 0, Buffer.alloc(5))]],
    ['an acknowledgement that says something', E.FRAME_SIZE_ERROR, [frame(T.SETTINGS, F.ACK, 0, Buffer.alloc(6))]],
    ['a PING of 7 bytes', E.FRAME_SIZE_ERROR, [frame(T.PING, 0, 0, Buffer.alloc(7))]],
    ['a WINDOW_UPDATE of 3 bytes', E.FRAME_SIZE_ERROR, [frame(T.WINDOW_UPDATE, 0, 0, Buffer.alloc(3))]],
    ['RST_STREAM of 3 bytes', E.FRAME_SIZE_ERROR, [open(), frame(T.RST_STREAM, 0, 1, Buffer.alloc(3))]],
    ['ENABLE_PUSH of 2', E.PROTOCOL_ERROR, [settings([S.PUSH, 2])]],
    ['INITIAL_WINDOW_SIZE of 2^31', E.FLOW_CONTROL_ERROR, [settings([S.WINDOW, 2 ** 31])]],
    ['MAX_FRAME_SIZE of 16383', E.PROTOCOL_ERROR, [settings([S.FRAME, 16_383])]],
    ['MAX_FRAME_SIZE of 2^24', E.PROTOCOL_ERROR, [settings([S.FRAME, 2 ** 24])]],
    ['a WINDOW_UPDATE of 0', E.PROTOCOL_ERROR, [windowUpdate(0, 0)]],
    ['a window beyond 2^31 - 1', E.FLOW_CONTROL_ERROR, [windowUpdate(0, 2 ** 31 - 1), windowUpdate(0, 2 ** 31 - 1)]],
  ];

  it.each(CASES)('refuses %s', async (_, code, bytes) => {
    expect(await endedBy(...bytes)).toBe(code);
  });

  it('names the last stream it took in its GOAWAY', async () => {
    using client = await h2Client(rig.port);
    await client.get();
    await client.get();
    client.send(data(0, 'x'));
    await client.ended();
    expect(client.goaways).toEqual([{ lastId: 3, code: E.PROTOCOL_ERROR }]);
  });

  it('passes over unknown frames, flags and settings, and answers PINGs with their own bytes', async () => {
    using client = await h2Client(rig.port);
    client.send(frame(0x16, 0xff, 0, Buffer.from('?')), frame(200, 0, 77), settings([0x7777, 12]), ping('8 bytes!'));
    await client.settle();
    expect(client.framesOf(T.PING)[0]!.payload.toString()).toBe('8 bytes!');
    client.send(frame(T.PING, 0xfe, 0, Buffer.alloc(8)), frame(T.SETTINGS, 0xfe, 0));
    expect((await client.get()).status).toBe(200);
    expect(client.settingsAcks).toBe(3);
  });

  it('makes nothing of error codes that it does not know', async () => {
    rig.origin.script = (request) => (request.target === '/never' ? undefined : request.answer());
    using client = await h2Client(rig.port);
    client.giveUp(client.request(getFields('/never')), 0xabcd);
    client.send(goaway(0, 0xabcd));
    expect((await client.get()).status).toBe(200);
  });

  it('takes the last of several values of one setting', async () => {
    using client = await h2Client(rig.port, { isGreedy: false });
    client.settings([S.WINDOW, 100], [S.WINDOW, 1]);
    const stream = await client.head(client.request());
    await client.come(() => stream.bodyBytes > 0, 'a byte');
    await client.settle();
    expect([stream.bodyBytes, stream.isOver]).toEqual([1, false]);
  });

  it('takes PRIORITY of any stream, also of one that is idle or closed', async () => {
    using client = await h2Client(rig.port);
    client.send(priority(1), priority(7, 3), priority(2));
    expect((await client.get()).status).toBe(200);
    client.send(priority(1));
    expect((await client.get()).status).toBe(200);
  });

  it('takes padding and priority of a HEADERS frame away, and the padding of DATA', async () => {
    using client = await h2Client(rig.port);
    const stream = client.stream(client.id());
    const block = Buffer.concat([u32(0), Buffer.from([200]), writeFields(postFields('/padded'))]);
    client.send(
      frame(T.HEADERS, F.END_HEADERS | F.PADDED | F.PRIORITY, 1, padded(block, 255)),
      frame(T.DATA, F.PADDED, 1, padded(Buffer.from('he'), 0)),
      frame(T.DATA, F.PADDED, 1, padded(Buffer.from('llo'), 100)),
      frame(T.DATA, F.PADDED | F.END_STREAM, 1, padded(Buffer.alloc(0), 30)),
    );
    expect((await client.over(stream)).status).toBe(200);
    expect([rig.origin.request.target, rig.origin.request.body.toString()]).toEqual(['/padded', 'hello']);
  });

  it('joins a header section of many CONTINUATIONs, cut anywhere, empty ones too', async () => {
    using client = await h2Client(rig.port);
    const stream = client.stream(client.id());
    const block = writeFields(getFields('/parts', [['x-long', 'y'.repeat(5000)]]));
    const cuts = [0, 1, 1, 7, 40, 41, 1000, 3000, block.length];
    client.send(
      ...cuts
        .slice(1)
        .map((cut, i) =>
          frame(
            i === 0 ? T.HEADERS : T.CONTINUATION,
            (i === 0 ? F.END_STREAM : 0) | (i === cuts.length - 2 ? F.END_HEADERS : 0),
            1,
            block.subarray(cuts[i], cut),
          ),
        ),
    );
    expect((await client.over(stream)).status).toBe(200);
    expect(rig.origin.request.field('x-long')).toHaveLength(5000);
  });
});

describe('streams', () => {
  const IDLE: [what: string, bytes: Buffer][] = [
    ['DATA', data(1, 'x')],
    ['RST_STREAM', reset(1)],
    ['WINDOW_UPDATE', windowUpdate(1, 100)],
    ['DATA of a stream that servers open', data(2, 'x')],
  ];

  it.each(IDLE)('refuses %s on an idle stream', async (_, bytes) => {
    expect(await endedBy(bytes)).toBe(E.PROTOCOL_ERROR);
  });

  it('refuses requests on even streams', async () => {
    expect(await endedBy(done(2))).toBe(E.PROTOCOL_ERROR);
  });

  it('refuses an id that was passed over, and one that was used', async () => {
    expect(await endedBy(done(5), done(3))).toBe(E.PROTOCOL_ERROR);
    using client = await h2Client(rig.port);
    await client.get();
    client.send(done(1));
    expect(await client.ended()).toBe(E.STREAM_CLOSED);
  });

  it.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', done(1)],
  ])('resets a stream that gets %s behind its END_STREAM', async (_, bytes) => {
    rig.origin.script = (request) => (request.target === '/' ? undefined : request.answer());
    using client = await h2Client(rig.port);
    const stream = client.request(getFields());
    client.send(bytes);
    expect((await client.over(stream)).resetCode).toBe(E.STREAM_CLOSED);
    expect((await client.get('/other')).status).toBe(200);
  });

  it.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', done(1)],
  ])('refuses %s on a stream that is closed', async (_, bytes) => {
    using client = await h2Client(rig.port);
    await client.get();
    client.send(bytes);
    expect(await client.ended()).toBe(E.STREAM_CLOSED);
  });

  it.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', done(1)],
  ])('refuses %s on a stream that the client has reset', async (_, bytes) => {
    rig.origin.script = () => {};
    expect(await endedBy(open(), reset(1), bytes)).toBe(E.STREAM_CLOSED);
  });

  it('puts up with a body in small frames that was under way when it was answered', async () => {
    using client = await h2Client(rig.port);
    const stream = client.start(postFields('/', [['expect', 'the unheard of']]));
    await client.over(stream);
    expect([stream.status, stream.resetCode]).toEqual([417, E.NO_ERROR]);
    for (let i = 0; i < 1000; i++) client.send(data(stream.id, 'a message'));
    expect((await client.get()).status).toBe(200);
  });

  it('puts up with what was under way when a stream ended or was reset', async () => {
    using client = await h2Client(rig.port);
    await client.get();
    client.send(windowUpdate(1, 10), priority(1), reset(1));
    expect((await client.get()).status).toBe(200);
    // Malformed, so it is us who reset it: its body is on its way.
    const bad = client.start(postFields('/', [['X-Upper', 'a']]));
    client.send(data(bad.id, 'body'), windowUpdate(bad.id, 1), data(bad.id, 'end', F.END_STREAM), reset(bad.id));
    expect((await client.over(bad)).resetCode).toBe(E.PROTOCOL_ERROR);
    expect((await client.get()).status).toBe(200);
  });

  it('refuses streams beyond a hundred and takes them when there is room', async () => {
    const requests: (() => void)[] = [];
    rig.origin.script = (request) => requests.push(() => request.answer());
    using client = await h2Client(rig.port);
    const all = Array.from({ length: 100 }, () => client.request());
    const excess = client.request(postFields(), 'a body');
    expect((await client.over(excess)).resetCode).toBe(E.REFUSED_STREAM);
    await rig.origin.nth(100);
    for (const answer of requests) answer();
    for (const stream of all) expect((await client.over(stream)).status).toBe(200);
    rig.origin.script = (request) => request.answer();
    expect((await client.get()).status).toBe(200);
    expect(rig.origin.requests).toHaveLength(101);
  });

  it('ends a request with a wrong WINDOW_UPDATE alone', async () => {
    rig.origin.script = (request) => (request.method === 'POST' ? undefined : request.answer());
    expect(await resetBy(open(), windowUpdate(1, 0))).toBe(E.PROTOCOL_ERROR);
    expect(await resetBy(open(), windowUpdate(1, 2 ** 31 - 1))).toBe(E.FLOW_CONTROL_ERROR);
  });

  it('lets a setting not raise a window beyond 2^31 - 1', async () => {
    rig.origin.script = () => {};
    expect(await endedBy(open(), windowUpdate(1, 2 ** 31 - 1 - 65_535), settings([S.WINDOW, 65_536]))).toBe(
      E.FLOW_CONTROL_ERROR,
    );
  });

  it('resets a stream whose body is beyond its window, and the connection beyond its own', async () => {
    rig.origin.script = (request) => {
      if (request.method === 'POST') request.connection.socket.pause();
      else request.answer();
    };
    using client = await h2Client(rig.port);
    await client.come(() => client.told.has(S.WINDOW));
    const stream = client.start();
    const room = client.told.get(S.WINDOW)!;
    const piece = Buffer.alloc(16_384);
    // The endpoint reads nothing; its connection and the kernel take some, and then windows are not opened again.
    for (let sent = 0; sent < 64 << 20 && !stream.isOver; sent += piece.length) {
      client.send(data(stream.id, piece));
      if (sent > room) await client.settle();
    }
    expect((await client.over(stream)).resetCode).toBe(E.FLOW_CONTROL_ERROR);
    expect((await client.get()).status).toBe(200);
  });

  it('takes a GOAWAY of the client and answers what it has begun', async () => {
    using client = await h2Client(rig.port);
    const stream = client.request();
    client.send(goaway(0));
    expect((await client.over(stream)).status).toBe(200);
  });
});

describe('HPACK', () => {
  const section = (...bytes: Buffer[]) => frame(T.HEADERS, F.END_HEADERS | F.END_STREAM, 1, Buffer.concat(bytes));
  const GET = writeFields(getFields());

  const BAD: [what: string, block: Buffer][] = [
    ['index 0', Buffer.concat([GET, Buffer.from([0x80])])],
    ['an index in no table', Buffer.concat([GET, Buffer.from([0x80 | 70])])],
    ['a name whose index is in no table', Buffer.concat([GET, Buffer.from([0x40 | 62]), writeString('x')])],
    ['a string beyond the block', Buffer.concat([GET, Buffer.from([0, 1, 97, 100, 98])])],
    ['an integer without an end', Buffer.concat([GET, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])])],
    ['a table larger than allowed', Buffer.concat([writeInteger(0x20, 5, 4097), GET])],
    ['a change of the table behind a field', Buffer.concat([GET, writeInteger(0x20, 5, 100)])],
    ['Huffman padding of zeros', Buffer.concat([GET, Buffer.from([0, 0x81, 0x18, 0x01, 0x61])])],
    ['Huffman padding of more than 7 bits', Buffer.concat([GET, Buffer.from([0, 0x82, 0x1f, 0xff, 0x01, 0x61])])],
    ['the Huffman code of EOS', Buffer.concat([GET, Buffer.from([0, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, 0x61])])],
  ];

  it.each(BAD)('refuses %s', async (_, block) => {
    expect(await endedBy(section(block))).toBe(E.COMPRESSION_ERROR);
  });

  it('keeps its table in step through requests that are refused, too large or on dead streams', async () => {
    using client = await h2Client(rig.port);
    const pseudo = writeFields(getFields());
    const indexed = (field: Field) => writeField(field, 0x40);
    const send = (block: Buffer) => client.send(frame(T.HEADERS, F.END_HEADERS | F.END_STREAM, client.id(), block));
    send(Buffer.concat([pseudo, indexed(['x-one', 'first']), writeField(['Bad', 'name'])]));
    send(Buffer.concat([pseudo, indexed(['x-two', 'second']), writeField(['x-large', 'l'.repeat(12_000)])]));
    const large = Buffer.concat([
      pseudo,
      ...Array.from({ length: 4 }, () => writeField(['x-large', 'l'.repeat(12_000)])),
    ]);
    const id = client.id();
    client.send(
      frame(T.HEADERS, F.END_STREAM, id, large.subarray(0, 16_000)),
      frame(T.CONTINUATION, 0, id, large.subarray(16_000, 32_000)),
      frame(T.CONTINUATION, 0, id, large.subarray(32_000, 48_000)),
      frame(T.CONTINUATION, F.END_HEADERS, id, Buffer.concat([large.subarray(48_000), indexed(['x-three', 'third'])])),
    );
    expect((await client.over(client.stream(5))).status).toBe(431);
    // 62 is the newest.
    const last = client.id();
    client.send(
      frame(
        T.HEADERS,
        F.END_HEADERS | F.END_STREAM,
        last,
        Buffer.concat([pseudo, Buffer.from([0x80 | 62, 0x80 | 63, 0x80 | 64])]),
      ),
    );
    expect((await client.over(client.stream(last))).status).toBe(200);
    const request = rig.origin.requests.at(-1)!;
    expect(['x-one', 'x-two', 'x-three'].map((name) => request.field(name))).toEqual(['first', 'second', 'third']);
  });

  it('reads Huffman strings and evicts as it is told', async () => {
    using client = await h2Client(rig.port);
    // RFC 7541, C.4.1: :method GET, :scheme http, :path /, :authority www.example.com
    const block = Buffer.from('828684418cf1e3c2e5f23a6ba0ab90f4ff', 'hex');
    client.id();
    client.send(section(block));
    expect((await client.over(client.stream(1))).status).toBe(200);
    expect(rig.origin.request.field('host')).toBe('www.example.com');
    // The table goes to nothing and back: what was in it is no more.
    client.send(
      frame(
        T.HEADERS,
        F.END_HEADERS | F.END_STREAM,
        client.id(),
        Buffer.concat([writeInteger(0x20, 5, 0), writeInteger(0x20, 5, 4096), writeFields(getFields())]),
      ),
    );
    expect((await client.over(client.stream(3))).status).toBe(200);
    client.send(
      frame(T.HEADERS, F.END_HEADERS | F.END_STREAM, client.id(), Buffer.from([0x82, 0x86, 0x84, 0x80 | 62])),
    );
    expect(await client.ended()).toBe(E.COMPRESSION_ERROR);
  });

  it('writes for a client without a table', async () => {
    using client = await h2Client(rig.port, { settings: [[S.TABLE, 0]] });
    for (let i = 0; i < 3; i++) expect((await client.get()).status).toBe(200);
    client.settings([S.TABLE, 100]);
    for (let i = 0; i < 3; i++) expect((await client.get()).status).toBe(200);
    client.settings([S.TABLE, 1 << 20]);
    for (let i = 0; i < 3; i++) expect((await client.get()).field('via')).toMatch(/fermat/);
  });
});
