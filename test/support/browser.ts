// A real Chromium, spoken to in its own DevTools protocol: enough to open a page, ask it things and look at it. A driver
// library would bring a browser of its own for the five commands that are needed.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until, within } from './until.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'];
const QUIET = ['--disable-background-networking', '--disable-component-update', '--hide-scrollbars'];
const COMMAND_TIMEOUT_MS = 10_000;

/** Path of a Chromium on PATH. Throws with the command that installs one. */
export function chromiumPath(): string {
  for (const directory of (process.env.PATH ?? '').split(':')) {
    for (const name of NAMES) if (existsSync(join(directory, name))) return join(directory, name);
  }
  throw new Error('this test needs a browser: apt-get install chromium');
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly requestId?: string; readonly entry?: { readonly text: string; readonly level: string } };
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export class Browser {
  /** What the page complained of: script errors, refused resources, violations of the policy. */
  readonly complaints: string[] = [];
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #lastId = 0;
  #password = '';

  private constructor(child: ChildProcess, directory: string, socket: WebSocket) {
    this.#child = child;
    this.#directory = directory;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)) as Reply);
  }

  /** A browser with one empty page. */
  static async start(): Promise<Browser> {
    const directory = mkdtempSync(join(tmpdir(), 'fermat-browser-'));
    const args = [...FLAGS, ...QUIET, '--remote-debugging-port=0', `--user-data-dir=${directory}`, 'about:blank'];
    const child = spawn(chromiumPath(), args, { stdio: 'ignore' });
    const portFile = join(directory, 'DevToolsActivePort');
    const port = await until(
      () => existsSync(portFile) && Number(readFileSync(portFile, 'utf8').split('\n')[0]),
      'the browser',
      20_000,
    );
    const pages = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as Record<string, string>[];
    const socket = new WebSocket(pages.find((page) => page.type === 'page')!.webSocketDebuggerUrl!);
    await within(COMMAND_TIMEOUT_MS, 'the page', new Promise((resolve) => socket.addEventListener('open', resolve)));
    const browser = new Browser(child, directory, socket);
    for (const domain of ['Page', 'Runtime', 'Log']) await browser.#send(`${domain}.enable`);
    return browser;
  }

  async open(url: string, { width, height, scheme }: View): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
    await this.#send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    await this.#send('Page.navigate', { url });
  }

  /** Value of an expression in the page; promises are waited for. Rejects when it throws. */
  async evaluate<T>(expression: string): Promise<T> {
    const reply = await this.#send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (reply.exceptionDetails) throw new Error(JSON.stringify(reply.exceptionDetails));
    return (reply.result as { value: T }).value;
  }

  /** Answers what the browser would ask its user when a server wants a password. */
  async knowPassword(password: string): Promise<void> {
    this.#password = password;
    await this.#send('Fetch.enable', { handleAuthRequests: true });
  }

  async press(key: string, text = ''): Promise<void> {
    await this.#send('Input.dispatchKeyEvent', {
      type: 'keyDown',
      key,
      code: key,
      text,
      windowsVirtualKeyCode: KEYS[key] ?? 0,
    });
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key });
  }

  async type(text: string): Promise<void> {
    await this.#send('Input.insertText', { text });
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data as string, 'base64');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async #send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    const replied = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    const reply = await within(COMMAND_TIMEOUT_MS, method, replied);
    if (reply.error) throw new Error(`${method}: ${reply.error.message}`);
    return reply.result ?? {};
  }

  #take(reply: Reply): void {
    if (reply.id !== undefined) {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    } else if (reply.method === 'Fetch.requestPaused') {
      this.#send('Fetch.continueRequest', { requestId: reply.params?.requestId }).catch(() => undefined);
    } else if (reply.method === 'Fetch.authRequired') {
      const answer = { response: 'ProvideCredentials', username: 'admin', password: this.#password };
      const params = { requestId: reply.params?.requestId, authChallengeResponse: answer };
      this.#send('Fetch.continueWithAuth', params).catch(() => undefined);
    } else if (reply.method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(reply.params));
    else if (reply.method === 'Log.entryAdded' && reply.params?.entry?.level !== 'verbose') {
      this.complaints.push(reply.params?.entry?.text ?? '');
    }
  }
}

const KEYS: Readonly<Record<string, number>> = { Tab: 9, Enter: 13 };
