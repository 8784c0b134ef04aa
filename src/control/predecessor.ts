// The process that ran before, as the one that takes over sees it: it gives what it has, and is told when it may go. Should it
// die meanwhile, there is nobody left to tell, and the sockets are ours all the more.

import { type Answer, type Handover, readHandover, readTold, SUCCESSOR_ENV } from './handover.ts';

const GIVEN_MS = 10_000;
/** How long a scrape may have to wait for what the other one has counted. */
const COUNTED_MS = 2000;

export class Predecessor {
  readonly handover: Handover;
  /** Resolves when it has ended. */
  readonly gone: Promise<void>;
  #heard: () => void = () => {};

  private constructor(handover: Handover) {
    this.handover = handover;
    this.gone = new Promise((resolve) => {
      process.once('disconnect', () => resolve());
    });
  }

  /** null = nobody ran before. Rejects when what was given cannot be read; it has been told so. */
  static async hear(): Promise<Predecessor | null> {
    const isSuccessor = process.env[SUCCESSOR_ENV] !== undefined && process.connected;
    delete process.env[SUCCESSOR_ENV]; // our own children are not
    if (!isSuccessor) return null;
    const handover = readHandover(await firstMessage());
    if (handover !== null) return new Predecessor(handover);
    const problem = 'what the running process gives is of another form: this version cannot take over from it';
    await say({ type: 'failed', isConfig: false, problems: [problem] });
    throw new Error(problem);
  }

  /**
   * From now on `take` gets what the other one has counted so far, whenever it tells. Resolves when it first has, which it does
   * when this process is ready, or when that is not to be expected any more. Never rejects.
   */
  hearCounted(take: (counted: unknown) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#heard = resolve;
      void this.gone.then(resolve);
      process.on('message', (message) => {
        const told = readTold(message);
        if (told === null) return;
        take(told.counted);
        resolve();
      });
    });
  }

  /** Everything is accepted here now. */
  async ready(version: string): Promise<void> {
    await say({ type: 'ready', version });
    process.channel?.unref();
    setTimeout(this.#heard, COUNTED_MS).unref();
  }

  /** It stays as it was; this process is about to end. */
  failed(problems: readonly string[], isConfig: boolean): Promise<void> {
    return say({ type: 'failed', isConfig, problems });
  }
}

function firstMessage(): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the running process gave nothing')), GIVEN_MS);
    process.once('message', (message) => {
      clearTimeout(timer);
      resolve(message);
    });
    process.once('disconnect', () => {
      clearTimeout(timer);
      reject(new Error('the running process has gone'));
    });
  });
}

/** Resolves when it is on its way, or when nobody is there to hear it. */
function say(answer: Answer): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(answer, undefined, undefined, () => resolve());
  });
}
