// `fermat run`: loads the configuration, starts the node, and turns signals into what they mean. Gives the exit code.

import { readFileSync } from 'node:fs';
import type { Config } from './control/config/config.ts';
import { loadConfig } from './control/config/load.ts';
import { createEventLog } from './control/events.ts';
import { FermatNode } from './control/node.ts';
import { tellServiceManager } from './control/notify.ts';
import { Predecessor } from './control/predecessor.ts';
import type { EventLog } from './control/types.ts';

export const EXIT = { OK: 0, FAILED: 1, BAD_CONFIG: 78 } as const;

export interface RunOptions {
  readonly configFile: string | null;
  readonly listen: readonly string[];
  readonly upstream: readonly string[];
  readonly logLevel?: string | undefined;
  readonly adminToken?: string | undefined;
}

/** Resolves with the exit code when the node has ended: 0 after a drain, 1 when it could not run, 78 for its configuration. */
export async function run(options: RunOptions): Promise<number> {
  let predecessor: Predecessor | null;
  try {
    predecessor = await Predecessor.hear();
  } catch (error) {
    return failed(error);
  }
  const { configFile, listen, upstream, logLevel, adminToken } = options;
  const overrides = { listen, upstream, logLevel, adminToken };
  const loaded = loadConfig(configFile, overrides);
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${problem}\n`);
    await predecessor?.failed(loaded.problems, true);
    return EXIT.BAD_CONFIG;
  }
  // `fermat run | head` has seen enough of what is printed; a proxy goes on.
  process.stdout.removeAllListeners('error').on('error', () => undefined);
  const events = createEventLog({ level: levelOf(loaded.config) });
  endOnErrors(events);
  const life = new Life();
  const onReplaced = (): void => life.retire(node);
  const node = await FermatNode.create({ configFile, overrides, events, version: versionOf(), onReplaced }, loaded);
  life.listen(node);
  if (predecessor !== null) node.inheritFrom(predecessor);
  try {
    await node.start(predecessor?.handover ?? null);
  } catch (error) {
    await predecessor?.failed([error instanceof Error ? error.message : String(error)], false);
    if (life.isToldToStop) return life.ended;
    await node.stop();
    return failed(error);
  }
  if (life.isToldToStop) {
    await predecessor?.failed(['it was told to end'], false);
    return life.ended;
  }
  for (const { name, url } of node.listeners()) process.stdout.write(`listening ${name} on ${url}\n`);
  if (node.adminUrl !== null) process.stdout.write(`admin on ${node.adminUrl} (console ${node.adminUrl}/ui/)\n`);
  tellServiceManager(events);
  await predecessor?.ready(versionOf());
  return life.ended;
}

function failed(error: unknown): number {
  process.stderr.write(`fermat: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT.FAILED;
}

/** An unexpected error, or a rejection that nobody handles: after it nothing is certain. */
function endOnErrors(events: EventLog): void {
  process.on('uncaughtException', (error, origin) => {
    events.emit('error', 'node.crash', `${origin}, ending: ${error?.message ?? error}`, { stack: error?.stack });
    process.exit(EXIT.FAILED);
  });
}

/** What ends a node, and with which code. */
class Life {
  readonly ended: Promise<number>;
  #end: (code: number) => void = () => {};
  isToldToStop = false;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** The first TERM or INT drains, the second ends at once; HUP reloads, USR2 is a hot restart. */
  listen(node: FermatNode): void {
    const onStop = (): void => {
      if (this.isToldToStop) process.exit(EXIT.FAILED);
      this.isToldToStop = true;
      if (!node.isRetired) this.#after(node.shutDown());
    };
    process.on('SIGTERM', onStop);
    process.on('SIGINT', onStop);
    if (process.platform === 'win32') return;
    process.on('SIGHUP', () => void node.reload('SIGHUP'));
    process.on('SIGUSR2', () => void node.replace('SIGUSR2'));
  }

  /** Another process has taken over. */
  retire(node: FermatNode): void {
    if (!this.isToldToStop) this.#after(node.retire());
  }

  #after(end: Promise<void>): void {
    end.then(
      () => this.#end(EXIT.OK),
      () => this.#end(EXIT.FAILED),
    );
  }
}

function levelOf(config: Config): 'debug' | 'info' | 'warn' | 'error' | 'silent' {
  const { level } = config.logging;
  return level === 'trace' ? 'debug' : level;
}

/** Fermat's own, from package.json. */
export function versionOf(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
