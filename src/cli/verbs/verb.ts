// What the verbs share: flags, examples, and how the result of an action becomes the exit code.

import type { Command } from 'commander';
import { address, url } from '../arguments.ts';
import { EXIT } from '../exit.ts';

/** Of the process, once the verb is through. */
export const exit: { code: number } = { code: EXIT.OK };

/** An action whose result is the exit code. */
export function act<A extends unknown[]>(
  work: (...args: A) => number | Promise<number>,
): (...args: A) => Promise<void> {
  return async (...args) => {
    exit.code = await work(...args);
  };
}

/** Where the configuration comes from. */
export function configFlags(command: Command): Command {
  return command
    .option('-c, --config <file>', 'YAML or JSON (env: FERMAT_CONFIG)')
    .option('--listen <address>', 'listen here instead; may be repeated', address, [])
    .option('--upstream <url>', 'an endpoint: a whole configuration without a file; may be repeated', url, []);
}

/** Where the node is and how to be let in. */
export function adminFlags(command: Command): Command {
  return command
    .option(
      '--admin <address>',
      'admin API of the node (env: FERMAT_ADMIN_ADDRESS; default: the configuration, else 127.0.0.1:9901)',
    )
    .option('-c, --config <file>', 'take admin.address and admin.token from here (env: FERMAT_CONFIG)')
    .option('--token <token>', 'admin token (env: FERMAT_ADMIN_TOKEN)')
    .option('--json', 'print JSON');
}

export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  fermat ${line}`).join('\n')}`;
}
