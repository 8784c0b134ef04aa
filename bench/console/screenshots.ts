// docs/screenshots: every view, light and dark, on a desk and on a phone, with 60 endpoints in 20 regions under traffic.

import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import type { DecisionRecord } from '../../src/control/decisions/record.ts';
import { CONTENT, contextOf, type Look, openConsole, VIEWS } from './pages.ts';
import { packed } from './png.ts';
import type { Rig } from './rig.ts';

const FOLDER = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));
const LOOKS: readonly Look[] = (['light', 'dark'] as const).flatMap((scheme) => [
  { scheme, width: 1440, height: 900 },
  { scheme, width: 390, height: 1240 },
]);
/** So that the series have something to show. */
const WATCHED_MS = 40_000;
/** Numbers and widths move into place. */
const SETTLE_MS = 1300;

/** Files and their sizes. */
export async function takeScreenshots(rig: Rig, browser: Browser): Promise<{ file: string; bytes: number }[]> {
  mkdirSync(FOLDER, { recursive: true });
  const taken: { file: string; bytes: number }[] = [];
  const pages: [Look, Page][] = [];
  for (const look of LOOKS) pages.push([look, await openConsole(await contextOf(browser, look), rig.admin)]);
  await sleep(WATCHED_MS);
  for (const [view, link] of Object.entries(VIEWS)) {
    const hash = link.replace('{decision}', await tellingDecision(rig));
    await Promise.all(pages.map(([, page]) => show(page, view, hash)));
    await sleep(SETTLE_MS);
    for (const [look, page] of pages) {
      const file = `${view}-${look.scheme}-${look.width}.png`;
      const picture = packed(await page.screenshot());
      writeFileSync(FOLDER + file, picture);
      taken.push({ file, bytes: picture.length });
    }
  }
  for (const [, page] of pages) await page.context().close();
  return taken;
}

async function show(page: Page, view: string, hash: string): Promise<void> {
  if (view !== 'overview') await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.locator(`.view-${hash.split(/[#/?]+/)[1] || 'overview'}`).waitFor();
  await page.locator(CONTENT[view]!).first().waitFor();
}

/** Id of a recent one that was a real choice: several compared, and one of them far away. */
async function tellingDecision(rig: Rig): Promise<string> {
  const all = await rig.json<DecisionRecord[]>('/api/v1/decisions?limit=200');
  const isTelling = ({ route, drawn, outcome, role }: DecisionRecord) =>
    route === 'us.shop' && drawn.length > 2 && outcome === 'ok' && role === 'band';
  return (all.find(isTelling) ?? all[0])!.id;
}
