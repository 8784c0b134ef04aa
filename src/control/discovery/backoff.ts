// How long to wait after a failure, and the wait itself.

const FIRST_MS = 1000;
const CAP_MS = 30_000;

/** 1 s, 2 s, 4 s … 30 s, each by up to half longer, so that edges do not come back together. */
export class Backoff {
  #failures = 0;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** ms until the next try. */
  next(): number {
    const delayMs = Math.min(CAP_MS, FIRST_MS * 2 ** this.#failures++);
    return delayMs * (1 + this.#random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Resolves after `ms`, or at once when it is aborted. Never rejects; does not keep the process. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || ms <= 0) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms).unref();
    signal.addEventListener('abort', done);
  });
}

/** In words for a log line: the code where there is one, and what undici hides in the cause. */
export function wordsOf(error: unknown): string {
  const { code, cause, message } = (error ?? {}) as { code?: unknown; cause?: unknown; message?: unknown };
  if (cause !== undefined && cause !== error) return wordsOf(cause);
  if (typeof message === 'string' && message !== '')
    return typeof code === 'string' && !message.includes(code) ? `${message} (${code})` : message;
  return typeof code === 'string' ? code : String(error);
}
