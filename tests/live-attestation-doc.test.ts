import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runPage } from './support/page.ts';

test('every command of the page about live attestation works: an answer verifies, for its challenge only', async () => {
  const { code, text } = await runPage('docs/live-attestation.md', '/tmp/cmcp-live');
  assert.equal(code, 0, text);
  assert.match(text, /VERIFIED WITH accept: software/);
  assert.match(text, /REFUSED[\s\S]*it answers another challenge[\s\S]*exit code 1/);
});
