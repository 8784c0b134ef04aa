// A real Chromium for the tests of the console, driven by Playwright's core: the system's browser, none of its own. A page here keeps
// what it complained of and whom it asked, so that every test can end with "and nothing else happened".

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
const START_TIMEOUT_MS = 30_000;

/** Path of a Chromium on PATH. Throws with the command that installs one. */
export function chromiumPath(): string {
  for (const directory of (process.env.PATH ?? '').split(':')) {
    for (const name of NAMES) if (existsSync(join(directory, name))) return join(directory, name);
  }
  throw new Error('this test needs a browser: apt-get install chromium');
}

export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    args: [...FLAGS, ...QUIET],
    timeout: START_TIMEOUT_MS,
  });
}

/** What a page said and did, since the start or the last `forget`. */
export interface Watched {
  readonly page: Page;
  /** Errors of scripts, refused resources, violations of the policy. */
  readonly complaints: string[];
  /** URLs asked for at any other origin than the page's own. */
  readonly foreign: string[];
  forget(): void;
}

/** A new page of the context that may only speak to `origin`. */
export async function watchedPage(context: BrowserContext, origin: string): Promise<Watched> {
  const complaints: string[] = [];
  const foreign: string[] = [];
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.origin !== origin) foreign.push(request.url());
  });
  // Told as an error of the page, so that it is found with the others.
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (e) => reportError(new Error(e.violatedDirective + ' forbids ' + e.blockedURI)))",
  );
  return {
    page,
    complaints,
    foreign,
    forget() {
      complaints.length = 0;
      foreign.length = 0;
    },
  };
}
