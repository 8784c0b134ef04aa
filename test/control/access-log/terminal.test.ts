// The access log on a terminal whose user has stopped it with Ctrl-S.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Terminal } from '../../support/terminal.ts';
import { until } from '../../support/until.ts';

const scratch = mkdtempSync(join(tmpdir(), 'fermat-stopped-'));
let terminal: Terminal | null = null;
afterAll(() => terminal?.kill());
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const SRC = resolve(import.meta.dirname, '../../../src');

const SCRIPT = `
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineWriter } from '${SRC}/control/access-log/writer.ts';
import { LinePutter, newBell, newRing } from '${SRC}/core/access-log.ts';
const rings = [newRing()];
const bell = newBell();
const writer = new LineWriter({ rings, bell, file: null }, () => undefined);
const putter = new LinePutter(rings[0], bell);
putter.put(Buffer.from('it begins\\n'), 1);
writer.round(0);
while (!existsSync('stopped')) await sleep(10);
putter.put(Buffer.from(('x'.repeat(99) + '\\n').repeat(30_000)), 30_000);
writeFileSync('round', String(writer.round(0)));
writer.giveUp();
`;

// Its thread stood in the kernel, and the end of the process waited for it until somebody pressed Ctrl-Q.
it('holds up nobody: what the terminal does not take is given up', async () => {
  const file = join(scratch, 'write.ts');
  writeFileSync(file, SCRIPT);
  terminal = new Terminal(['sh', '-c', `cd ${scratch}; exec ${process.execPath} ${file}`], {
    columns: 100,
    rows: 24,
  });
  await until(() => terminal?.output.includes('it begins') === true, 'the first line');
  terminal.press('\x13');
  writeFileSync(join(scratch, 'stopped'), '');
  await until(() => existsSync(join(scratch, 'round')), 'the writer’s return');
  expect(readFileSync(join(scratch, 'round'), 'utf8')).toMatch(/^[23]$/); // STUCK or FULL
  terminal.press('\x11');
  expect(await terminal.ended()).toBe(0);
});
