import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runPage } from './support/page.ts';

test('every command of the quickstart works, in the order of the page', async () => {
  const { code, text } = await runPage('docs/quickstart.md', '/tmp/cmcp-quickstart');
  assert.equal(code, 0, text);
  assert.match(text, /hello from a file/);
  assert.match(text, /TOOL_NOT_IN_CATALOG/);
  assert.match(text, /Drafts are private/);
  assert.match(text, /verified/i);
  assert.match(text, /refused/i);
});
