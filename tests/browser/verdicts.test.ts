import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { stringifyJson } from '../../packages/evidence/src/index.ts';
import { makeSession, newKey, seal, split } from '../../packages/evidence/src/testing/session.ts';
import { chromiumPath } from '../support/chromium-path.ts';
import { alteredPage, choose, drop, launch, openPage, verdict } from './chromium.ts';
import { calls, made, pin } from './sessions.ts';

const path = chromiumPath();
const skip = path === null ? 'there is no Chromium on this machine' : false;
let browser: Browser;
before(async () => {
  if (path !== null) browser = await launch(path);
});
after(() => browser?.close());

test('a session that is dropped is consistent and not verified, until everything it lacks is given', {
  skip,
}, async () => {
  const good = await made(9);
  const { page, requests, complaints } = await openPage(browser);
  await drop(page, [good.file]);
  await verdict(page, 'unverified');
  const title = page.locator('#verdict-title');
  assert.equal(await title.textContent(), 'Consistent, not verified');
  await page.getByRole('button', { name: '--policy-hash sha256:…' }).click();
  assert.equal(
    await page.getByRole('textbox', { name: 'Policy hash' }).evaluate((field) => field === document.activeElement),
    true,
  );
  await pin(page, good);
  await verdict(page, 'verified');
  assert.equal(await title.textContent(), 'Accepted with relaxations');
  assert.match((await page.locator('.relaxed').textContent()) ?? '', /--accept-software/);
  assert.equal(await page.locator('.lacking').count(), 0);
  assert.deepEqual(complaints, []);
  assert.deepEqual(
    requests.filter((url) => !url.startsWith('blob:')),
    [],
  );
});

test('a key that came along is trusted only when the person says so', { skip }, async () => {
  const good = await made(1);
  const { page } = await openPage(browser);
  await drop(page, [good.file, good.keyFile]);
  await page.getByRole('textbox', { name: 'Policy hash' }).fill(good.session.claim.trace.policy.bundle_hash);
  await page.getByRole('textbox', { name: 'Catalog hash' }).fill(good.session.claim.gateway.catalog.hash);
  await page.getByLabel('Accept a software key').check();
  await verdict(page, 'unverified');
  assert.equal(await page.locator('[data-check="key.pinned"]').getAttribute('data-outcome'), 'asserted');
  await page.getByRole('button', { name: 'Trust this key' }).click();
  await verdict(page, 'verified');
  await page.getByRole('button', { name: 'Remove gateway.jwk' }).click();
  await verdict(page, 'unverified');
});

test('a tampered session is refused, and the picture is broken where the record is', { skip }, async () => {
  const good = await made(9);
  const entry = good.session.bundle.entries[4];
  assert.ok(entry);
  entry.tool_name = 'files.write';
  const { page } = await openPage(browser);
  await drop(page, [{ name: 'tampered.cmcp.json', text: stringifyJson(good.session) }]);
  await verdict(page, 'refused');
  assert.equal(await page.locator('#verdict-title').textContent(), 'Refused');
  const outcomeOf = (node: string) => page.locator(`[data-node="${node}"]`).getAttribute('data-outcome');
  assert.equal(await outcomeOf('entry-3'), 'asserted');
  assert.equal(await outcomeOf('entry-4'), 'failed');
  assert.equal(await outcomeOf('entry-5'), 'not checked');
  assert.equal(await page.locator('[data-check="chain.hashes"]').getAttribute('data-outcome'), 'failed');
});

test('where values went is shown, each edge with how it is known, and nothing where there is nothing to show [L-09]', {
  skip,
}, async () => {
  const key = await newKey();
  const session = await makeSession(key, [
    { kind: 'allow', tool: 'crm.read', domain: 'pii', dataClass: 'pii' },
    { kind: 'allow', tool: 'mail.send', domain: 'external', dataClass: 'public', sources: ['pii'] },
  ]);
  const { page } = await openPage(browser);
  await drop(page, [{ name: 'flow.cmcp.json', text: stringifyJson(session) }]);
  await verdict(page, 'unverified');
  const cells = async (name: string): Promise<string[]> =>
    await page.getByRole('table', { name }).locator('tbody td').allTextContents();
  assert.deepEqual(await cells('Calls that carried values of earlier answers'), [
    ...['2', 'mail.send', 'pii.read', 'pii', 'yes', 'allow'],
  ]);
  assert.deepEqual(await cells('Crossings between domains'), [
    ...['2', 'mail.send', 'pii', 'external', 'observed', 'allow'],
    ...['2', 'mail.send', 'pii', 'external', 'temporal', 'allow'],
  ]);
  const { page: other } = await openPage(browser);
  await drop(other, [(await made(2)).file]);
  await verdict(other, 'unverified');
  assert.equal(await other.getByRole('heading', { name: 'Where values went' }).count(), 0);
});

test('a file sealed again with another key has the trusted key against it', { skip }, async () => {
  const good = await made(3);
  await seal(good.session, await newKey());
  const { page } = await openPage(browser);
  await pin(page, good);
  await drop(page, [{ name: 'resealed.cmcp.json', text: stringifyJson(good.session) }]);
  await verdict(page, 'refused');
  assert.equal(await page.locator('[data-node="key"]').getAttribute('data-outcome'), 'failed');
});

test('a software session has neither the green nor the word of a verified one [UX-09]', { skip }, async () => {
  const good = await made(9);
  const { page } = await openPage(browser, { colorScheme: 'light' });
  await drop(page, [good.file]);
  await pin(page, good);
  await verdict(page, 'verified');
  assert.equal(await page.getByRole('heading', { name: /^Verified/ }).count(), 0);
  assert.equal(await page.locator('.picture [data-outcome="proven"]').count(), 0);
  const green = await page.evaluate(() => {
    const probe = document.createElement('i');
    probe.className = 'probe';
    probe.dataset.tone = 'good';
    probe.style.color = 'var(--green)';
    document.body.append(probe);
    const wanted = getComputedStyle(probe).color;
    probe.remove();
    const used = [...document.querySelectorAll('*')].filter((element) => {
      const { color, fill, backgroundColor, borderInlineStartColor } = getComputedStyle(element);
      return [color, fill, backgroundColor, borderInlineStartColor].includes(wanted);
    });
    return { wanted, used: used.map((element) => element.outerHTML.slice(0, 80)) };
  });
  assert.match(green.wanted, /^rgb/);
  assert.deepEqual(green.used, []);
});

test('a long session comes with its entries beside it, and without them says which file is missing', {
  skip,
}, async () => {
  const key = await newKey();
  const { session, entries } = split(await makeSession(key, calls(600)));
  const { page } = await openPage(browser);
  await drop(page, [{ name: 'long.cmcp.json', text: stringifyJson(session) }]);
  await verdict(page, 'unverified');
  assert.equal(await page.locator('[data-check="file.entries"]').getAttribute('data-outcome'), 'not checked');
  await choose(page, 'Add files…', [{ name: 'beside.cmcp.ndjson', text: entries }]);
  await page.locator('[data-check="file.entries"][data-outcome="proven"]').waitFor();
  await page.getByRole('button', { name: /^Entries 301 to 400: asserted/ }).click();
  await page.getByRole('button', { name: /^333 / }).click();
  const raw = await page.locator('.panel pre').textContent();
  assert.equal(raw, entries.split('\n')[333]);
});

test('the reference’s claim and bundle are put together by session, whatever the order they come in', {
  skip,
}, async () => {
  const { session } = await made(3);
  const { page } = await openPage(browser);
  await drop(page, [{ name: 'bundle.json', text: stringifyJson(session.bundle) }]);
  await page.getByText('the claim of its session is missing').waitFor();
  await drop(page, [{ name: 'claim.json', text: stringifyJson(session.claim) }]);
  await verdict(page, 'unverified');
  assert.equal(await page.locator('[data-check="claim.signature"]').getAttribute('data-outcome'), 'proven');
});

test('several sessions are counted, and each has its verdict', { skip }, async () => {
  const [first, second] = [await made(2, 'first.cmcp.json'), await made(2, 'second.cmcp.json')];
  const { page } = await openPage(browser);
  await pin(page, first);
  await drop(page, [first.file, second.file]);
  await page.getByRole('heading', { name: '1 of 2 sessions' }).waitFor();
  await verdict(page, 'verified');
  await page
    .getByRole('button', { name: /second\.cmcp\.json/ })
    .and(page.locator('nav button'))
    .click();
  await verdict(page, 'refused');
});

test('receipts that a caller kept are looked for in the session that they name', { skip }, async () => {
  const { session, file } = await made(2);
  const entry = session.bundle.entries[2];
  const kept = { call_id: entry?.call_id, session_id: session.claim.gateway.session_id, sequence: 2 };
  const { page } = await openPage(browser);
  await drop(page, [file, { name: 'kept.json', text: JSON.stringify([{ 'io.cmcp/call': kept }]) }]);
  await page.locator('[data-check="receipt.1"][data-outcome="proven"]').waitFor();
  await drop(page, [{ name: 'other.json', text: JSON.stringify({ ...kept, call_id: 'nowhere' }) }]);
  await page.locator('[data-check="receipt.2"][data-outcome="failed"]').waitFor();
});

test('a field that cannot be read takes the verdict away, instead of counting as empty', { skip }, async () => {
  const good = await made(1);
  const { page } = await openPage(browser);
  await drop(page, [good.file]);
  await verdict(page, 'unverified');
  await page.getByRole('textbox', { name: 'Policy hash' }).fill('sha256:12');
  await page.getByText('There is no verdict until').waitFor();
  assert.equal(await page.locator('[data-verdict]').count(), 0);
  assert.equal(await page.getByRole('textbox', { name: 'Policy hash' }).getAttribute('aria-invalid'), 'true');
});

test('what is no session is named as such, and what was meant as one is refused', { skip }, async () => {
  const { page } = await openPage(browser);
  await drop(page, [
    { name: 'holiday.jpg', text: Uint8Array.of(0xff, 0xd8, 0xff) },
    { name: 'broken.cmcp.json', text: '{"format":"cmcp-session/1"' },
  ]);
  await verdict(page, 'refused');
  await page.getByText('holiday.jpg').and(page.locator('.remarks bdi')).waitFor();
});

test('when the verifier stops, the page says so and shows no verdict, also not an older one', { skip }, async () => {
  const good = await made(1);
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-page-'));
  try {
    const url = await alteredPage(folder, '"sessions.others"', '(()=>{throw new Error("out of order")})()');
    const { page } = await openPage(browser, {}, url);
    await drop(page, [{ name: 'broken.cmcp.json', text: '{' }]);
    await verdict(page, 'refused');
    await drop(page, [good.file]);
    await page.getByText('The verifier stopped, so there is no verdict').waitFor();
    assert.equal(await page.locator('[data-verdict]').count(), 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
