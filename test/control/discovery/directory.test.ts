// A directory as a source: files that come, change, break and go.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DirectorySource } from '../../../src/control/discovery/directory.ts';
import { until } from '../../support/until.ts';
import { oneSource, tools } from './support.ts';

const rig = oneSource();

describe('a directory', () => {
  let path: string;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'fermat-found-'));
    rig.start(new DirectorySource({ kind: 'directory', path }, rig.sink, tools));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const write = (name: string, text: string): void => writeFileSync(join(path, name), text);

  test('is the lists of all its files, in YAML and JSON', async () => {
    write('a.yaml', '- url: http://10.0.0.1:80\n  region: aws:eu-central-1\n');
    write('b.json', JSON.stringify({ endpoints: [{ url: 'http://10.0.0.2:80' }] }));
    write('.hidden.yaml', '- url: http://10.0.0.3:80');
    write('notes.txt', 'http://10.0.0.4');
    await rig.told('http://10.0.0.1:80', 'http://10.0.0.2:80');
    expect(rig.sink.answers.at(-1)!.map(({ at }) => at)).toEqual(['a.yaml:1:3 [0]', 'b.json:1:15 endpoints[0]']);
    rmSync(join(path, 'a.yaml'));
    await rig.told('http://10.0.0.2:80');
  });

  test.each([
    ['is not YAML', '- url: [\n'],
    ['holds no list', 'url: http://10.0.0.1\n'],
    ['asks for the environment', `- url: "http://\${HOME}"\n`],
    ['is empty', ''],
  ])('of which a file %s keeps what that file said last, and says so', async (_, text) => {
    write('a.yaml', '- url: http://10.0.0.1:80');
    await rig.told('http://10.0.0.1:80');
    write('a.yaml', text);
    write('b.yaml', '- url: http://10.0.0.2:80');
    await rig.told('http://10.0.0.1:80', 'http://10.0.0.2:80');
    expect(rig.sink.problems).toEqual([expect.stringMatching(/^a\.yaml/)]);
  });

  test('of which one is a pipe that nobody writes to is not waited for', async () => {
    execFileSync('mkfifo', [join(path, 'a.yaml')]);
    write('b.yaml', '- url: http://10.0.0.2:80');
    await rig.told('http://10.0.0.2:80');
    expect(rig.sink.problems).toEqual([expect.stringContaining('a regular file')]);
  });

  test('that is gone is a failure, and one that comes back is not', async () => {
    write('a.yaml', '- url: http://10.0.0.1:80');
    await rig.told('http://10.0.0.1:80');
    renameSync(path, `${path}-moved`);
    await until(() => rig.sink.failures.length > 0, 'the failure');
    expect(rig.sink.failures[0]).toContain('ENOENT');
    const answers = rig.sink.answers.length;
    renameSync(`${path}-moved`, path);
    await until(() => rig.sink.answers.length > answers, 'the answer');
    await rig.told('http://10.0.0.1:80');
  });

  test('lets bad entries be judged where they stand', async () => {
    write('a.yaml', '- http://10.0.0.1\n- 7\n');
    await until(() => rig.sink.answers.at(-1)?.length === 2, 'the answer');
    expect(rig.sink.answers.at(-1)!.map(({ at, endpoint }) => `${at} ${endpoint.url}`)).toEqual([
      'a.yaml:1:3 [0] http://10.0.0.1',
      'a.yaml:2:3 [1] 7',
    ]);
  });
});
