import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createEventLog } from '../../src/control/events.ts';
import type { FermatEvent } from '../../src/control/types.ts';

function recorded(level: FermatEvent['level'] = 'info') {
  const lines: string[] = [];
  const log = createEventLog({ level, write: (line) => lines.push(line) });
  return { log, lines };
}

describe('event log', () => {
  it('writes one JSON object a line, with the same fields that subscribers get', () => {
    const { log, lines } = recorded();
    const seen: FermatEvent[] = [];
    log.subscribe((event) => seen.push(event));
    log.emit('warn', 'endpoint.state', 'fra-1 is unhealthy', { endpoint: 'fra-1', to: 'unhealthy' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/\n$/);
    const line = JSON.parse(lines[0]!);
    expect(line).toEqual({ ...seen[0] });
    expect(line).toMatchObject({ level: 'warn', type: 'endpoint.state', endpoint: 'fra-1', to: 'unhealthy' });
    expect(new Date(line.at).toISOString()).toBe(line.at);
  });

  it('does not let the fields of an event forge its level, type, date or message', () => {
    const { log, lines } = recorded();
    log.emit('error', 'real', 'truth', { level: 'debug', type: 'fake', at: 'never', message: 'lie' });
    expect(log.recent()[0]).toMatchObject({ level: 'error', type: 'real', message: 'truth' });
    expect(log.recent()[0]?.at).not.toBe('never');
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'error', type: 'real', message: 'truth' });
  });

  it('writes only from its level on, keeps and publishes from info on, and debug only when asked for', () => {
    const quiet = recorded('error');
    quiet.log.emit('info', 'a', 'a');
    quiet.log.emit('debug', 'b', 'b');
    quiet.log.emit('error', 'c', 'c');
    expect(quiet.lines).toHaveLength(1);
    expect(quiet.log.recent().map((e) => e.type)).toEqual(['a', 'c']);
    const loud = recorded('debug');
    loud.log.emit('debug', 'b', 'b');
    expect(loud.lines).toHaveLength(1);
    expect(loud.log.recent()).toHaveLength(1);
  });

  it('remembers the last 500, oldest first', () => {
    const { log } = recorded();
    for (let i = 0; i < 620; i++) log.emit('info', 'n', String(i));
    const recent = log.recent();
    expect(recent).toHaveLength(500);
    expect(recent[0]?.message).toBe('120');
    expect(recent[499]?.message).toBe('619');
  });

  it('goes on when a subscriber throws, when the writer throws and when a subscriber leaves in the middle', () => {
    const log = createEventLog({
      level: 'info',
      write: () => {
        throw new Error('disk full');
      },
    });
    const seen: string[] = [];
    log.subscribe(() => {
      throw new Error('broken subscriber');
    });
    const leave = log.subscribe((event) => {
      seen.push(`first ${event.message}`);
      leave();
    });
    log.subscribe((event) => void seen.push(`second ${event.message}`));
    log.emit('info', 't', '1');
    log.emit('info', 't', '2');
    expect(seen).toEqual(['first 1', 'second 1', 'second 2']);
    expect(log.recent()).toHaveLength(2);
  });

  it('shows errors by their message and survives what JSON cannot say', () => {
    const { log, lines } = recorded();
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    log.emit('info', 't', 'm', { error: new Error('boom'), big: 12n, loop, missing: undefined });
    expect(JSON.parse(lines[0]!)).toMatchObject({ error: 'boom', big: '12', loop: '[not shown]' });
    expect(() => JSON.stringify(log.recent())).not.toThrow();
  });

  it('keeps an event as it was when its owner changes the object later', () => {
    const { log } = recorded();
    const listeners = ['a'];
    log.emit('info', 't', 'm', { listeners });
    listeners.push('b');
    expect(log.recent()[0]?.listeners).toEqual(['a']);
  });

  it('writes to stderr of the process by default, the last line before an exit included', () => {
    const module = fileURLToPath(new URL('../../src/control/events.ts', import.meta.url));
    const code = `import { createEventLog } from ${JSON.stringify(module)};
      createEventLog({ level: 'info' }).emit('error', 'node.exit', 'last words');
      process.exit(3);`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect(child.status).toBe(3);
    expect(child.stdout).toBe('');
    expect(JSON.parse(child.stderr)).toMatchObject({ level: 'error', type: 'node.exit', message: 'last words' });
  });

  // A reader that stood still held the whole control plane: no probe, no answer of the admin API, no drain.
  it.each(['a pipe', 'a socket'])('does not wait for %s that nobody reads, and says what was lost', async (what) => {
    const module = fileURLToPath(new URL('../../src/control/events.ts', import.meta.url));
    const code = `import { createEventLog } from ${JSON.stringify(module)};
      const log = createEventLog({ level: 'info' });
      for (let n = 0; n < 1500; n++) log.emit('info', 'n', 'x'.repeat(1000), { n });
      process.stdout.write('went on');
      process.stdin.resume();`;
    const run = [process.execPath, '--input-type=module', '-e', code];
    // The shell's pipe goes to this process, by way of a cat that waits for a word.
    const shell = ['sh', '-c', '"$@" 2>&1 >&3 | { read -r word <&4; cat >&5; }', 'sh', ...run];
    const [file, ...args] = what === 'a pipe' ? shell : run;
    const stdio = ['pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'] as const;
    const child = spawn(file!, args, { stdio: [...stdio] });
    const streams = child.stdio as readonly (Socket | null)[];
    const told = streams[what === 'a pipe' ? 3 : 1]!;
    await once(told, 'data');
    const errors = streams[what === 'a pipe' ? 5 : 2]!;
    if (what === 'a pipe') streams[4]!.write('go\n');
    const lines: { type: string; n?: number; dropped?: number }[] = [];
    for await (const line of createInterface(errors)) {
      lines.push(JSON.parse(line));
      if (lines.at(-1)!.type === 'events.dropped') child.stdin!.end();
    }
    expect(lines.slice(0, -1).map(({ n }) => n)).toEqual(lines.slice(0, -1).map((_, i) => i));
    expect(lines.at(-1)!.dropped).toBe(1500 - lines.length + 1);
  });
});
