// The part of a request body that can be sent again.

import { beforeEach, describe, expect, it } from 'vitest';
import { REPLAY_BYTES, Replay } from '../../src/data/replay.ts';
import type { Upstream } from '../../src/data/sides.ts';

/** Notes what it is sent; says that it is full after `room` bytes. */
function sink(room = Infinity): { upstream: Upstream; readonly text: string } {
  let text = '';
  const chunk = (bytes: Buffer, from: number, to: number): boolean => {
    text += bytes.toString('latin1', from, to);
    return text.length <= room;
  };
  return {
    upstream: { chunk } as Partial<Upstream> as Upstream,
    get text() {
      return text;
    },
  };
}

let replay: Replay;
beforeEach(() => {
  replay = new Replay();
});

const add = (text: string, isSent: boolean): void => {
  const chunk = Buffer.from(`<${text}>`);
  replay.add(chunk, 1, chunk.length - 1, isSent);
  chunk.fill('x'); // the next read
};

describe('a small body', () => {
  it('can be sent any number of times, whatever is read into its memory afterwards', () => {
    add('one ', false);
    add('two ', false);
    add('three', true);
    for (let n = 0; n < 3; n++) {
      const to = sink();
      expect(replay.send(to.upstream)).toBe(true);
      expect(to.text).toBe('one two three');
    }
    expect(replay.isWhole).toBe(true);
  });

  it('passes on that the endpoint wants a pause, and sends all the same', () => {
    add('12345', false);
    add('67890', false);
    const to = sink(3);
    expect(replay.send(to.upstream)).toBe(false);
    expect(to.text).toBe('1234567890');
  });

  it('of no bytes is whole', () => {
    const to = sink();
    expect([replay.send(to.upstream), to.text, replay.isWhole]).toEqual([true, '', true]);
  });
});

describe('a body that grows', () => {
  it('is whole up to the limit and one byte more ends that', () => {
    add('a'.repeat(REPLAY_BYTES), true);
    expect(replay.isWhole).toBe(true);
    add('b', true);
    expect(replay.isWhole).toBe(false);
    const to = sink();
    replay.send(to.upstream);
    expect(to.text).toBe('');
  });

  it('past the limit before it could be sent is sent once, then let go', () => {
    add('a'.repeat(REPLAY_BYTES), false);
    add('b', false);
    expect(replay.isWhole).toBe(true);
    const to = sink();
    replay.send(to.upstream);
    expect(to.text).toHaveLength(REPLAY_BYTES + 1);
    expect(replay.isWhole).toBe(false);
    const again = sink();
    replay.send(again.upstream);
    expect(again.text).toBe('');
  });

  it('stays let go, however little comes after', () => {
    replay.drop();
    add('tail', true);
    const to = sink();
    replay.send(to.upstream);
    expect([to.text, replay.isWhole]).toEqual(['', false]);
  });
});

it('is as new after it was cleared', () => {
  add('a'.repeat(REPLAY_BYTES), true);
  add('b', true);
  replay.clear();
  expect(replay.isWhole).toBe(true);
  add('next', true);
  const to = sink();
  replay.send(to.upstream);
  expect(to.text).toBe('next');
});

it('forgets a piece that alone was too large to be repeated', () => {
  add('a'.repeat(2 * REPLAY_BYTES), false);
  replay.clear();
  add('next', false);
  const to = sink();
  replay.send(to.upstream);
  expect(to.text).toBe('next');
});
