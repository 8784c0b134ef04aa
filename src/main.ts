// `fermat run`: loads the configuration, starts the node, and turns signals into what they mean. Gives the exit code.

import { readFileSync } from 'node:fs';
import type { Config } from './control/config/config.ts';
import { loadConfig } from './control/config/load.ts';
import { createEventLog } from './control/events.ts';
import { FermatNode } from './control/node.ts';

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
  const { configFile, listen, upstream, logLevel, adminToken } = options;
  const overrides = { listen, upstream, logLevel, adminToken };
  const loaded = loadConfig(configFile, overrides);
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${problem}\n`);
    return EXIT.BAD_CONFIG;
  }
  const events = createEventLog({ level: levelOf(loaded.config) });
  process.on('uncaughtException', (error) => {
    events.emit('error', 'node.crash', `unexpected error, ending: ${error.message}`, { stack: error.stack });
    process.exit(EXIT.FAILED);
  });
  const node = await FermatNode.create({ configFile, overrides, events, version: versionOf() }, loaded);
  const ended = new Promise<number>((resolve) => listenToSignals(node, resolve));
  try {
    await node.start();
  } catch (error) {
    process.stderr.write(`fermat: ${error instanceof Error ? error.message : String(error)}\n`);
    await node.stop();
    return EXIT.FAILED;
  }
  for (const { name, url } of node.listeners()) process.stdout.write(`listening ${name} on ${url}\n`);
  if (node.adminUrl !== null) process.stdout.write(`admin on ${node.adminUrl} (console ${node.adminUrl}/ui/)\n`);
  return ended;
}

/** The first TERM or INT drains, the second ends at once; HUP reloads. */
function listenToSignals(node: FermatNode, end: (code: number) => void): void {
  let isDraining = false;
  const onStop = (): void => {
    if (isDraining) process.exit(EXIT.FAILED);
    isDraining = true;
    node.shutDown().then(
      () => end(EXIT.OK),
      () => end(EXIT.FAILED),
    );
  };
  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);
  process.on('SIGHUP', () => void node.reload('SIGHUP'));
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
