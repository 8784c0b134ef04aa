// The command line: which verbs there are (cli/verbs/), and what becomes of errors. Thin: a verb's work is in cli/ or beyond,
// imported when it is asked for, so that `fermat healthcheck` does not wait for the proxy to load.

import { Command, CommanderError } from 'commander';
import { CliError, complain, EXIT } from './cli/exit.ts';
import { asking } from './cli/verbs/ask.ts';
import { completing } from './cli/verbs/complete.ts';
import { configuring } from './cli/verbs/config.ts';
import { placing } from './cli/verbs/locality.ts';
import { looking } from './cli/verbs/look.ts';
import { operating } from './cli/verbs/operate.ts';
import { registering } from './cli/verbs/register.ts';
import { running } from './cli/verbs/run.ts';
import { exit } from './cli/verbs/verb.ts';
import { ownVersion } from './cli/version.ts';

function program(): Command {
  const fermat = new Command('fermat')
    .description('An edge proxy that takes the path of least time.')
    .version(ownVersion())
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText(
      'after',
      '\nEnvironment: FERMAT_CONFIG, FERMAT_LOG_LEVEL, FERMAT_ADMIN_TOKEN, FERMAT_ADMIN_ADDRESS; a flag wins over it, it over the file.',
    )
    .addHelpText('after', 'Exit codes: 0 ok, 1 failed at run time, 2 bad usage, 78 bad configuration.');
  running(fermat);
  configuring(fermat);
  asking(fermat);
  operating(fermat);
  registering(fermat);
  placing(fermat);
  looking(fermat);
  completing(fermat);
  return fermat;
}

/** The exit code of what went wrong; says so first. */
function codeOf(error: unknown): number {
  // Commander has already written its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
  if (error instanceof CliError) {
    complain(`fermat: ${error.message}`);
    return error.code;
  }
  complain(`fermat: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.FAILED;
}

/** What the exit code becomes when stdout takes no more. `fermat status | head -3` closes it: the reader's choice, not an error. */
function codeWithout(error: NodeJS.ErrnoException | null): number {
  if (error === null || error.code === 'EPIPE') return exit.code;
  complain(`fermat: stdout: ${error.message}`);
  return EXIT.FAILED;
}

const onError = (error: NodeJS.ErrnoException) => process.exit(codeWithout(error));
process.stdout.on('error', onError);

try {
  await program().parseAsync();
} catch (error) {
  exit.code = codeOf(error);
}
// After what was written is out; a socket somebody forgot does not keep the process.
process.stdout.write('', () => {
  // A proxy that runs has taken the listener off: what it prints is not what it is for.
  const isVital = process.stdout.listeners('error').includes(onError);
  process.exit(isVital ? codeWithout(process.stdout.errored) : exit.code);
});
