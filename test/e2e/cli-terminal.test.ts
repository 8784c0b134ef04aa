// What people see: top on a terminal, narrow or wide; events as they happen; completion in the shells themselves.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BIN, type Fermat, poolOf, runFermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';

let origin: Origin;
let node: Fermat;
let env: Record<string, string>;

beforeAll(async () => {
  origin = await startOrigin();
  node = await startFermat({
    ...simpleConfig([]),
    pools: { main: poolOf([origin.url, origin.url, origin.url]) },
  });
  const PATH = `${dirname(BIN)}:${process.env.PATH}`;
  env = { PATH, FERMAT_CONFIG: '', FERMAT_ADMIN_TOKEN: '', FERMAT_ADMIN_ADDRESS: `127.0.0.1:${node.ports.admin}` };
});
afterAll(async () => {
  await node.kill();
  await origin.refuse();
});

function top(columns: number, rows: number, ...args: string[]): Terminal {
  return new Terminal([BIN, 'top', '--interval', '0.2', ...args], { columns, rows, env });
}

describe('top on a terminal', () => {
  test('takes the screen, obeys keys and gives the screen back', async () => {
    const terminal = top(120, 20);
    try {
      await terminal.shows(/^ENDPOINT +POOL +STATE/);
      expect(terminal.output).toContain('\x1b[?1049h');
      await terminal.shows(/^by requests$/);
      terminal.press('s');
      await terminal.shows(/^by score$/);
      terminal.press('r');
      await terminal.shows(/^by score, reversed$/);
      terminal.press('u');
      await terminal.shows(/^no endpoints$|unhealthy only/);
      terminal.press('u ');
      await terminal.shows(/paused/);
      terminal.press('q');
      expect(await terminal.ended()).toBe(0);
      expect(terminal.output.endsWith('\x1b[?1049l')).toBe(true);
    } finally {
      terminal.kill();
    }
  });

  test('shows colours, and none when NO_COLOR asks for that', async () => {
    const coloured = top(120, 20);
    const bare = new Terminal([BIN, 'top'], { columns: 120, rows: 20, env: { ...env, NO_COLOR: '1' } });
    try {
      await coloured.shows(/^e0 /);
      expect(coloured.output).toContain('\x1b[32mhealthy');
      await bare.shows(/^e0 /);
      expect(bare.output).not.toContain('\x1b[32m');
    } finally {
      coloured.kill();
      bare.kill();
    }
  });

  // It took a screen that such a terminal does not have: what came was control characters.
  test('prints a table where the terminal can do no more', async () => {
    const dumb = new Terminal([BIN, 'top', '--count', '1'], { columns: 100, rows: 20, env: { ...env, TERM: 'dumb' } });
    try {
      expect(await dumb.ended()).toBe(0);
      expect(dumb.output).toMatch(/^e0 .*healthy/m);
      expect(dumb.output).not.toContain('\x1b[?');
    } finally {
      dumb.kill();
    }
  });

  // A key that came while the node was being asked turned the title round, and the rows stayed until the next refresh.
  test('asks again after a key that came while the node was slow to answer', async () => {
    let questions = 0;
    const slow = createServer(({ url, headers }, response) => {
      questions++;
      const pass = (answer: IncomingMessage) => answer.pipe(response.writeHead(answer.statusCode!, answer.headers));
      setTimeout(() => get({ host: '127.0.0.1', port: node.ports.admin, path: url, headers }, pass), 400);
    });
    slow.listen(0, '127.0.0.1');
    await once(slow, 'listening');
    const FERMAT_ADMIN_ADDRESS = `127.0.0.1:${(slow.address() as AddressInfo).port}`;
    const size = { columns: 120, rows: 20 };
    const terminal = new Terminal([BIN, 'top', '--interval', '60'], { ...size, env: { ...env, FERMAT_ADMIN_ADDRESS } });
    try {
      await terminal.shows(/^by requests$/);
      expect(questions).toBe(3);
      terminal.press('s');
      await until(() => questions === 6, 'the next three');
      terminal.press('s');
      await until(() => questions === 9, 'three more');
      await terminal.shows(/^by rtt$/);
    } finally {
      terminal.kill();
      slow.close();
    }
  });

  // In raw mode Ctrl-Z was a key like any other; a stop from outside left the shell on the other screen.
  test('gives the screen to the shell at Ctrl-Z, and takes it again at fg', async () => {
    const shell = new Terminal(['bash', '--norc', '-i'], { columns: 100, rows: 20, env: { ...env, PS1: 'ready> ' } });
    try {
      await until(() => shell.output.includes('ready> '), 'the prompt');
      shell.press('fermat top --interval 0.2\n');
      await shell.shows(/^by requests$/);
      shell.press('\x1a');
      await until(() => /\x1b\[\?1049l[\s\S]*Stopped[\s\S]*ready> /.test(shell.output), 'the prompt again');
      const before = shell.output.length;
      shell.press('fg\n');
      await until(() => shell.output.slice(before).includes('\x1b[?1049h'), 'the screen again');
      shell.press('s');
      await shell.shows(/^by score$/);
      shell.press('q');
      await until(() => /\x1b\[\?1049l[\s\S]*ready> /.test(shell.output.slice(before)), 'the last prompt');
    } finally {
      shell.kill();
    }
  });

  test('fits a narrow terminal, and scrolls where it is low', async () => {
    const terminal = top(44, 8, '--sort', 'endpoint');
    try {
      await terminal.shows(/^e0 .*healthy/);
      const table = terminal.screen.filter((line) => /^(ENDPOINT|e\d)/.test(line));
      for (const line of table) expect(line.length).toBeLessThanOrEqual(44);
      expect(terminal.screen.length).toBeLessThanOrEqual(8);
      terminal.press('\x1b[B');
      await until(() => !terminal.screen.some((line) => line.startsWith('e0 ')), 'the first row scrolled away');
      await terminal.shows(/^e1 /);
      terminal.press('\x03');
      expect(await terminal.ended()).toBe(0);
    } finally {
      terminal.kill();
    }
  });
});

describe('events', () => {
  test('are the recent past, by level and type, or a line of JSON each', async () => {
    const { code, stdout } = await runFermat(['events', '--type', 'node'], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}info {3}node\.ready {2}serving with 1 worker/m);
    const json = await runFermat(['events', '--json', '--limit', '1'], { env });
    expect(JSON.parse(json.stdout)).toMatchObject({ level: 'info', type: expect.any(String) });
    expect((await runFermat(['events', '--level', 'error'], { env })).stdout).toBe('');
    expect((await runFermat(['events', '--level', 'loud'], { env })).code).toBe(2);
  });

  test('are followed, each told once, and from a node that comes back', async () => {
    const second = await startFermat({ ...simpleConfig([origin.url]), shutdown: { drainDelay: '0s', timeout: '0s' } });
    const address = `127.0.0.1:${second.ports.admin}`;
    const follower = new Terminal([BIN, 'events', '--follow', '--json'], {
      columns: 400,
      rows: 50,
      env: { ...env, FERMAT_ADMIN_ADDRESS: address },
    });
    const lines = () => follower.output.split(/\r*\n/).filter((line) => line.startsWith('{'));
    try {
      await until(() => lines().some((line) => line.includes('"node.ready"')), 'the past');
      await runFermat(['drain', 'e0'], { env: { ...env, FERMAT_ADMIN_ADDRESS: address } });
      await until(() => lines().some((line) => line.includes('"to":"draining"')), 'the drain');
      expect(new Set(lines()).size).toBe(lines().length);
      const config = {
        ...simpleConfig([origin.url]),
        admin: { address },
        shutdown: { drainDelay: '0s', timeout: '0s' },
      };
      await second.stop();
      await until(() => follower.output.includes('no Fermat answers'), 'a word about its going');
      const third = await startFermat(config);
      await until(
        () => lines().filter((line) => line.includes('"node.ready"')).length === 2,
        'the node that came back',
      );
      expect(new Set(lines()).size).toBe(lines().length);
      await third.kill();
    } finally {
      follower.kill();
      await second.kill();
    }
  });
});

describe('completion', () => {
  const ran = (command: string, args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, {
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout.trim().split('\n');
  };
  const bash = (line: string) =>
    ran('bash', [
      '-c',
      `eval "$(fermat completion bash)"; eval "$(fermat completion bash)"
      COMP_LINE=$1; COMP_POINT=\${#1}; _fermat fermat; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      line,
    ]);
  const fish = (line: string) => ran('fish', ['-c', 'fermat completion fish | source; complete -C $argv[1]', line]);

  test('in bash: verbs, endpoints of the node, regions with their colon, files', () => {
    expect(bash('fermat dra')).toEqual(['drain']);
    expect(bash('fermat drain ')).toEqual(['e0', 'e1', 'e2']);
    expect(bash('fermat probe --region aws:eu-c')).toEqual(['eu-central-1', 'eu-central-2']);
    expect(bash('fermat run --log-level=w')).toEqual(['warn']);
    expect(bash(`fermat run -c ${node.directory}/ferm`)).toEqual([node.file]);
  });

  test('asks the node that the line names, however it is written', async () => {
    const elsewhere = { ...env, FERMAT_ADMIN_ADDRESS: '127.0.0.1:1' };
    const admin = `127.0.0.1:${node.ports.admin}`;
    for (const flags of [[`--admin=${admin}`], ['--admin', admin]]) {
      const { stdout } = await runFermat(['complete', '--', 'drain', ...flags, 'e'], { env: elsewhere });
      expect(stdout).toMatch(/^e0\tmain, healthy$/m);
    }
  });

  test('in bash: what stands on the line is not evaluated', () => {
    const trace = join(node.directory, 'evaluated');
    expect(bash(`fermat explain --host $(touch ${trace}) --pa`)).toEqual(['--path']);
    expect(ran('ls', [node.directory])).not.toContain('evaluated');
  });

  // Bash inserts words as they are: the name of a pool was a command, one Enter away.
  test('in bash: a name that means something to a shell is quoted', async () => {
    const strange = 'a b $(touch evaluated); "c"';
    const config = { routes: [{ pool: strange }], pools: { [strange]: poolOf([origin.url]) } };
    await using odd = await startFermat(config);
    const admin = `--admin 127.0.0.1:${odd.ports.admin}`;
    const [word] = bash(`fermat status ${admin} --pool `);
    expect(ran('bash', ['-c', `printf %s ${word}`])).toEqual([strange]);
  });

  test('in fish, with what they are', () => {
    expect(fish('fermat drain e')).toEqual(['e0\tmain, healthy', 'e1\tmain, healthy', 'e2\tmain, healthy']);
    expect(fish('fermat probe --region aws:eu-central-1')).toEqual(['aws:eu-central-1\tEurope (Frankfurt)']);
    expect(fish(`fermat run --config=${node.directory}/ferm`)).toEqual([`--config=${node.file}`]);
  });

  test('in zsh, on its own line editor', async () => {
    const start = join(node.directory, '.zshrc');
    writeFileSync(
      start,
      `autoload -Uz compinit; compinit -u -D\neval "$(fermat completion zsh)"\nPS1='ready> '; bindkey '^I' complete-word\n`,
    );
    const zsh = new Terminal(['zsh', '-i'], { columns: 120, rows: 20, env: { ...env, ZDOTDIR: node.directory } });
    try {
      await until(() => zsh.output.includes('ready> '), 'the prompt');
      zsh.press('fermat healthc\t');
      await until(() => zsh.output.includes('fermat healthcheck'), 'the verb');
      zsh.press('\x15fermat probe --region aws:me-c\t');
      await until(() => zsh.output.endsWith('entral-1') || zsh.output.includes('entral-1\x1b'), 'the region');
    } finally {
      zsh.kill();
    }
  });

  test('offers what needs no node when there is none', async () => {
    const nowhere = { ...env, FERMAT_ADMIN_ADDRESS: '127.0.0.1:1' };
    expect(await runFermat(['complete', '--', 'drain', ''], { env: nowhere })).toMatchObject({
      code: 0,
      stdout: ':none\n',
      stderr: '',
    });
    expect((await runFermat(['complete', '--', 'enab'], { env: nowhere })).stdout).toContain('enable\t');
  });
});
