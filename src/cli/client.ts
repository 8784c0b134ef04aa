// Asks the running node through its admin API. Plain node:http, one connection a question: fetch takes longer to load than
// the answer takes to come, and its pool would keep the process alive.

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type Address, parseAddress } from '../control/config/values.ts';
import { textOf } from './body.ts';
import { CliError, EXIT } from './exit.ts';

/** Where the node is and how to be let in. */
export interface AdminFlags {
  readonly admin?: string;
  readonly config?: string;
  readonly token?: string;
  readonly json?: boolean;
}

const DEFAULT: Address = { host: '127.0.0.1', port: 9901 };
const TIMEOUT_MS = 10_000;
/** Three heartbeats of the node's streams. */
const STREAM_SILENCE_MS = 45_000;
/** Of an answer; 4,096 endpoints take about 3 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export class AdminClient {
  readonly #address: Address;
  readonly #token: string | null;

  private constructor(address: Address, token: string | null) {
    this.#address = address;
    this.#token = token;
  }

  /** Rejects with a CliError when flags or configuration name no address. */
  static async open(flags: AdminFlags, env: NodeJS.ProcessEnv = process.env): Promise<AdminClient> {
    const file = flags.config ?? (env.FERMAT_CONFIG || null);
    const written = flags.admin ?? env.FERMAT_ADMIN_ADDRESS;
    const given = written ? givenAddress(written) : null;
    const token = givenToken(flags.token ?? (env.FERMAT_ADMIN_TOKEN || null));
    if (file === null || (given !== null && token !== null)) return new AdminClient(given ?? DEFAULT, token);
    // Only now: the YAML parser takes longer to load than the node takes to answer.
    const { peek } = await import('../control/config/read.ts');
    const fromFile = peek(file, env, ['admin', 'token']);
    return new AdminClient(
      given ?? configuredAddress(file, peek(file, env, ['admin', 'address'])),
      token ?? (typeof fromFile === 'string' ? fromFile : null),
    );
  }

  get url(): string {
    const { host, port } = this.#address;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** The JSON of a 2xx answer. Throws a CliError with the node's own words for any other. */
  async get<T>(path: string): Promise<T> {
    return this.#json(await this.ask('GET', path)) as T;
  }

  /** Like `get`. The node's side effect has happened when it resolves. */
  async post<T>(path: string): Promise<T> {
    return this.#json(await this.ask('POST', path)) as T;
  }

  /** Whatever the answer is. Throws a CliError when there is none. */
  ask(method: 'GET' | 'POST', path: string, timeoutMs = TIMEOUT_MS, body = ''): Promise<Answer> {
    const { host, port } = this.#address;
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== '') headers['content-length'] = String(Buffer.byteLength(body));
    if (this.#token !== null) headers.authorization = `Bearer ${this.#token}`;
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException) =>
        reject(new CliError(`no Fermat answers at ${this.url}: is it running? (${error.code ?? error.message})`));
      const signal = AbortSignal.timeout(timeoutMs);
      const req = request({ host, port, method, path, headers, agent: false, signal }, (response) => {
        textOf(response, MAX_ANSWER_BYTES).then((text) => resolve({ status: response.statusCode ?? 0, text }), fail);
      });
      req.on('error', (error) => fail(signal.aborted ? new Error(`no answer in ${timeoutMs / 1000} s`) : error));
      req.end(body);
    });
  }

  /**
   * Server-Sent Events: `onData` gets the data of each. Resolves when the node ends the stream or `signal` is aborted. Throws a
   * CliError when there is no stream, or it breaks.
   */
  async stream(path: string, signal: AbortSignal, onData: (data: string) => void): Promise<void> {
    const { host, port } = this.#address;
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (this.#token !== null) headers.authorization = `Bearer ${this.#token}`;
    try {
      const req = request({ host, port, path, headers, agent: false, signal }).end();
      const [response] = (await once(req, 'response')) as [IncomingMessage];
      const status = response.statusCode ?? 0;
      if (status !== 200) return this.refuse({ status, text: await textOf(response, MAX_ANSWER_BYTES) });
      response.setEncoding('utf8');
      // The node says something every 15 s, if only that it is there.
      response.setTimeout(STREAM_SILENCE_MS, () => req.destroy(new Error('the stream fell silent')));
      // Not node:readline, to which U+2028 ends a line: JSON may have it in the middle.
      let rest = '';
      for await (const text of response) {
        const lines = `${rest}${text}`.split('\n');
        rest = lines.pop()!;
        if (rest.length > MAX_ANSWER_BYTES) throw new CliError(`what answers at ${this.url} sends no lines`);
        for (const line of lines) if (line.startsWith('data: ')) onData(line.slice(6));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CliError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      throw new CliError(`no Fermat answers at ${this.url} (${code ?? message})`);
    }
  }

  #json(answer: Answer): unknown {
    return answer.status >= 200 && answer.status < 300 ? this.#parsed(answer) : this.refuse(answer);
  }

  #parsed({ status, text }: Answer): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw new CliError(`what answers at ${this.url} is not Fermat's admin API (status ${status})`);
    }
  }

  /** Throws the CliError that an answer which is no success amounts to. */
  refuse(answer: Answer): never {
    const { status } = answer;
    const body = this.#parsed(answer);
    const { code, message } = (body as { error?: { code?: unknown; message?: unknown } } | null)?.error ?? {};
    const hint = status === 401 ? ' (--token, or FERMAT_ADMIN_TOKEN)' : '';
    const text = `${typeof message === 'string' ? message : `refused with status ${status}`}${hint}`;
    // What the node cannot read is what was typed here.
    throw new CliError(text, code === 'bad_request' ? EXIT.USAGE : EXIT.FAILED);
  }
}

/** As admin.token has to be; what it is, is told to nobody. */
function givenToken(token: string | null): string | null {
  if (token === null || /^[\x21-\x7e]*$/.test(token)) return token;
  throw new CliError('--token or FERMAT_ADMIN_TOKEN: expected visible ASCII characters', EXIT.USAGE);
}

function givenAddress(flag: string): Address {
  const parsed = parseAddress(flag.replace(/^http:\/\//, '').replace(/\/+$/, ''));
  if (parsed === null)
    throw new CliError(
      `--admin or FERMAT_ADMIN_ADDRESS: expected host:port or http://host:port, got ${flag}`,
      EXIT.USAGE,
    );
  return reachable(parsed);
}

function configuredAddress(file: string, written: unknown): Address {
  if (written === null) throw new CliError(`${file}: cannot be read`, EXIT.CONFIG);
  if (written === undefined) return DEFAULT;
  if (written === '') throw new CliError(`${file}: admin.address is "", so the node has no admin API`);
  const parsed = typeof written === 'string' ? parseAddress(written) : null;
  if (parsed === null) throw new CliError(`${file}: admin.address is no address`, EXIT.CONFIG);
  return reachable(parsed);
}

/** What listens on all addresses is asked on loopback. */
function reachable({ host, port }: Address): Address {
  if (host === '' || host === '0.0.0.0') return { host: '127.0.0.1', port };
  return { host: host === '::' ? '::1' : host, port };
}
