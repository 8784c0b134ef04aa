// A directory as a source: files that come, change, break and go.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DirectorySource } from '../../../src/control/discovery/directory.ts';
import type { Source } from '../../../src/control/discovery/source.ts';
import { until } from '../../support/until.ts';
import { Remembering, tools, untilTold } from './support.ts';

let sink: Remembering;
let source: Source | null = null;
beforeEach(() => {
  sink = new Remembering();
});
afterEach(async () => {
  await source?.stop();
  source = null;
});

function start(made: Source): void {
  source = made;
  made.start();
}

const told = (...urls: string[]) => untilTold(sink, urls);

describe('a directory', () => {
  let path: string;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'fermat-found-'));
    start(new DirectorySource({ kind: 'directory', path }, sink, tools));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const write = (name: string, text: string): void => writeFileSync(join(path, name), text);

  test('is the lists of all its files, in YAML and JSON', async () => {
    write('a.yaml', '- url: http://10.0.0.1:80\n  region: aws:eu-central-1\n');
    write('b.json', JSON.stringify({ endpoints: [{ url: 'http://10.0.0.2:80' }] }));
    write('.hidden.yaml', '- url: http://10.0.0.3:80');
    write('notes.txt', 'http://10.0.0.4');
    await told('http://10.0.0.1:80', 'http://10.0.0.2:80');
    expect(sink.answers.at(-1)!.map(({ at }) => at)).toEqual(['a.yaml:1:3 [0]', 'b.json:1:15 endpoints[0]']);
    rmSync(join(path, 'a.yaml'));
    await told('http://10.0.0.2:80');
  });

  test.each([
    ['is not YAML', '- url: [\n'],
    ['holds no list', 'url: http://10.0.0.1\n'],
    ['asks for the environment', `- url: "http://\${HOME}"\n`],
    ['is empty', ''],
  ])('of which a file %s keeps what that file said last, and says so', async (_, text) => {
    write('a.yaml', '- url: http://10.0.0.1:80');
    await told('http://10.0.0.1:80');
    write('a.yaml', text);
    write('b.yaml', '- url: http://10.0.0.2:80');
    await told('http://10.0.0.1:80', 'http://10.0.0.2:80');
    expect(sink.problems).toEqual([expect.stringMatching(/^a\.yaml/)]);
  });

  test('of which one is a pipe that nobody writes to is not waited for', async () => {
    execFileSync('mkfifo', [join(path, 'a.yaml')]);
    write('b.yaml', '- url: http://10.0.0.2:80');
    await told('http://10.0.0.2:80');
    expect(sink.problems).toEqual([expect.stringContaining('a regular file')]);
  });

  test('that is gone is a failure, and one that comes back is not', async () => {
    write('a.yaml', '- url: http://10.0.0.1:80');
    await told('http://10.0.0.1:80');
    renameSync(path, `${path}-moved`);
    await until(() => sink.failures.length > 0, 'the failure');
    expect(sink.failures[0]).toContain('ENOENT');
    const answers = sink.answers.length;
    renameSync(`${path}-moved`, path);
    await until(() => sink.answers.length > answers, 'the answer');
    await told('http://10.0.0.1:80');
  });

  test('lets bad entries be judged where they stand', async () => {
    write('a.yaml', '- http://10.0.0.1\n- 7\n');
    await until(() => sink.answers.at(-1)?.length === 2, 'the answer');
    expect(sink.answers.at(-1)!.map(({ at, endpoint }) => `${at} ${endpoint.url}`)).toEqual([
      'a.yaml:1:3 [0] http://10.0.0.1',
      'a.yaml:2:3 [1] 7',
    ]);
  });
});
