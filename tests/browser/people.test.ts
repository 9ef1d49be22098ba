import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath } from '../support/chromium-path.ts';
import { drop, launch, openPage, verdict } from './chromium.ts';
import { made, pin } from './sessions.ts';

const path = chromiumPath();
const skip = path === null ? 'there is no Chromium on this machine' : false;
let browser: Browser;
before(async () => {
  if (path !== null) browser = await launch(path);
});
after(() => browser?.close());

/** The name of what has the focus, for a screen reader. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute('aria-label') ?? element?.textContent ?? '';
  });
}

/** Presses Tab until the focus is on something with that name. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let i = 0; i < 60; i++) {
    if (name.test(await focused(page))) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the tab key does not lead to ${name}`);
}

test('everything is done with the keyboard: choosing files, walking the chain, opening and closing a link', {
  skip,
}, async () => {
  const good = await made(9);
  const { page } = await openPage(browser);
  await tabTo(page, /^Choose files/);
  const asked = page.waitForEvent('filechooser');
  await page.keyboard.press('Enter');
  await (await asked).setFiles([
    { name: good.file.name, mimeType: 'application/json', buffer: Buffer.from(good.file.text) },
  ]);
  await verdict(page, 'unverified');
  await tabTo(page, /^Vendor root/);
  await page.keyboard.press('ArrowRight');
  assert.match(await focused(page), /^Hardware, software-only: asserted/);
  await page.keyboard.press('ArrowDown');
  assert.match(await focused(page), /^1 files\.read/);
  await page.keyboard.press('End');
  assert.match(await focused(page), /^10 Tip: session end: asserted/);
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  assert.match(await focused(page), /^Entry 9: tool call/);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'panel-title');
  await tabTo(page, /^Hex$/);
  await page.keyboard.press('Space');
  assert.match((await page.locator('.panel pre').textContent()) ?? '', /^00000000 {2}7b 22/);
  await page.keyboard.press('Escape');
  assert.match(await focused(page), /^9 files\.read/);
  assert.equal(await page.locator('.panel').count(), 0);
  await page.keyboard.press('Home');
  assert.match(await focused(page), /^Vendor root/);
  await tabTo(page, /^Show what tampering does/);
  await page.keyboard.press('Enter');
  await verdict(page, 'refused');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'demonstration-title');
});

test('a screen reader finds landmarks, headings, names with outcomes, and hears the verdict', { skip }, async () => {
  const good = await made(2);
  const { page } = await openPage(browser);
  assert.equal(await page.getByRole('status').first().textContent(), '');
  await drop(page, [good.file]);
  await verdict(page, 'unverified');
  assert.match((await page.getByRole('status').first().textContent()) ?? '', /^Consistent, not verified\. /);
  const tree = await page.locator('body').ariaSnapshot();
  const lines = [
    /- banner:/,
    /- main:/,
    /- contentinfo:/,
    /- form "What you expect"/,
    /- region "Consistent, not verified"/,
    /- heading "Verify a session" \[level=1\]/,
    /- heading "Consistent, not verified" \[level=2\]/,
    /- group "The chain"/,
    /button "Vendor root: not checked"/,
    /button "1 files\.read, allow: asserted"/,
    /- heading "Three questions" \[level=2\]/,
    /- table "All checks"/,
    /- columnheader "Outcome"/,
    /rowheader "Did the key in the claim sign it\? claim\.signature"/,
    /textbox "Policy hash --policy-hash"/,
    /checkbox "Accept a software key/,
  ];
  assert.deepEqual(
    lines.filter((line) => !line.test(tree)),
    [],
    tree,
  );
  assert.deepEqual(await unnamed(page), [], 'every control has a name');
});

/** Controls without a name. */
function unnamed(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('button, a, input:not([hidden])')]
      .filter((control) => {
        const label = control instanceof HTMLInputElement ? control.labels?.[0]?.textContent : control.textContent;
        return (control.getAttribute('aria-label') ?? label ?? '').trim() === '';
      })
      .map((control) => control.outerHTML),
  );
}

test('every outcome is said in words where it is shown in colour', { skip }, async () => {
  const good = await made(9);
  const { page } = await openPage(browser);
  await drop(page, [good.file]);
  await verdict(page, 'unverified');
  const silent = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('.node, .counts li, tr[data-outcome], .steps > li')]
      .filter((element) => {
        const words = `${element.getAttribute('aria-label')} ${element.textContent}`;
        return !words.includes(element.dataset.outcome ?? '?');
      })
      .map((element) => element.outerHTML.slice(0, 120)),
  );
  assert.deepEqual(silent, []);
});

test('the tamper demonstration shows which check fails, says that it is one, and is undone [UX-06]', {
  skip,
}, async () => {
  const good = await made(9);
  const { page } = await openPage(browser);
  await drop(page, [good.file]);
  await pin(page, good);
  await verdict(page, 'verified');
  const fragile = { 'entry-4': 'chain.hashes', claim: 'claim.signature', key: 'claim.signature' };
  for (const [node, check] of Object.entries(fragile)) {
    await page.locator(`[data-node="${node}"]`).click();
    await page.getByRole('button', { name: 'Demonstration: flip one byte here' }).click();
    await verdict(page, 'refused');
    await page.getByRole('heading', { name: 'Demonstration, not your file' }).waitFor();
    assert.equal(await page.locator(`[data-check="${check}"]`).getAttribute('data-outcome'), 'failed', node);
    assert.ok((await page.locator('.noticed li').count()) > 0);
    await page.getByRole('button', { name: 'Undo the change' }).click();
    await verdict(page, 'verified');
  }
  assert.equal(await page.locator('.demonstration').count(), 0);
});

test('the three questions open to their checks, and every check is in one of them and in the table [UX-03] [UX-01]', {
  skip,
}, async () => {
  const good = await made(2);
  const { page } = await openPage(browser);
  await drop(page, [good.file]);
  await verdict(page, 'unverified');
  const steps = page.locator('.steps > li');
  assert.deepEqual(await steps.locator('strong').allTextContents(), [
    'The runtime is genuine',
    'The code matches what was published',
    'The records are complete',
  ]);
  for (const summary of await steps.locator('summary').all()) await summary.click();
  const inSteps = await steps.locator('.question').allTextContents();
  const inTable = await page.locator('tbody th bdi:first-child').allTextContents();
  assert.ok(inTable.length > 30);
  assert.deepEqual(inSteps.toSorted(), inTable.filter((text) => text.endsWith('?')).toSorted());
  const residual = await page.locator('.residual li').allTextContents();
  assert.match(residual.join(' '), /Other sessions: not checked/);
});

test('light and dark, wide and narrow: nothing is cut off, and text stands out from its ground', { skip }, async () => {
  const good = await made(9);
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-page-'));
  try {
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 380],
    ] as const) {
      const { page } = await openPage(browser, { colorScheme, viewport: { width, height: 900 } });
      await drop(page, [good.file]);
      await pin(page, good);
      await verdict(page, 'verified');
      await page.locator('[data-node="entry-2"]').click();
      const shot = join(folder, `${colorScheme}-${width}.png`);
      await page.screenshot({ path: shot });
      assert.ok((await stat(shot)).size > 20_000);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(wide, false, `no sideways scrolling at ${width}`);
      assert.deepEqual(await faint(page), [], `contrast, ${colorScheme}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Texts whose contrast to what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3). */
function faint(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    /** The colour that is painted when `colors` lie on each other, as linear luminance. */
    const luminance = (colors: string[]): number => {
      if (canvas === null) return 0;
      for (const color of colors) {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
      }
      const [r = 0, g = 0, b = 0] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) => {
        const part = byte / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const texts = [...document.querySelectorAll<HTMLElement>('body *')].filter(
      (element) =>
        element.checkVisibility() &&
        !element.classList.contains('visually-hidden') &&
        [...element.childNodes].some((node) => node.nodeType === 3 && (node.textContent ?? '').trim() !== ''),
    );
    return texts.flatMap((element) => {
      const grounds: string[] = [];
      for (let at: Element | null = element; at !== null; at = at.parentElement)
        grounds.unshift(getComputedStyle(at).backgroundColor);
      const ground = luminance(grounds);
      const text = luminance([...grounds, getComputedStyle(element).color]);
      const contrast = (Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05);
      return contrast < 4.5 ? [`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 100)}`] : [];
    });
  });
}
