// How a command ends: the exit codes of CONTRACT.md, and the error that carries one to cli.ts.

export const EXIT = { OK: 0, FAILED: 1, USAGE: 2, CONFIG: 78 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Something a person can mend: its message is all that is shown. Every other error is a bug and shows its stack. */
export class CliError extends Error {
  readonly code: ExitCode;

  constructor(message: string, code: ExitCode = EXIT.FAILED) {
    super(message);
    this.code = code;
  }
}

/** One line on stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One line on stderr. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}
