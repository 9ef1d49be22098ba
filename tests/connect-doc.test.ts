import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runPage } from './support/page.ts';

test('every command of the page about connecting works: a checked gateway is spoken to, an unexpected one is not', async () => {
  const { code, text } = await runPage('docs/connect.md', '/tmp/cmcp-connect');
  assert.equal(code, 0, text);
  assert.match(text, /Echo: hello/);
  assert.match(text, /cmcp connect: checked: .*No hardware vouches for it/s);
  assert.match(text, /"reason":"not_attested"/);
  assert.match(text, /exit code 1/);
});
