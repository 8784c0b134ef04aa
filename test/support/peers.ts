// Real proxies of others as neighbours of ours: HAProxy and nginx, each on a configuration given as text, in a directory of its
// own, ended with the test.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export class Neighbour {
  readonly child: ChildProcess;
  readonly directory: string;
  output = '';

  constructor(child: ChildProcess, directory: string) {
    this.child = child;
    this.directory = directory;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.kill('SIGTERM');
      const late = setTimeout(() => this.child.kill('SIGKILL'), 3000);
      await ended;
      clearTimeout(late);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Waits until every port accepts. `config` may name files of `directory` by `$DIR`. */
async function start(command: readonly string[], config: string, ports: readonly number[]): Promise<Neighbour> {
  const directory = mkdtempSync(join(tmpdir(), 'fermat-peer-'));
  writeFileSync(join(directory, 'conf'), config.replaceAll('$DIR', directory));
  if (config.includes('$DIR/site.pem')) makeCertificate(directory);
  const args = command.map((part) => part.replaceAll('$DIR', directory));
  const neighbour = new Neighbour(spawn(args[0]!, args.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] }), directory);
  try {
    for (const port of ports) await until(() => accepts(port), `${args[0]} on port ${port}`);
  } catch (error) {
    await neighbour.stop();
    throw new Error(`${error}\n${neighbour.output.slice(-2000)}`);
  }
  return neighbour;
}

export function startHaproxy(config: string, ports: readonly number[]): Promise<Neighbour> {
  const defaults = 'defaults\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n';
  return start(['haproxy', '-db', '-q', '-f', '$DIR/conf'], `global\n  nbthread 1\n${defaults}${config}\n`, ports);
}

/** `servers`: what stands inside `http { … }`. */
export function startNginx(servers: string, ports: readonly number[]): Promise<Neighbour> {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((of) => `${of}_temp_path $DIR/${of};`)
    .join(' ');
  const config = `worker_processes 1; daemon off; pid $DIR/pid; error_log stderr; events { worker_connections 256; }
http { access_log off; ${temporary} ${servers} }`;
  return start(['nginx', '-p', '$DIR', '-e', 'stderr', '-c', '$DIR/conf'], config, ports);
}

/** site.pem in `directory`: certificate and key for localhost and 127.0.0.1. */
export function makeCertificate(directory: string): string {
  const file = (name: string): string => join(directory, name);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key.pem')];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', file('cert.pem'), '-days', '2', ...subject], {
    stdio: 'ignore',
  });
  writeFileSync(file('site.pem'), readFileSync(file('cert.pem'), 'utf8') + readFileSync(file('key.pem'), 'utf8'));
  return file('site.pem');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
