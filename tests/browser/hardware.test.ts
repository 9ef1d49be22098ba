import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { stringifyJson } from '../../packages/evidence/src/index.ts';
import { type HardwareSession, snpSession } from '../../packages/evidence/src/testing/hardware-session.ts';
import { CATALOG_HASH, newKey, POLICY_HASH } from '../../packages/evidence/src/testing/session.ts';
import { chromiumPath } from '../support/chromium-path.ts';
import { alteredPage, choose, drop, launch, openPage, verdict } from './chromium.ts';
import { calls } from './sessions.ts';

const path = chromiumPath();
const skip = path === null ? 'there is no Chromium on this machine' : false;
let browser: Browser;
let folder: string;
let session: HardwareSession;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-page-'));
  session = await snpSession(await newKey(), calls(6));
  if (path !== null) browser = await launch(path);
});
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

const AMD_MILAN = '69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd';

async function pinHardware(page: Page): Promise<void> {
  await page.getByRole('textbox', { name: 'Policy hash' }).fill(POLICY_HASH);
  await page.getByRole('textbox', { name: 'Catalog hash' }).fill(CATALOG_HASH);
  await page.getByRole('textbox', { name: /^Measurement/ }).fill(session.measurement);
  await drop(page, [{ name: 'hardware.cmcp.json', text: stringifyJson(session.file) }]);
}

const outcomes = (page: Page): Promise<(string | undefined)[]> =>
  page
    .locator('.picture [data-node]')
    .evaluateAll((nodes) => nodes.map((node) => (node as HTMLElement).dataset.outcome));

test('a session on hardware under the root of its maker is verified, and green from that root to the tip', {
  skip,
}, async () => {
  // The page as it would be if AMD's root were the one that the test made.
  const url = await alteredPage(folder, AMD_MILAN, session.root.fingerprint);
  const { page, complaints } = await openPage(browser, { colorScheme: 'light' }, url);
  await pinHardware(page);
  await verdict(page, 'verified');
  assert.equal(await page.locator('#verdict-title').textContent(), 'Verified');
  assert.deepEqual(await outcomes(page), Array(12).fill('proven'));
  assert.deepEqual(
    await page
      .locator('.steps > li')
      .evaluateAll((steps) => steps.map((step) => (step as HTMLElement).dataset.outcome)),
    ['proven', 'proven', 'proven'],
  );
  const color = await page.locator('#verdict-title').evaluate((title) => getComputedStyle(title).color);
  assert.equal(color, 'rgb(23, 113, 63)');
  await page.locator('[data-node="hardware"]').click();
  assert.match((await page.locator('.panel pre').first().textContent()) ?? '', /^SEV-SNP attestation report\n/);
  assert.deepEqual(complaints, []);
});

test('the page as it ships refuses hardware evidence of a root that no maker vouches for', { skip }, async () => {
  const { page } = await openPage(browser);
  await pinHardware(page);
  await verdict(page, 'refused');
  assert.equal(await page.locator('[data-check="hardware.sev-snp.chain"]').getAttribute('data-outcome'), 'failed');
});

test('a root of the operator counts when the person gives and accepts it, and is never green [UX-09]', {
  skip,
}, async () => {
  const { page } = await openPage(browser);
  await page.getByText('More expectations').click();
  const { certificate } = session.root;
  assert.ok(certificate);
  await choose(page, 'Add a file… Roots that you trust', [{ name: 'root.der', text: certificate }]);
  await pinHardware(page);
  await verdict(page, 'unverified');
  const lacking = page.locator('.lacking button');
  assert.deepEqual(await lacking.allTextContents(), ['--accept-operator-root']);
  await lacking.last().click();
  await page.keyboard.press('Space');
  await verdict(page, 'verified');
  assert.equal(await page.locator('#verdict-title').textContent(), 'Accepted with relaxations');
  assert.deepEqual(await outcomes(page), Array(12).fill('asserted'));
});
