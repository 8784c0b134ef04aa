// A container image without a container engine: the Dockerfile's own lines, done one after another in a folder, and processes
// started in that folder as an engine starts them: their own mount and PID namespaces, the folder as a read-only root, the
// image's user, no way back to privileges. Not from the images that FROM names, which only a registry has: in their place stand
// this machine's Node and C library.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const STEP_TIMEOUT_MS = 240_000;
/** Where distroless keeps its Node. */
const NODE_FOLDER = '/nodejs/bin';

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The lines of a Dockerfile: continued ones joined, comments gone. */
export function instructionsOf(dockerfile: string): Instruction[] {
  const joined = dockerfile.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, '');
  return joined
    .split('\n')
    .map((line) => /^([A-Z]+)\s+(.*)$/.exec(line.trim()))
    .filter((match) => match !== null)
    .map(([, name, text]) => ({ name: name!, text: text! }));
}

/** Whether the build context has a path, by the rules of .dockerignore: the last pattern that matches decides. */
export function isInContext(ignore: string, path: string): boolean {
  let isIn = true;
  for (const line of ignore.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const isBack = line.startsWith('!');
    const pattern = (isBack ? line.slice(1) : line).replace(/^\//, '');
    const form = pattern
      .replace(/[.+^$()|[\]]/g, '\\$&')
      .replace(/\*\*\/?/g, '.*')
      .replace(/(?<!\.)\*/g, '[^/]*');
    if (new RegExp(`^${form}(/|$)`).test(path)) isIn = isBack;
  }
  return isIn;
}

interface Stage {
  readonly root: string;
  workdir: string;
}

/** How a process of the image is started, as its last stage says. */
export interface ImageSettings {
  readonly env: Record<string, string>;
  user: string;
  entrypoint: readonly string[];
  command: readonly string[];
  healthcheck: readonly string[];
  stopSignal: string;
}

export class Image {
  readonly folder: string;
  readonly root: string;
  readonly settings: ImageSettings;
  readonly bases: readonly string[];

  constructor(folder: string, root: string, settings: ImageSettings, bases: readonly string[]) {
    this.folder = folder;
    this.root = root;
    this.settings = settings;
    this.bases = bases;
  }

  /** Bytes of all files below a path of the image. */
  bytesOf(path: string): number {
    const bytesIn = (at: string): number => {
      const stat = statSync(at);
      if (!stat.isDirectory()) return stat.size;
      return readdirSync(at).reduce((sum, entry) => sum + bytesIn(join(at, entry)), 0);
    };
    return bytesIn(join(this.root, path));
  }

  /**
   * A process in the image, PID 1 of its own, with a read-only root and the image's user. `mounts`: paths of the image to folders
   * of this machine, writable ones for volumes. Its exit is the process's own; to signal it, use `insideOf`.
   */
  spawn(argv: readonly string[], mounts: Readonly<Record<string, string>> = {}): ChildProcess {
    const lines = [
      'mount --bind "$R" "$R"',
      'for d in usr/lib usr/lib64; do if [ -d /$d ]; then mount --bind /$d "$R/$d"; mount -o remount,ro,bind "$R/$d"; fi; done',
      `mount --bind "$N" "$R${NODE_FOLDER}"`,
      'mount --rbind /dev "$R/dev"',
      'mount -t proc proc "$R/proc"',
      ...Object.entries(mounts).map(([inside, outside]) => `mount --bind '${outside}' "$R${inside}"`),
      'mount -o remount,ro,bind "$R"',
      'cd "$R"',
      'exec /usr/bin/setpriv --no-new-privs /usr/sbin/chroot --userspec="$U" --groups= "$R" "$@"',
    ];
    for (const inside of Object.keys(mounts)) mkdirSync(join(this.root, inside), { recursive: true });
    const script = `set -e; ${lines.join('; ')}`;
    const env = {
      ...this.settings.env,
      R: this.root,
      N: dirname(process.execPath),
      U: this.settings.user,
    };
    const namespaces = ['--mount', '--pid', '--fork'];
    return spawn('/usr/bin/unshare', [...namespaces, '/bin/sh', '-c', script, 'sh', ...argv], { env });
  }

  /** To its end: what it printed, and its exit code. */
  async run(
    argv: readonly string[],
    mounts: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number | null; text: string }> {
    const child = this.spawn(argv, mounts);
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    child.stderr?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    const code = await new Promise<number | null>((done) => child.on('close', done));
    return { code, text };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ends at once what `spawn` has started; of use where a test has failed. */
export function killInside(child: ChildProcess): void {
  // The other side of a namespace does not end with its parent: changing the user takes that tie away.
  const pid = insideOf(child);
  if (pid !== null) process.kill(pid, 'SIGKILL');
}

/** The process id, as this machine counts, of what `spawn` has started in its namespace; null while there is none. */
export function insideOf(child: ChildProcess): number | null {
  const path = `/proc/${child.pid}/task/${child.pid}/children`;
  const text = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  return text === '' ? null : Number(text.split(' ')[0]);
}

/** Does what the repository's Dockerfile says. Throws where a step fails. */
export function buildImage(): Image {
  const folder = mkdtempSync(join(tmpdir(), 'fermat-image-'));
  try {
    return buildIn(folder);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function buildIn(folder: string): Image {
  const ignore = readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8');
  const stages = new Map<string, Stage>();
  const settings = noSettings();
  const bases: string[] = [];
  let stage: Stage = { root: folder, workdir: '/' };
  for (const { name, text } of instructionsOf(readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8'))) {
    if (name === 'FROM') {
      const [base, , alias] = text.split(/\s+/);
      bases.push(base!);
      stage = { root: join(folder, alias ?? 'last'), workdir: '/' };
      stages.set(alias ?? 'last', stage);
      Object.assign(settings, noSettings());
      mkdirSync(stage.root, { recursive: true });
    } else if (name === 'WORKDIR') {
      stage.workdir = text;
      mkdirSync(join(stage.root, text), { recursive: true });
    } else if (name === 'COPY') copy(text, stage, stages, ignore);
    else if (name === 'RUN') {
      const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
      execFileSync('/bin/sh', ['-c', text], {
        cwd: join(stage.root, stage.workdir),
        env,
        timeout: STEP_TIMEOUT_MS,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
    } else set(settings, name, text);
  }
  furnish(stage.root);
  return new Image(folder, stage.root, settings, bases);
}

const noSettings = (): ImageSettings => ({
  env: {},
  user: '0:0',
  entrypoint: [],
  command: [],
  healthcheck: [],
  stopSignal: 'SIGTERM',
});

function set(settings: ImageSettings, name: string, text: string): void {
  if (name === 'ENV') {
    for (const [, key, value] of text.matchAll(/(\w+)=(\S+)/g)) settings.env[key!] = value!;
  } else if (name === 'USER') settings.user = text;
  else if (name === 'STOPSIGNAL') settings.stopSignal = text;
  else if (name === 'ENTRYPOINT') settings.entrypoint = JSON.parse(text) as string[];
  else if (name === 'CMD') settings.command = JSON.parse(text) as string[];
  else if (name === 'HEALTHCHECK') settings.healthcheck = JSON.parse(text.slice(text.indexOf('['))) as string[];
  else if (name !== 'LABEL' && name !== 'EXPOSE')
    throw new Error(`the Dockerfile has ${name}, which is not known here`);
}

function copy(text: string, stage: Stage, stages: ReadonlyMap<string, Stage>, ignore: string): void {
  const words = text.split(/\s+/);
  const flags = new Map<string, string>();
  while (words[0]!.startsWith('--')) {
    const [flag, value] = words.shift()!.slice(2).split('=');
    flags.set(flag!, value!);
  }
  const from = flags.get('from') ?? null;
  const sources = words.slice(0, -1);
  const target = words.at(-1)!;
  const origin = from === null ? REPOSITORY : stages.get(from)!.root;
  for (const source of sources) {
    const path = join(origin, source);
    const to = resolve(join(stage.root, stage.workdir), target.startsWith('/') ? join(stage.root, target) : target);
    // A folder's content goes to the target, a file into it where that ends with a slash.
    const place = statSync(path).isDirectory() || !target.endsWith('/') ? to : join(to, source);
    if (from === null) {
      const filter = (at: string) => isInContext(ignore, at.slice(REPOSITORY.length + 1));
      cpSync(path, place, { recursive: true, verbatimSymlinks: true, filter });
    } else {
      // By links: a stage that has been copied from is not used any more, and 200 MiB take a while to write.
      mkdirSync(dirname(place), { recursive: true });
      execFileSync('cp', ['-alT', path, place]);
    }
    const [user, group] = (flags.get('chown') ?? '0:0').split(':').map(Number);
    // Of the folder alone: nothing that is copied for another user has files in it.
    if (flags.has('chown')) chownSync(place, user!, group!);
  }
}

/** What the base image has and a folder has not: places to mount on, names of users, where names are looked up. */
function furnish(root: string): void {
  for (const path of ['usr/lib', 'usr/lib64', 'dev', 'proc', 'tmp', 'etc', NODE_FOLDER]) {
    mkdirSync(join(root, path), { recursive: true });
  }
  for (const path of ['lib', 'lib64']) symlinkSync(`usr/${path}`, join(root, path));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/none\nnonroot:x:65532:65532::/home/nonroot:/none\n');
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  chownSync(root, 0, 0);
}
