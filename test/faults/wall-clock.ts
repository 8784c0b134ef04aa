// Loaded into every thread of the process under test by NODE_OPTIONS=--import: its wall clock is what the system says plus the
// milliseconds in a file, read anew all the while. Nothing else changes: as when somebody sets the clock, the monotonic one goes on.

import { readFileSync } from 'node:fs';

const POLL_MS = 100;

const path = process.env.FAULTS_CLOCK_FILE;
const real = Date.now.bind(Date);
let offsetMs = 0;

if (path !== undefined) {
  read(path);
  setInterval(read, POLL_MS, path).unref();
  const now = () => real() + offsetMs;
  globalThis.Date = new Proxy(Date, {
    construct: (target, args) => (args.length === 0 ? new target(now()) : Reflect.construct(target, args)),
    apply: (target) => new target(now()).toString(),
    get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  });
}

function read(file: string): void {
  try {
    offsetMs = Number(readFileSync(file, 'latin1')) || 0;
  } catch {
    // Not there yet.
  }
}
