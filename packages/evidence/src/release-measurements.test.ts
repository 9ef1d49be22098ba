import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { encodeBase64Url } from './bytes/base64url.ts';
import { encodeUtf8 } from './bytes/utf8.ts';
import { FormatError } from './format-error.ts';
import { canonicalJcs } from './json/canonical.ts';
import type { JsonObject } from './json/value.ts';
import { readReleaseMeasurements } from './release-measurements.ts';

const hash = (letter: string): string => `sha256:${letter.repeat(64)}`;
const INTEGRITY = `sha512-${'A'.repeat(86)}==`;
const CODE = {
  platform: 'linux-x64',
  node_version: '24.21.0',
  node: hash('1'),
  packages: hash('2'),
  lockfile: hash('3'),
  launch: hash('4'),
  digest: hash('5'),
};
const DOCUMENT = {
  format: 'cmcp-measurements/1',
  version: '0.1.0',
  commit: 'a'.repeat(40),
  packages: [
    { name: '@cmcp/cli', version: '0.1.0', file: 'cmcp-cli-0.1.0.tgz', sha256: 'b'.repeat(64), integrity: INTEGRITY },
  ],
  dependencies: [{ name: 'yaml', version: '2.9.1', integrity: INTEGRITY }],
  code: [CODE, { ...CODE, platform: 'linux-arm64', lockfile: null }],
};
const publisher = generateKeyPairSync('ed25519');
const x = String(publisher.publicKey.export({ format: 'jwk' }).x);

function signed(document: JsonObject): JsonObject {
  const signature = sign(null, encodeUtf8(canonicalJcs(document)), publisher.privateKey);
  return { ...document, signature: encodeBase64Url(Uint8Array.from(signature)) };
}

const read = (document: JsonObject, key = x): Promise<unknown> =>
  readReleaseMeasurements(JSON.stringify(document), key, 'publisher.jwk');

test('measurements of a release are read when the publisher signed them', async () => {
  assert.deepEqual(await read(signed(DOCUMENT)), DOCUMENT);
  // Where a member stands, and how the file is written, is not what was signed.
  const { signature, ...others } = signed(DOCUMENT);
  assert.deepEqual(await read({ signature: signature ?? '', ...others }), DOCUMENT);
});

test('measurements that another key signed, that nobody signed or that were changed are refused', async () => {
  const other = String(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x);
  const whole = signed(DOCUMENT);
  const { signature: _signature, ...unsigned } = whole;
  const changed = { ...whole, code: [{ ...CODE, digest: hash('6') }] };
  for (const wrong of [unsigned, changed, { ...whole, signature: 'AAAA' }])
    await assert.rejects(read(wrong), FormatError);
  await assert.rejects(read(whole, other), /publisher\.jwk|signature/);
});

test('measurements of another form are refused, though the publisher signed them', async () => {
  const wrong: JsonObject[] = [
    { ...DOCUMENT, format: 'cmcp-measurements/2' },
    { ...DOCUMENT, commit: 'HEAD' },
    { ...DOCUMENT, surprise: 1 },
    { ...DOCUMENT, code: [{ ...CODE, digest: '5'.repeat(64) }] },
    { ...DOCUMENT, code: [{ ...CODE, lockfile: 'none' }] },
    { ...DOCUMENT, dependencies: [{ name: 'yaml', version: '2.9.1' }] },
    { ...DOCUMENT, packages: 'none' },
  ];
  for (const document of wrong) await assert.rejects(read(signed(document)), FormatError, JSON.stringify(document));
  await assert.rejects(readReleaseMeasurements('[]', x, 'publisher.jwk'), FormatError);
  await assert.rejects(readReleaseMeasurements('{"a":1,"a":1}', x, 'publisher.jwk'), FormatError);
});
