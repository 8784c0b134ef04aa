// A real Prometheus on loopback, with its data in a directory that goes with it: it scrapes once a second, and is asked over its
// HTTP API. And dashboards as Grafana would ask them: with their variables filled in.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from './redis-server.ts';
import { PATIENCE_MS, until, within } from './until.ts';

export interface PrometheusOptions {
  /** host:port of what is scraped. */
  readonly targets: readonly string[];
  /** Paths of files of rules. */
  readonly rules?: readonly string[];
}

/** One line of an answer. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface TargetView {
  readonly health: string;
  readonly lastError: string;
  readonly scrapeUrl: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RuleView {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly health: string;
  readonly lastError?: string;
  readonly query: string;
  readonly state?: string;
}

interface ExemplarView {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: string }[];
}

export class Prometheus {
  readonly url: string;
  log = '';
  readonly #child: ChildProcess;
  readonly #directory: string;

  constructor(child: ChildProcess, directory: string, port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#child = child;
    this.#directory = directory;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
  }

  /** Lines of its log about what it does not like of targets, exemplars and rules. */
  get complaints(): string[] {
    const lines = this.log.split('\n').filter((line) => /level=(warn|error)/.test(line));
    return lines.filter((line) => /scrape|exemplar|rule/.test(line));
  }

  /** An instant query. Throws with what Prometheus says is wrong with it. A scalar is one sample without labels. */
  async query(expr: string): Promise<Sample[]> {
    const data = await this.#ask<{ resultType: string; result: unknown }>('/api/v1/query', { query: expr });
    if (data.resultType === 'scalar') return [{ metric: {}, value: Number((data.result as [number, string])[1]) }];
    if (data.resultType !== 'vector') throw new Error(`expected a vector, got a ${data.resultType}: ${expr}`);
    const samples = data.result as { metric: Record<string, string>; value: [number, string] }[];
    return samples.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  async targets(): Promise<readonly TargetView[]> {
    const { activeTargets } = await this.#ask<{ activeTargets: TargetView[] }>('/api/v1/targets', {});
    return activeTargets;
  }

  async rules(): Promise<readonly RuleView[]> {
    const { groups } = await this.#ask<{ groups: { rules: RuleView[] }[] }>('/api/v1/rules', {});
    return groups.flatMap(({ rules }) => rules);
  }

  /** Exemplars of the last minutes. */
  exemplars(selector: string): Promise<readonly ExemplarView[]> {
    const nowS = Date.now() / 1000;
    return this.#ask('/api/v1/query_exemplars', { query: selector, start: String(nowS - 600), end: String(nowS + 60) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.exitCode === null && this.#child.kill('SIGKILL'))
      await within(5000, 'the end of prometheus', ended);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #ask<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    const response = await fetch(`${this.url}${path}?${new URLSearchParams(parameters)}`, {
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string };
    if (status !== 'success') throw new Error(`${error}: ${JSON.stringify(parameters)}`);
    return data;
  }
}

/** Resolves when it is ready; it scrapes and evaluates once a second. */
export async function startPrometheus({ targets, rules = [] }: PrometheusOptions): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'fermat-prometheus-'));
  const file = join(directory, 'prometheus.yml');
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: [{ job_name: 'fermat', honor_labels: true, static_configs: [{ targets }] }],
  };
  writeFileSync(file, stringify(config));
  const port = await freePort();
  const args = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--enable-feature=exemplar-storage',
  ];
  const prometheus = new Prometheus(
    spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory }),
    directory,
    port,
  );
  try {
    await until(() => isReady(prometheus.url), 'Prometheus to be ready', PATIENCE_MS, 50);
  } catch (error) {
    await prometheus[Symbol.asyncDispose]();
    throw new Error(`${error}\n${prometheus.log.slice(-2000)}`);
  }
  return prometheus;
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/-/ready`)).ok;
  } catch {
    return false;
  }
}

/** A query as Grafana sends it: `$name`, `${name}`, and its own variables. `values` of each as the regular expression it becomes. */
export function filledIn(expr: string, values: Readonly<Record<string, string>>): string {
  return expr.replace(/\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    const value = values[braced ?? bare ?? ''];
    if (value === undefined) throw new Error(`nothing says what ${whole} is, in ${expr}`);
    return value;
  });
}

/** What promtool has to say of an exposition; '' when it is content. Its exit code is 0 even for some complaints. */
export function complaintsOf(exposition: string): string {
  const { stdout, stderr, status, error } = spawnSync('promtool', ['check', 'metrics'], {
    input: exposition,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  return stdout + stderr + (status === 0 ? '' : `exit code ${status}`);
}
