// The echo service in a process of its own, so that a test can kill it. Run as a script it serves; imported it starts one.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startEcho } from './grpc.ts';
import { until } from './until.ts';

const FILE = fileURLToPath(import.meta.url);

export interface EchoProcess {
  readonly port: number;
  readonly child: ChildProcess;
  /** SIGKILL: the kernel closes its connections, and nobody says goodbye. */
  kill(): void;
}

export async function spawnEcho(port = 0): Promise<EchoProcess> {
  const child = spawn(process.execPath, [FILE, `${port}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const bound = await until(() => /^(\d+)\n/.exec(said)?.[1], 'the port of the echo process', 20_000);
  return { port: Number(bound), child, kill: () => child.kill('SIGKILL') };
}

if (process.argv[1] === FILE) {
  const echo = await startEcho(undefined, {}, Number(process.argv[2] ?? 0));
  process.stdout.write(`${echo.port}\n`);
}
