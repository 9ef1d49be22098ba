import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verifyEd25519 } from './crypto/ed25519.ts';
import { stringifyJson, verify } from './index.ts';
import { onEngine, throwing } from './testing/engine.ts';
import { CATALOG_HASH, makeSession, newKey, POLICY_HASH } from './testing/session.ts';

test('the package imports nothing but itself and its three libraries, so that it runs in a browser', () => {
  const root = fileURLToPath(new URL('.', import.meta.url));
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('testing'),
  );
  assert.ok(sources.length > 20);
  for (const name of sources) {
    const text = readFileSync(join(root, name), 'utf8');
    for (const [, from = ''] of text.matchAll(/from '([^']+)'/g)) {
      assert.match(from, /^(\.\.?\/|@noble\/(hashes|post-quantum)\/|cborg$)/, `${name} imports ${from}`);
    }
    assert.doesNotMatch(text, /\b(process|Buffer|require|Date\.now|fetch)\b[.(]/, name);
  }
});

test('an engine without Ed25519 leaves signatures unchecked: the file is not verified, and not called forged [G24]', async () => {
  const key = await newKey();
  const file = stringifyJson(await makeSession(key));
  const pins = {
    keys: [{ x: key.x, source: 'given' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
  };
  assert.equal((await verify(file, pins)).verdict, 'verified');
  for (const engine of [undefined, throwing('NotSupportedError')]) {
    const report = await onEngine(engine, () => verify(file, pins));
    assert.equal(report.verdict, 'unverified');
    const unchecked = report.checks
      .filter((check) => check.required && check.outcome !== 'proven')
      .map((check) => check.id);
    assert.deepEqual(unchecked, ['claim.signature', 'bundle.signature', 'chain.checkpoints']);
  }
});

test('a key that an engine cannot import signs nothing', async () => {
  const key = await newKey();
  const message = Uint8Array.of(1, 2, 3);
  const signature = await key.sign(message);
  assert.equal(await verifyEd25519(key.x, signature, message), 'valid');
  assert.equal(await onEngine(throwing('DataError'), () => verifyEd25519(key.x, signature, message)), 'invalid');
});
