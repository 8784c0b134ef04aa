// Runs the commands of one page, in its order, in the place that stage.ts has made: first what the page takes for granted, then
// each command as a reader would paste it into one shell. Says what became of each.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { until } from '../until.ts';
import { FOLLOWERS, SERVERS, type Stage } from './stages.ts';

/** A file to write, or a command to run. */
export type Step =
  | { readonly line: number; readonly file: string; readonly text: string }
  | { readonly line: number; readonly command: string; readonly exit: number };

export interface Input {
  readonly folder: string;
  readonly stage: Stage;
  readonly steps: readonly Step[];
}

export interface Failure {
  readonly line: number;
  readonly command: string;
  readonly problem: string;
}

const COMMAND_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 60_000;

const input = JSON.parse(await text(process.stdin)) as Input;
const { folder } = input;
const bin = [join(folder, 'bin'), join(folder, 'node_modules/.bin')].join(':');
const baseEnv = { ...process.env, PATH: `${bin}:${process.env.PATH}`, HOME: join(folder, '.home'), ...input.stage.env };
/** Exported variables and the directory go from one command to the next, as in one shell. */
const memory = { env: join(folder, '.home/env'), cwd: join(folder, '.home/cwd') };

const REDIS = 'exec redis-server --save "" --bind 0.0.0.0 --protected-mode no';

class Background {
  readonly child: ChildProcess;
  /** On both streams, for whoever wants to know what went wrong. */
  output = '';
  /** On stdout: errors do not say that something is up. */
  said = '';
  code: number | null = null;

  constructor(command: string) {
    this.child = spawn('sh', ['-c', `${inShell(command)}`], { cwd: folder, env: baseEnv, detached: true });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (piece: string) => {
        this.output = (this.output + piece).slice(-20_000);
        if (stream === this.child.stdout) this.said = (this.said + piece).slice(-20_000);
      });
    }
    this.child.on('close', (code, signal) => {
      this.code = code ?? (signal === null ? 1 : 128);
    });
  }

  /** Rejects with what it said when it ended instead. */
  async up(isUp: (said: string) => boolean = (said) => said !== ''): Promise<void> {
    await until(
      () => {
        if (this.code !== null) throw new Error(`it ended with ${this.code}:\n${this.output.slice(-2000)}`);
        return isUp(this.said);
      },
      'word of what runs for ever that it is up',
      START_TIMEOUT_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.output.slice(-2000)}`);
    });
  }

  /** A second signal does not wait for a drain. */
  async end(): Promise<void> {
    const signal = () => {
      if (this.code === null) process.kill(-this.child.pid!, 'SIGTERM');
    };
    signal();
    await until(() => this.code !== null, 'an end', 500, 20).catch(signal);
    await until(() => this.code !== null, 'the end of what ran for ever', 10_000).catch(() =>
      process.kill(-this.child.pid!, 'SIGKILL'),
    );
  }
}

function inShell(command: string): string {
  return `[ ! -f ${memory.env} ] || . ${memory.env}; cd "$(cat ${memory.cwd} 2>/dev/null || pwd)"; ${command}`;
}

/** The exit code and what it said. Not in the way of the origins, which are served from here. */
async function run(command: string): Promise<{ code: number | null; output: string }> {
  const script = `${inShell(command)}\nstatus=$?; export -p > ${memory.env}; pwd > ${memory.cwd}; exit $status\n`;
  const child = spawn('sh', ['-c', script], {
    cwd: folder,
    env: baseEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), COMMAND_TIMEOUT_MS);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      output = (output + piece).slice(-20_000);
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  return { code, output };
}

async function prepare(stage: Stage): Promise<void> {
  const { origins = [], redis, hosts = {}, addresses = [], files = {}, node = 'demo', requests = 0 } = stage;
  for (const address of addresses) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  if (Object.keys(hosts).length > 0) {
    const file = join(folder, '.home/hosts');
    writeFileSync(file, readFileSync('/etc/hosts'));
    for (const [name, address] of Object.entries(hosts)) appendFileSync(file, `\n${address} ${name}`);
    execFileSync('mount', ['--bind', file, '/etc/hosts']);
  }
  for (const [name, content] of Object.entries(files)) write(name, content);
  for (const origin of origins) await listen(origin);
  if (redis) await new Background(REDIS).up((said) => said.includes('Ready to accept'));
  if (node === 'demo') await start('fermat demo --quiet');
  else if (node !== 'none') await start(`fermat run -c ${node.config}`);
  for (let i = 0; i < requests; i++) await (await fetch('http://127.0.0.1:8080/')).text();
}

function write(name: string, content: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
}

/** An origin that says who it is. */
function listen(address: string): Promise<void> {
  const at = address.lastIndexOf(':');
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain');
    response.end(`${address} ${request.method} ${request.url}\n`);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(Number(address.slice(at + 1)), address.slice(0, at), resolve);
  });
}

let server: Background | null = null;
/** The last line that a node says when it is up; pages show none without an admin API. */
const ADMIN = /(?:^|\n)(?:admin on| +console) +(http:\/\/\S+?)(?:\/ui)?\/?\s/;

/** What serves is waited for until it is ready; a second one takes the first one's place, as a reader would end it with ^C. */
async function start(command: string): Promise<void> {
  const isNode = /fermat (run|demo)|npm/.test(command);
  if (isNode) await server?.end();
  const started = new Background(`exec ${command}`);
  if (!isNode) return started.up();
  server = started;
  await started.up((said) => ADMIN.test(said));
  const admin = ADMIN.exec(started.said)![1];
  const path = input.stage.isUnready ? '/livez' : '/readyz';
  await until(
    async () => (await fetch(`${admin}${path}`).catch(() => null))?.status === 200,
    `${admin}${path} of ${command}`,
    START_TIMEOUT_MS,
    50,
  );
}

async function follow(command: string): Promise<void> {
  const started = new Background(`exec ${command}`);
  // Without a terminal, `top` has said all when it has said it once.
  await started.up().catch((error: Error) => {
    if (started.code !== 0 || started.said === '') throw error;
  });
  await started.end();
}

async function take(step: Step): Promise<string | null> {
  if ('file' in step) {
    write(step.file, step.text);
    return null;
  }
  const command = step.command.replace(/\s+#\s.*$/gm, '').trim();
  try {
    if (SERVERS.test(command)) await start(command);
    else if (FOLLOWERS.test(command)) await follow(command);
    else {
      const { code, output } = await run(step.command);
      if (code !== step.exit)
        return `exit code ${code ?? 'none in time'}, expected ${step.exit}:\n${output.slice(-3000)}`;
    }
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

// A page that shows how to ask for something means a good answer: what is none is an exit code, 22.
writeFileSync(join(folder, '.home/.curlrc'), 'fail\n');

const failures: Failure[] = [];
await prepare(input.stage).catch((error: Error) => {
  throw new Error(`before the first command: ${error.message}\n${server?.output.slice(-2000) ?? ''}`, { cause: error });
});
for (const step of input.steps) {
  const problem = await take(step);
  if (problem !== null) {
    failures.push({ line: step.line, command: 'file' in step ? step.file : step.command, problem });
  }
}
if (existsSync(memory.env)) mkdirSync(join(folder, '.home'), { recursive: true });
// Whatever still runs ends with this process, the first one of its namespace.
process.stdout.write(JSON.stringify(failures), () => process.exit(0));
