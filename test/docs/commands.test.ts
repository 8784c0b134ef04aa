// Every command of the documentation is run, in the order of its page, in a folder that looks like the repository and a network
// of the page's own: what a reader pastes works. What cannot be run here (sh needs=docker) is at least read by the shell, and
// the files that it names are there.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Block, docsPages, fileNameOf, placeOf, ROOT } from '../support/docs/markdown.ts';
import type { Failure, Input, Step } from '../support/docs/page-stage.ts';
import { type Command, commandsOf, withoutComment } from '../support/docs/shell.ts';
import { Folder, onStage } from '../support/docs/stage.ts';
import { ELSEWHERE, STAGES } from '../support/docs/stages.ts';

const PAGE_TIMEOUT_MS = 240_000;
/** Pages at once: each has processes of its own. */
const AT_ONCE = 3;

const pages = docsPages();
/** The same code as in README.md, says languages.test.ts. */
const TRANSLATIONS = ['README.zh-CN.md'];
const originals = pages.filter(({ path }) => !TRANSLATIONS.includes(path));
const shells = originals.flatMap(({ blocks }) => blocks.filter(({ info }) => info.language === 'sh'));
const commands = shells.flatMap(commandsOf);
const coveredBy = ({ text }: Command) => ELSEWHERE.find(({ command }) => command.test(text.replace(/^bin\//, '')))?.by;
const named = commands.filter(({ needs }) => needs !== null);
const covered = commands.filter((command) => command.needs === null && coveredBy(command) !== undefined);
const toRun = commands.filter((command) => command.needs === null && coveredBy(command) === undefined);
const ran = new Set<Command>();

function stepsOf(page: { readonly path: string; readonly blocks: readonly Block[] }): Step[] {
  return page.blocks.flatMap((block): Step[] => {
    const { line, text } = block;
    if (block.info.language === 'sh') {
      return toRun
        .filter(
          (command) =>
            command.page === page.path && command.line >= line && command.line < line + text.split('\n').length,
        )
        .map(({ line, text, exit }) => ({ line, command: text.replace(/^npm ci && /, ''), exit })); // that part: .ci/run
    }
    const file = fileNameOf(block);
    return file === null ? [] : [{ line, file, text }];
  });
}

let free = AT_ONCE;
const waiting: (() => void)[] = [];
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
  else free -= 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }
}

describe('commands of the documentation', () => {
  for (const page of originals.filter(({ path }) => toRun.some((command) => command.page === path))) {
    const mine = toRun.filter((command) => command.page === page.path);
    it.concurrent(`${page.path}: all ${mine.length} commands do what they should`, { timeout: PAGE_TIMEOUT_MS }, () =>
      inTurn(async () => {
        using folder = new Folder();
        const input: Input = { folder: folder.path, stage: STAGES[page.path] ?? {}, steps: stepsOf(page) };
        const failures = await onStage<Failure[]>('page-stage.ts', input, PAGE_TIMEOUT_MS - 10_000);
        const told = failures.map(({ line, command, problem }) => `${page.path}:${line}: ${command}\n${problem}`);
        expect(told.join('\n\n')).toBe('');
        for (const command of mine) ran.add(command);
      }),
    );
  }

  it('what cannot be run here names files that exist', () => {
    const lost = named.flatMap((command) =>
      pathsIn(command.text)
        .filter((path) => !existsSync(join(ROOT, path)))
        .map((path) => `${command.page}:${command.line}: ${path}`),
    );
    expect(lost).toEqual([]);
  });

  it('every fence says what is in it, and no command hides in one that is not run', () => {
    const blocks = pages.flatMap((page) => page.blocks);
    const indented = pages.flatMap((page) => page.indented.map((line) => `${page.path}:${line}`));
    const silent = [...indented, ...blocks.filter(({ info }) => info.language === '').map(placeOf)];
    const hidden = blocks
      .filter(({ info }) => ['text', 'bash', 'shell', 'console'].includes(info.language))
      .filter(
        ({ info, text }) =>
          info.language !== 'text' || /^\s*(\$ |(bin\/)?fermat [a-z]|npm |curl |docker |kubectl )/m.test(text),
      )
      .map(placeOf);
    expect({ silent, hidden }).toEqual({ silent: [], hidden: [] });
  });
});

/** Words that look like a path from the root of the repository. */
function pathsIn(text: string): string[] {
  return withoutComment(text)
    .split(/[\s'"=]+/)
    .map((word) => word.replace(/^\.\//, '').replace(/[,;)]+$/, ''))
    .filter((word) => /^(deploy|docs|bin|src|geoip)\/[\w./-]+$/.test(word));
}

afterAll(() => {
  const counts = [
    `${ran.size} of ${toRun.length} run`,
    `${covered.length} covered elsewhere`,
    `${named.length} only named`,
  ];
  console.log(`Commands of the documentation: ${counts.join(', ')}.`);
});
