// systemd, where it started us (`Type=notify`): told that the node serves, and which process that is, since after a hot restart
// it is another. Node cannot write to the datagram socket that systemd listens on; systemd's own tool can.

import { execFile } from 'node:child_process';
import type { EventLog } from './types.ts';

const PATIENCE_MS = 5000;

/** Never throws; does nothing where nobody waits to be told. */
export function tellServiceManager(events: EventLog): void {
  if (!process.env.NOTIFY_SOCKET) return;
  execFile('systemd-notify', ['--ready', `--pid=${process.pid}`], { timeout: PATIENCE_MS }, (error) => {
    if (error === null) return;
    const message = `the service manager was not told that the node is ready: ${error.message}`;
    events.emit('warn', 'node.notify', message);
  });
}
