// Pages of the console in a real Chromium: opened until they are live, and asked what they cost. What a browser alone knows
// (paints, bytes on the wire, heap) comes from its own timing and DevTools protocol.

import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
}

const LIVE_TIMEOUT_MS = 30_000;

/** Every view, as a link; `{decision}` stands for a decision's id. */
export const VIEWS: Readonly<Record<string, string>> = {
  overview: '#/',
  endpoints: '#/endpoints',
  endpoint: '#/endpoints/us-east-1a',
  pools: '#/pools',
  decisions: '#/decisions',
  decision: '#/decisions/{decision}',
  explain: '#/explain?client=99.224.6.17&host=us.shop.example.com&path=%2F',
  evacuate: '#/evacuate?region=aws%3Aeu-central-1',
  events: '#/events',
};
/** What is there once a view has its content. */
export const CONTENT: Readonly<Record<string, string>> = {
  overview: '.map .place',
  endpoints: 'tbody tr:visible',
  endpoint: 'tbody tr:visible',
  pools: '#view > *',
  decisions: '.stream tbody tr[data-id]',
  decision: '.terms tbody tr',
  explain: '.terms tbody tr',
  evacuate: '.loads tbody tr',
  events: '#view > *',
};

export async function contextOf(browser: Browser, { width, height, scheme }: Look): Promise<BrowserContext> {
  return browser.newContext({ viewport: { width, height }, colorScheme: scheme });
}

/** Resolves when the stream has told its first numbers. */
export async function openConsole(context: BrowserContext, admin: string, hash = '#/'): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`the page failed: ${error.message}`));
  await page.goto(`${admin}/ui/${hash}`);
  await page.getByText('live', { exact: true }).waitFor({ timeout: LIVE_TIMEOUT_MS });
  return page;
}

/** Durations of the page's updates by ticks since its start, ms. */
export function updatesOf(page: Page): Promise<number[]> {
  return page.evaluate(
    `performance.getEntriesByName('fermat:update').filter(({ detail }) => detail === 'tick').map(({ duration }) => duration)`,
  );
}

/** Tasks of 50 ms and more since the page's start, ms each. To be called before any of them. */
export async function watchLongTasks(context: BrowserContext): Promise<void> {
  await context.addInitScript(`
    globalThis.longTasks = [];
    new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => duration)))
      .observe({ type: 'longtask', buffered: true });`);
}

export function longTasksOf(page: Page): Promise<number[]> {
  return page.evaluate('longTasks');
}

export interface Paint {
  readonly firstPaintMs: number;
  readonly firstContentfulPaintMs: number;
  readonly domContentLoadedMs: number;
}

export function paintOf(page: Page): Promise<Paint> {
  return page.evaluate(`(() => {
    const at = (name) => performance.getEntriesByName(name)[0]?.startTime ?? NaN;
    const [navigation] = performance.getEntriesByType('navigation');
    return {
      firstPaintMs: at('first-paint'),
      firstContentfulPaintMs: at('first-contentful-paint'),
      domContentLoadedMs: navigation.domContentLoadedEventEnd,
    };
  })()`);
}

/** Bytes used on the heap after a collection. */
export async function heapBytes(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  return usedSize;
}

export interface Transferred {
  /** Files, and their bytes as they came (heads and compressed bodies), without what the API answered. */
  readonly files: number;
  readonly bytes: number;
  readonly decodedBytes: number;
}

/** Counts what the page's assets weigh on the wire from now on. */
export async function countTransfers(session: CDPSession): Promise<() => Transferred> {
  const urls = new Map<string, string>();
  const counted = new Map<string, { bytes: number; decodedBytes: number }>();
  const isAsset = (id: string) => new URL(urls.get(id) ?? 'about:blank').pathname.startsWith('/ui/');
  const add = (id: string, bytes: number, decodedBytes: number) => {
    const sum = counted.get(id) ?? { bytes: 0, decodedBytes: 0 };
    counted.set(id, { bytes: sum.bytes + bytes, decodedBytes: sum.decodedBytes + decodedBytes });
  };
  session.on('Network.requestWillBeSent', ({ requestId, request }) => urls.set(requestId, request.url));
  session.on('Network.dataReceived', ({ requestId, dataLength }) => {
    if (isAsset(requestId)) add(requestId, 0, dataLength);
  });
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (isAsset(requestId)) add(requestId, encodedDataLength, 0);
  });
  await session.send('Network.enable');
  return () => {
    const all = [...counted.values()];
    return {
      files: all.length,
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      decodedBytes: all.reduce((sum, { decodedBytes }) => sum + decodedBytes, 0),
    };
  };
}
