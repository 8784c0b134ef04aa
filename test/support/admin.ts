// An admin listener over a small made-up node, asked as a script or in raw bytes asks it.

import { request } from 'node:http';
import { type AdminServer, startAdmin } from '../../src/control/admin.ts';
import { type FakeApi, fakeApi } from './control-api.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly text: string;
}

export class AdminRig {
  readonly api: FakeApi;
  readonly server: AdminServer;

  private constructor(api: FakeApi, server: AdminServer) {
    this.api = api;
    this.server = server;
  }

  static async start(token: string | null = null, address = '127.0.0.1:0'): Promise<AdminRig> {
    const api = fakeApi();
    return new AdminRig(api, await startAdmin({ api, address, token }));
  }

  get port(): number {
    return Number(new URL(this.server.url).port);
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Sends these fields and no others: fetch would add some, and forbid others. */
  ask(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, method, path, agent: false, headers };
      const sent = request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const whole = Buffer.concat(chunks);
          resolve({ status: response.statusCode!, headers: response.headers, body: whole, text: whole.toString() });
        });
      });
      sent.setTimeout(15_000, () => sent.destroy(new Error('no answer')));
      sent.on('error', reject);
      sent.end(body);
    });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask('GET', path, headers);
  }

  /** As the form of the login page sends it. */
  login(token: string, headers: Record<string, string> = {}): Promise<Answer> {
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams({ token }).toString();
    const length = { 'content-length': String(Buffer.byteLength(body)) };
    return this.ask('POST', '/ui/login', { ...type, ...length, ...headers }, body);
  }

  /** A Cookie field of a session that has just begun. */
  async session(token: string): Promise<string> {
    const [cookie = ''] = (await this.login(token)).headers['set-cookie'] ?? [];
    return cookie.split(';')[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

export function errorOf({ text }: Answer): { readonly code: string; readonly message: string } {
  return JSON.parse(text).error;
}
