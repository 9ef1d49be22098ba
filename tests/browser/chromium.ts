import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** The page as it is built, by its file: URL. */
export const PAGE_URL = new URL('../../packages/console/dist/verify.html', import.meta.url).href;

export function launch(executablePath: string): Promise<Browser> {
  // Containers give Chromium no sandbox of its own.
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** The verification page, and what it did that it must not do. */
export interface OpenPage {
  page: Page;
  /** What was asked for, other than the page's own file. */
  requests: string[];
  /** Console messages and uncaught errors: the browser reports violations of the page's policy there. */
  complaints: string[];
}

export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
  url = PAGE_URL,
): Promise<OpenPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  // Said before anything is asked for: Chromium then never opens a dialog of its own.
  page.on('filechooser', () => undefined);
  await page.goto(url);
  requests.splice(0, requests.length, ...requests.filter((asked) => asked !== url));
  return { page, requests, complaints };
}

/** A file to give to the page. */
export interface TestFile {
  name: string;
  text: string | Uint8Array;
}

/** Chooses files with the button called `name`, as a person would. */
export async function choose(page: Page, name: string | RegExp, files: readonly TestFile[]): Promise<void> {
  const asked = page.waitForEvent('filechooser');
  await page.getByRole('button', { name }).click();
  await (await asked).setFiles(files.map(payload));
}

/** Drops files on the page. */
export async function drop(page: Page, files: readonly TestFile[]): Promise<void> {
  const given = files.map(({ name, text }) => ({ name, base64: Buffer.from(text).toString('base64') }));
  const data = await page.evaluateHandle((parts) => {
    const transfer = new DataTransfer();
    for (const { name, base64 } of parts) {
      transfer.items.add(new File([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))], name));
    }
    return transfer;
  }, given);
  await page.locator('main').dispatchEvent('drop', { dataTransfer: data });
}

function payload({ name, text }: TestFile): { name: string; mimeType: string; buffer: Buffer } {
  return { name, mimeType: 'application/octet-stream', buffer: Buffer.from(text) };
}

/** Waits until the page shows that verdict, and no older one. */
export async function verdict(page: Page, word: 'verified' | 'unverified' | 'refused'): Promise<void> {
  await page.locator(`.results[aria-busy="false"] [data-verdict="${word}"]`).waitFor();
}

/** The report that the page offers for download, as it is written. */
export async function downloadedReport(page: Page): Promise<string> {
  const started = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download the report' }).click();
  const stream = await (await started).createReadStream();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString();
}

/** The page's file on disk. */
export const PAGE_FILE = fileURLToPath(PAGE_URL);

/** A copy of the page whose script has `to` in the place of `from`, and whose policy has the hash of that script. */
export async function alteredPage(folder: string, from: string, to: string): Promise<string> {
  const page = await readFile(PAGE_FILE, 'utf8');
  assert.ok(page.includes(from));
  const html = page.replace(from, to);
  const script = html.split(/<script>|<\/script>/)[1] ?? '';
  const hash = createHash('sha256').update(script).digest('base64');
  const file = join(folder, `${hash.replaceAll('/', '_')}.html`);
  await writeFile(file, html.replace(/(script-src 'sha256-)[^']+/, `$1${hash}`));
  return pathToFileURL(file).href;
}
