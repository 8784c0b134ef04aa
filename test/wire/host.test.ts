import { describe, expect, it } from 'vitest';
import { Authority } from '../../src/wire/host.ts';

describe('an authority', () => {
  it.each([
    ['example.com', 'example.com', 0],
    ['EXAMPLE.com.:443', 'example.com.', 443],
    ['h:', 'h', 0],
    ['h:65535', 'h', 65535],
    ['127.0.0.1:80', '127.0.0.1', 80],
    ["a-b_c~d!$&'()*+,;=", "a-b_c~d!$&'()*+,;=", 0],
    ['[::]', '[::]', 0],
    ['[::1]:8', '[::1]', 8],
    ['[1:2:3:4:5:6:7:8]', '[1:2:3:4:5:6:7:8]', 0],
    ['[1:2:3:4:5:6:7::]', '[1:2:3:4:5:6:7::]', 0],
    ['[::FFFF:1.2.3.4]', '[::ffff:1.2.3.4]', 0],
    ['[1:2:3:4:5:6:1.2.3.4]', '[1:2:3:4:5:6:1.2.3.4]', 0],
  ])('is taken apart: %s', (text, host, port) => {
    const authority = new Authority();
    expect(authority.parse(text, 0, text.length)).toBe(true);
    expect(authority).toMatchObject({ text, host, port });
  });

  it.each([
    '',
    ':80',
    'a b',
    'u@h',
    'h/x',
    'h?x',
    'h:65536',
    'h:000080',
    'h:8a',
    'h:+1',
    'h:1:2',
    'a%2eb',
    'h\xe4',
    '[',
    '[]',
    '[::1',
    '::1',
    '[:::]',
    '[1::2::3]',
    '[1:2:3:4:5:6:7]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1:2:3:4:5:6:7:8::]',
    '[12345::]',
    '[1:]',
    '[:1]',
    '[:]',
    '[fe80::1%25eth0]',
    '[v1.x]',
    '[::1.2.3]',
    '[::1.2.3.256]',
    '[::01.2.3.4]',
    '[::1.2.3.4:1]',
    '[1:2:3:4:5:6:7:1.2.3.4]',
    '[::1]x',
  ])('is refused: %j', (text) => {
    const authority = new Authority();
    expect(authority.parse(text, 0, text.length)).toBe(false);
    expect(authority.text).toBe('');
  });

  it('is not taken for the one before when it only starts or ends like it', () => {
    const authority = new Authority();
    for (const text of ['a.example:1', 'a.example:2', 'a.example', 'a.exampl', 'b.exampl']) {
      expect(authority.parse(`xx${text}yy`, 2, 2 + text.length)).toBe(true);
      expect(authority.text).toBe(text);
    }
  });
});
