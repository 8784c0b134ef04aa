// What the tests need from the system, before the first of them runs: looked for on PATH, installed from Debian's packages where
// we are root, else named with the command that installs it. A test whose tool is missing then fails; none is skipped.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Any of the commands will do. */
const TOOLS: readonly { readonly commands: readonly string[]; readonly package: string }[] = [
  { commands: ['promtool'], package: 'prometheus' },
  { commands: ['chromium', 'chromium-browser', 'google-chrome'], package: 'chromium' },
  { commands: ['openssl'], package: 'openssl' },
  { commands: ['curl'], package: 'curl' },
  { commands: ['h2load'], package: 'nghttp2-client' },
  { commands: ['nginx'], package: 'nginx' },
  { commands: ['haproxy'], package: 'haproxy' },
  { commands: ['faketime'], package: 'faketime' },
  { commands: ['redis-server'], package: 'redis-server' },
  { commands: ['systemd-analyze'], package: 'systemd' },
  { commands: ['strace'], package: 'strace' },
  { commands: ['unshare'], package: 'util-linux' },
  { commands: ['jq'], package: 'jq' },
  { commands: ['ip'], package: 'iproute2' },
  { commands: ['zsh'], package: 'zsh' },
  { commands: ['fish'], package: 'fish' },
  { commands: ['script'], package: 'bsdutils' },
];
/** Daemons are kept in places that a user's PATH may leave out. */
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
const INSTALL_TIMEOUT_MS = 600_000;

function isThere(command: string): boolean {
  return FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const missing = (): string[] => TOOLS.filter(({ commands }) => !commands.some(isThere)).map((tool) => tool.package);

/** Called by vitest once, before all files. */
export function setup(): void {
  process.env.PATH = FOLDERS.join(delimiter);
  const packages = missing();
  if (packages.length === 0) return;
  const install = `apt-get install --yes --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid?.() === 0 && isThere('apt-get')) {
    console.log(`The tests need what is not here: apt-get update && ${install}`);
    // RUNLEVEL: no daemon is started, tests start their own.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const command = `apt-get update -qq && ${install} >/dev/null`;
    spawnSync('sh', ['-c', command], { env, stdio: 'inherit', timeout: INSTALL_TIMEOUT_MS });
  }
  const left = missing();
  if (left.length > 0) console.error(`Tests will fail for lack of ${left.join(', ')}: sudo ${install}`);
}
