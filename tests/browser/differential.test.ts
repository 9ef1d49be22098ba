import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { combine, stringifyJson, VENDOR_ANCHORS, verify } from '../../packages/evidence/src/index.ts';
import { makeSession, newKey, split } from '../../packages/evidence/src/testing/session.ts';
import { chromiumPath } from '../support/chromium-path.ts';
import { downloadedReport, drop, launch, openPage, type TestFile } from './chromium.ts';
import { calls, made, pin, pinned } from './sessions.ts';

const path = chromiumPath();
const skip = path === null ? 'there is no Chromium on this machine' : false;
let browser: Browser;
before(async () => {
  if (path !== null) browser = await launch(path);
});
after(() => browser?.close());

/** Files that belong together, and what Node is asked about them. */
interface Case {
  name: string;
  files: TestFile[];
  input: string | Uint8Array;
  entries?: Uint8Array;
}

function alone(name: string, text: string | Uint8Array): Case {
  const file = { name: `${name}.cmcp.json`, text };
  return { name: file.name, files: [file], input: text };
}

/** The text with one bit of one byte turned, at `share` of its length. */
function bent(text: string, share: number): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const at = Math.floor(bytes.length * share);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

test('the page and the library give the same report, byte for byte, on good, changed and broken files [UX-04]', {
  skip,
}, async () => {
  const good = await made(12);
  const text = stringifyJson(good.session);
  const { claim, bundle } = good.session;
  const long = split(await makeSession(await newKey(), calls(300)));
  const pair = { name: 'claim.json + bundle.json', input: combine(stringifyJson(claim), stringifyJson(bundle)) };
  const cases: Case[] = [
    alone('good', text),
    ...[0.03, 0.13, 0.31, 0.45, 0.66, 0.87, 0.94].map((share) => alone(`bent-${share}`, bent(text, share))),
    alone('cut', text.slice(0, -200)),
    alone('empty', ''),
    alone('list', '[]'),
    alone('random', crypto.getRandomValues(new Uint8Array(500))),
    alone('twice', text.replace('"claim":', '"claim":null,"claim":')),
    alone('prototype', text.replace('"evidence":', '"__proto__":{"verdict":"verified"},"evidence":')),
    alone('deep', `{"format":"cmcp-session/1","claim":${'['.repeat(50_000)}`),
    alone('lexeme', text.replace('"cmcp_v":1', '"cmcp_v":1.0')),
    alone('bidi', text.replaceAll('crm.lookup', '\u202ecrm.lookup')),
    {
      ...pair,
      files: [
        { name: 'claim.json', text: stringifyJson(claim) },
        { name: 'bundle.json', text: stringifyJson(bundle) },
      ],
    },
    {
      name: 'long.cmcp.json',
      files: [
        { name: 'long.cmcp.json', text: stringifyJson(long.session) },
        { name: 'beside.cmcp.ndjson', text: long.entries },
      ],
      input: stringifyJson(long.session),
      entries: new TextEncoder().encode(long.entries),
    },
  ];
  const { page, complaints } = await openPage(browser);
  await pin(page, good);
  await drop(
    page,
    cases.flatMap(({ files }) => files),
  );
  const names = page.locator('nav.sessions button');
  await names.nth(cases.length - 1).waitFor();
  assert.equal(await names.count(), cases.length);
  const expectations = { ...pinned(good), anchors: VENDOR_ANCHORS };
  const verdicts = new Set<string>();
  for (const { name, input, entries } of cases) {
    await names.filter({ hasText: name }).click();
    const report = await verify(input, expectations, entries === undefined ? {} : { entries });
    verdicts.add(report.verdict);
    assert.equal(await downloadedReport(page), JSON.stringify(report, null, 2), name);
  }
  assert.deepEqual([...verdicts].sort(), ['refused', 'verified']);
  assert.deepEqual(complaints, []);
});
