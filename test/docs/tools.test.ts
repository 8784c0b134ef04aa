// The tools that run the documentation: that they see what is there, and that a page that is wrong does not pass.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { completed, isFermats } from '../support/docs/fragments.ts';
import { fileNameOf, pageOf } from '../support/docs/markdown.ts';
import type { Failure, Input } from '../support/docs/page-stage.ts';
import { commandsOf } from '../support/docs/shell.ts';
import { Folder, onStage } from '../support/docs/stage.ts';
import { callsIn, commandLine, wrongIn } from '../support/docs/verbs.ts';

const PAGE = `# One: *page*
A [link](other.md#there) and \`a.key\`.

| a | b |
|---|---|
| \`x\\|y\` | z |

## One: page
\`\`\`sh exit=3
# a comment
echo one \\
  two   # three
cat <<'END'
text
END
if true
then exit 3; fi
\`\`\`

    indented

- an item

  \`\`\`yaml file=a.yaml
  a: 1
  \`\`\`
`;

describe('the tools of the docs test', () => {
  it('find headings, links, code, tables and fences', () => {
    const page = pageOf('docs/page.md', PAGE);
    expect(page.headings.map(({ anchor }) => anchor)).toEqual(['one-page', 'one-page-1']);
    expect(page.links.map(({ text }) => text)).toEqual(['other.md#there']);
    expect(page.codes.map(({ text, column }) => [text, column])).toEqual([
      ['a.key', -1],
      ['x\\|y', 0],
    ]);
    expect(page.tables).toEqual([[2, 2, 2]]);
    expect(page.indented).toEqual([20]);
    expect(page.blocks.map((block) => [block.line, block.info.language, fileNameOf(block)])).toEqual([
      [10, 'sh', null],
      [25, 'yaml', 'a.yaml'],
    ]);
  });

  it('take a block of shell apart as a reader pastes it', () => {
    const [block] = pageOf('docs/page.md', PAGE).blocks;
    const commands = commandsOf(block!);
    expect(commands.map(({ line, text }) => [line, text.split('\n').length])).toEqual([
      [11, 2],
      [13, 3],
      [16, 2],
    ]);
    expect(commands.every(({ exit, needs }) => exit === 3 && needs === null)).toBe(true);
    expect(() => commandsOf({ ...block!, text: 'echo "open\n' })).toThrow('cannot read');
  });

  it('tell verbs and flags that do not exist', async () => {
    const fermat = await commandLine();
    const judge = (text: string) => callsIn(text).map((words) => wrongIn(words, fermat));
    expect(judge('TOKEN=x bin/fermat explain --client 1.2.3.4 | head # fermat nonsense')).toEqual([null]);
    expect(judge('fermat explian')).toEqual(['there is no verb explian']);
    expect(judge('fermat status && fermat config shwo')).toEqual([null, 'there is no verb shwo']);
    expect(judge('fermat run --lisen :80')).toEqual(['run has no --lisen']);
    expect(judge('fermat register --pool p -- node --flag')).toEqual([null]);
  });

  it('add to a configuration what is missing, and change nothing that is there', () => {
    const tree = { routes: [{ pool: 'shop', listener: 'web' }], pools: { api: { weight: 1 } } };
    expect(isFermats(tree)).toBe(true);
    expect(isFermats({ services: {}, volumes: {} })).toBe(false);
    const whole = completed(tree) as { routes: unknown[]; pools: Record<string, unknown>; listeners: unknown[] };
    expect(whole.routes[0]).toEqual(tree.routes[0]);
    expect(whole.pools.api).toMatchObject({ weight: 1 });
    expect(whole.listeners).toMatchObject([{ name: 'web' }]);
    expect(Object.keys(whole.pools)).toEqual(['api', 'shop']);
  });

  it('fail a page whose command does not do what it should, and only that command', { timeout: 90_000 }, async () => {
    using folder = new Folder();
    const command = (line: number, command: string, exit = 0) => ({ line, command, exit });
    const input: Input = {
      folder: folder.path,
      stage: { node: 'none', origins: ['127.0.0.1:9000'] },
      steps: [
        { line: 1, file: 'a.txt', text: 'hello\n' },
        command(2, 'export NAME=x && cd docs'),
        command(3, 'test "$NAME" = x && grep hello ../a.txt'),
        command(4, 'curl -sf http://127.0.0.1:9000/path > here.txt'),
        command(5, 'echo told >&2; exit 4'),
        command(6, 'exit 4', 4),
        command(7, 'node nowhere.js 9000'),
      ],
    };
    const failures = await onStage<Failure[]>('page-stage.ts', input, 60_000);
    expect(failures.map(({ line }) => line)).toEqual([5, 7]);
    expect(failures[0]!.problem).toContain('exit code 4, expected 0:\ntold');
    expect(failures[1]!.problem).toContain('it ended with 1');
    // A copy of docs, not ours.
    expect(readFileSync(join(folder.path, 'docs/here.txt'), 'utf8')).toBe('127.0.0.1:9000 GET /path\n');
  });
});
