// Waiting for a condition instead of for a while.

const POLL_MS = 10;
/** Only a test that fails waits for so long; a busy machine may need seconds for what takes milliseconds. */
export const PATIENCE_MS = 15_000;

/** Resolves with the first truthy value of `check`, asked every `pollMs`; rejects after `timeoutMs`, saying what it waited for. */
export async function until<T>(
  check: () => T | Promise<T>,
  what = 'the condition',
  timeoutMs = PATIENCE_MS,
  pollMs = POLL_MS,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value as Exclude<T, false | null | undefined | 0 | ''>;
    if (performance.now() > deadlineMs) throw new Error(`${what} did not come about within ${timeoutMs} ms`);
    await delay(pollMs);
  }
}

/** For scripted slowness and for giving something unwanted the time to happen; never for luck. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `promise`, or a rejection after `timeoutMs`. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
