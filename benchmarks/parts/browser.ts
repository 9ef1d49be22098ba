import { readFile } from 'node:fs/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { stringifyJson } from '../../packages/evidence/src/index.ts';
import { CATALOG_HASH, makeSession, newKey, POLICY_HASH } from '../../packages/evidence/src/testing/session.ts';
import { choose, launch, openPage, PAGE_FILE } from '../../tests/browser/chromium.ts';
import { calls } from '../../tests/browser/sessions.ts';
import { chromiumPath } from '../../tests/support/chromium-path.ts';
import type { PageRow } from './page-cost.ts';
import { median } from './statistics.ts';

/** `node browser.ts ENTRIES RUNS`: measures the built page in Chromium and prints a PageRow as JSON. */
const [entries = '0', runs = '0'] = process.argv.slice(2);
console.log(JSON.stringify(await measurePage(Number(entries), Number(runs))));

/** A page of its own for each run: nothing is warm that would not be for a person. */
async function measurePage(entries: number, runs: number): Promise<PageRow> {
  const page = await readFile(PAGE_FILE);
  const size = { bytes: page.length, gzip_bytes: gzipSync(page).length, brotli_bytes: brotliCompressSync(page).length };
  const path = chromiumPath();
  if (path === null) return { ...size, entries, ms: null, ms_range: null };
  const key = await newKey();
  // session_start and session_end frame the calls.
  const session = stringifyJson(await makeSession(key, calls(entries - 2)));
  const browser = await launch(path);
  try {
    const times: number[] = [];
    for (let run = 0; run < runs; run += 1) times.push(await timeToVerdict(browser, session, key.x));
    return { ...size, entries, ms: median(times), ms_range: [Math.min(...times), Math.max(...times)] };
  } finally {
    await browser.close();
  }
}

/** Milliseconds from dropping the file to the verdict on the screen. @throws Error when the verdict is another one */
async function timeToVerdict(browser: Browser, session: string, x: string): Promise<number> {
  const { page } = await openPage(browser);
  await choose(page, 'Add a file… Keys that you trust', [{ name: 'gateway.key', text: x }]);
  await page.getByRole('textbox', { name: 'Policy hash' }).fill(POLICY_HASH);
  await page.getByRole('textbox', { name: 'Catalog hash' }).fill(CATALOG_HASH);
  await page.getByLabel('Accept a software key').check();
  const { took, verdict } = await page.evaluate(dropAndWait, session);
  await page.context().close();
  if (verdict !== 'verified') throw new Error(`the page says ${verdict}`);
  return Math.round(took);
}

/** Runs in the page. */
async function dropAndWait(session: string): Promise<{ took: number; verdict: string | undefined }> {
  const transfer = new DataTransfer();
  transfer.items.add(new File([session], 'long.cmcp.json'));
  const started = performance.now();
  document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
  const shown = await new Promise<HTMLElement>((resolve) => {
    const observer = new MutationObserver(() => {
      const found = document.querySelector<HTMLElement>('.results[aria-busy="false"] [data-verdict]');
      if (found !== null) resolve(found);
    });
    observer.observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  // What is in the document is on the screen after the next frame.
  await new Promise((resolve) => requestAnimationFrame(resolve));
  return { took: performance.now() - started, verdict: shown.dataset.verdict };
}
