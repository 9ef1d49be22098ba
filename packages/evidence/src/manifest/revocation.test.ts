import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { canonicalManifest } from '../json/manifest-form.ts';
import type { JsonObject } from '../json/value.ts';
import {
  ed25519Signer,
  jsonBytes,
  type ManifestSigner,
  signCose,
  signJson,
  trusting,
  versionTwo,
  wholeManifest,
} from '../testing/manifest.ts';
import type { ManifestContext } from './context.ts';
import { isoformat, readRevocations } from './revocation.ts';
import { verifyManifest } from './verify.ts';

const [signer, authority] = [await ed25519Signer(), await ed25519Signer()];
const ID = String(wholeManifest().manifest_id);
const manifests = [jsonBytes(await signJson(wholeManifest(), signer)), await signCose(versionTwo(), signer)];

/** A line of a list, signed over the time as `signedAt` renders it. */
async function line(
  by: ManifestSigner,
  changes: JsonObject = {},
  signedAt = '2026-08-01T12:00:00+00:00',
): Promise<JsonObject> {
  const first = { manifest_id: ID, reason: 'key compromise', revoked_by: 'mailto:sec@example.com', ...changes };
  const message = encodeUtf8(canonicalManifest({ ...first, revoked_at: signedAt }));
  return {
    revoked_at: '2026-08-01T12:00:00Z',
    ...first,
    revocation_signature: encodeBase64Url(await by.sign(message)),
    signer_key_id: by.key.id,
  };
}

async function verdicts(lines: JsonObject[], context: Partial<ManifestContext> = {}): Promise<string[]> {
  const revocations = readRevocations(lines.map((one) => JSON.stringify(one)).join('\n'));
  const base = { ...trusting(signer), revocationKeys: [authority.key], revocations, ...context };
  return Promise.all(manifests.map(async (bytes) => (await verifyManifest(bytes, base)).result));
}

test('a list that a trusted key signed revokes, in both forms [D-45] [C-09]', async () => {
  assert.deepEqual(await verdicts([await line(authority)]), ['REVOKED', 'REVOKED']);
  assert.deepEqual(await verdicts([await line(authority, { manifest_id: ID.toUpperCase() })]), ['REVOKED', 'REVOKED']);
  assert.deepEqual(await verdicts([await line(signer)], { revocationKeys: undefined as never }), [
    'REVOKED',
    'REVOKED',
  ]);
});

test('a list without the manifest revokes nothing, and no list is reported as not checked', async () => {
  const other = await line(authority, { manifest_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5d' });
  assert.deepEqual(await verdicts([other]), ['VALID', 'VALID']);
  assert.deepEqual(await verdicts([]), ['VALID', 'VALID']);
  const report = await verifyManifest(manifests[0] ?? new Uint8Array(), trusting(signer));
  assert.equal(report.checks.find(({ id }) => id === 'manifest.revocation')?.outcome, 'not checked');
});

test('a forged line revokes nothing, and leaves a list behind that nobody can rely on', async () => {
  const good = await line(authority);
  const unsigned = { ...good, revocation_signature: null };
  for (const [name, forged] of Object.entries({
    'of an unknown key': await line(signer),
    'under the name of a known key': { ...(await line(signer)), signer_key_id: authority.key.id },
    'with another reason': { ...good, reason: 'none' },
    'with another time': { ...good, revoked_at: '2026-08-01T12:00:01Z' },
    'by somebody else': { ...good, revoked_by: 'mailto:x@example.com' },
    'in lax base64': { ...good, revocation_signature: `${good.revocation_signature}==` },
    unsigned,
    anonymous: { ...good, signer_key_id: null },
  })) {
    assert.deepEqual(await verdicts([forged]), ['UNVERIFIABLE', 'UNVERIFIABLE'], name);
    assert.deepEqual(await verdicts([forged, good]), ['REVOKED', 'REVOKED'], name);
  }
});

test('manifests that the relying party itself holds as revoked are revoked', async () => {
  assert.deepEqual(await verdicts([], { revoked: [ID] }), ['REVOKED', 'REVOKED']);
  assert.deepEqual(await verdicts([], { revoked: [] }), ['VALID', 'VALID']);
});

test('the time of a line is signed as Python renders it, whatever the list shows', async () => {
  for (const [shown, signed] of [
    ['2026-08-01T12:00:00Z', '2026-08-01T12:00:00+00:00'],
    ['2026-08-01T12:00:00.5Z', '2026-08-01T12:00:00.500000+00:00'],
    ['2026-08-01T12:00:00.123456Z', '2026-08-01T12:00:00.123456+00:00'],
    ['2026-08-01T12:00:00.000000+00:00', '2026-08-01T12:00:00+00:00'],
    ['2026-08-01T12:00:00-00:00', '2026-08-01T12:00:00+00:00'],
    ['2026-08-01T14:00:00+02:00', '2026-08-01T14:00:00+02:00'],
  ] as const) {
    assert.equal(isoformat(shown), signed);
    const shownSo = { ...(await line(authority, {}, signed)), revoked_at: shown };
    assert.deepEqual(await verdicts([shownSo]), ['REVOKED', 'REVOKED'], shown);
  }
});

test('a list is read whole or not at all', () => {
  const record = { manifest_id: ID, revoked_at: '2026-08-01T12:00:00Z', reason: '', revoked_by: '' };
  const text = JSON.stringify(record);
  assert.equal(readRevocations(`\n${text}\r\n\n${text}\n`).length, 2);
  assert.deepEqual(readRevocations(new Uint8Array()), []);
  for (const wrong of [
    '{',
    '[]',
    `${text}\nnull`,
    JSON.stringify({ ...record, extra: 1 }),
    JSON.stringify({ ...record, revoked_at: 'yesterday' }),
    JSON.stringify({ ...record, manifest_id: 1 }),
    JSON.stringify({ ...record, reason: undefined }),
    `${text.slice(0, -1)},"reason":"again"}`,
  ]) {
    assert.throws(() => readRevocations(wrong), { name: 'FormatError' }, wrong);
  }
  assert.throws(() => readRevocations(Uint8Array.of(0xff)), { name: 'FormatError' });
});
