import { expect, test } from 'vitest';
import { keysOf } from '../../src/cli/screen.ts';

// An arrow that was held down over a slow line came as several at once, and was taken for none.
test.each([
  ['\x1b[B', ['down']],
  ['\x1b[B\x1b[B\x1bOA', ['down', 'down', 'up']],
  ['s\x1b[6~q', ['s', 'pagedown', 'q']],
  ['\x1b[5~\x1b[1;5C\x1b[200~r', ['pageup', 'r']],
  ['\x1b', []],
  ['\x1b\x1b[A', ['up']],
  ['ss\x03', ['s', 's', '\x03']],
  ['', []],
])('keys are told apart however they come: %j', (text, keys) => {
  expect(keysOf(text)).toEqual(keys);
});
