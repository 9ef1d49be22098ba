import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../../../tests/support/policy.ts';
import { publishKey, rememberKey } from './publish-key.ts';

const KEY = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
const OTHER = '_U-QEihgHUDrASlXgJ4yIUOW-aqHzk0tPhbj8evp5J0';

test('the public half of the claim key is published as a JWK, for anybody to read', async (t) => {
  const folder = join(await temporaryFolder(t), 'keys');
  const file = await publishKey(folder, KEY);
  const { kid, ...jwk } = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>;
  assert.deepEqual(jwk, { kty: 'OKP', crv: 'Ed25519', x: KEY });
  assert.equal(file, join(folder, `${kid}.jwk`));
  assert.match(String(kid), /^cmcp-[0-9a-f]{8}$/);
  assert.equal((await stat(file)).mode & 0o777, 0o644);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
});

test('keys of this user are remembered, one a line, by nobody else', async (t) => {
  const file = join(await temporaryFolder(t), 'cmcp', 'known_keys');
  await rememberKey(file, KEY, '2026-01-01');
  await rememberKey(file, OTHER, '2026-01-02');
  assert.equal(await readFile(file, 'utf8'), `${KEY} 2026-01-01\n${OTHER} 2026-01-02\n`);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});
