import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { canonicalManifest } from '../json/manifest-form.ts';
import type { JsonObject } from '../json/value.ts';
import { ed25519Signer, jsonBytes, signJson, trusting, wholeManifest } from '../testing/manifest.ts';
import type { ManifestContext } from './context.ts';
import type { ManifestReport } from './report.ts';
import { verifyManifest } from './verify.ts';

const signer = await ed25519Signer();
const approver = await ed25519Signer();
const APPROVER = 'mailto:ana@example.com';
const ID = String(wholeManifest().manifest_id);

async function approval(changes: JsonObject = {}): Promise<JsonObject> {
  const approved_scope = { artifacts: ['policy_bundle'], risk_tier: 'low', approval_duration_seconds: 31_536_000 };
  const signed: JsonObject = { approver_id: APPROVER, approved_at: '2026-09-01T00:00:00Z', approved_scope, ...changes };
  const { approval_method, ...covered } = signed;
  const message = encodeUtf8(canonicalManifest({ ...covered, manifest_id: ID }));
  return {
    approval_method: 'hardware-key',
    ...signed,
    approval_signature: encodeBase64Url(await approver.sign(message)),
  };
}

async function verdict(
  hitl_record: JsonObject | null,
  context: Partial<ManifestContext> = {},
): Promise<ManifestReport> {
  const signed = await signJson(wholeManifest({ hitl_record }), signer);
  return verifyManifest(jsonBytes(signed), { ...trusting(signer), ...context });
}

const outcomeOf = (report: ManifestReport): string | undefined =>
  report.checks.find(({ id }) => id === 'manifest.approvals')?.outcome;

test('nothing, the wrong and the right key of an approver: asserted, refused, proven', async () => {
  const record = { required: true, approvals: [await approval()] };
  const nothing = await verdict(record);
  assert.deepEqual([nothing.result, nothing.hitl, outcomeOf(nothing)], ['VALID', 'APPROVED', 'asserted']);
  const keys = (key: string): Partial<ManifestContext> => ({ approverKeys: { [APPROVER]: key } });
  const right = await verdict(record, keys(encodeBase64Url(approver.key.key)));
  assert.deepEqual([right.result, outcomeOf(right)], ['VALID', 'proven'], right.summary);
  const wrong = await verdict(record, keys(encodeBase64Url(signer.key.key)));
  assert.deepEqual([wrong.result, outcomeOf(wrong)], ['MISMATCH', 'failed']);
  const others = await verdict(record, {
    approverKeys: { 'mailto:bo@example.com': encodeBase64Url(approver.key.key) },
  });
  assert.deepEqual([others.result, outcomeOf(others)], ['UNVERIFIABLE', 'not checked']);
});

test('an approval of something else, or one that was changed, is refused', async () => {
  const good = await approval();
  const keys = { approverKeys: { [APPROVER]: encodeBase64Url(approver.key.key) } };
  for (const change of [
    { approved_at: '2026-09-02T00:00:00Z' },
    { approved_scope: { approval_duration_seconds: 99_999_999 } },
    { approval_signature: `${good.approval_signature}=` },
    { approval_signature: '' },
  ]) {
    const report = await verdict({ required: true, approvals: [{ ...good, ...change }] }, keys);
    assert.equal(report.result, 'MISMATCH', JSON.stringify(change));
  }
});

test('an approval that is over, still to come or without a time refuses, whether or not approvals are enforced', async () => {
  for (const [changes, hitl] of [
    [{ approved_at: '2020-01-01T00:00:00Z' }, 'EXPIRED'],
    [{ approved_scope: { approval_duration_seconds: 1 } }, 'EXPIRED'],
    [{ approved_scope: {} }, 'EXPIRED'],
    [{ approved_at: '2027-01-01T00:00:00Z' }, 'APPROVAL_INSUFFICIENT'],
  ] as const) {
    const one = await approval(changes);
    for (const enforceHitl of [true, false]) {
      const report = await verdict({ required: true, approvals: [await approval(), one] }, { enforceHitl });
      assert.deepEqual([report.result, report.hitl], ['MISMATCH', hitl], JSON.stringify(changes));
    }
  }
  const { approved_at: _, ...timeless } = await approval();
  assert.equal((await verdict({ required: true, approvals: [timeless] })).hitl, 'EXPIRED');
});

test('from level 2 on a software key is not enough, and where much is at risk only a hardware key is', async () => {
  const scope = (risk_tier: string): JsonObject => ({ risk_tier, approval_duration_seconds: 31_536_000 });
  for (const [approval_method, risk, level, hitl] of [
    ['software-key', 'low', 1, 'APPROVED'],
    ['software-key', 'low', 2, 'APPROVAL_INSUFFICIENT'],
    ['mfa-backed', 'medium', 2, 'APPROVED'],
    ['mfa-backed', 'high', 2, 'APPROVAL_INSUFFICIENT'],
    ['mfa-backed', 'critical', 3, 'APPROVAL_INSUFFICIENT'],
    ['hardware-key', 'critical', 2, 'APPROVED'],
  ] as const) {
    const one = await approval({ approval_method, approved_scope: scope(risk) });
    const report = await verdict({ required: true, approvals: [one] }, { conformanceLevel: level });
    assert.equal(report.hitl, hitl, `${approval_method} ${risk} ${level}`);
    assert.equal(report.result, hitl === 'APPROVED' ? 'VALID' : 'MISMATCH');
  }
});

test('approvals that are enforced and missing refuse; those that nobody asks for are not spoken of', async () => {
  for (const record of [null, { required: true }, { required: false, approvals: [] }]) {
    const report = await verdict(record, { enforceHitl: true });
    assert.deepEqual([report.result, report.hitl], ['MISMATCH', 'MISSING']);
  }
  const required = await verdict({ required: true });
  assert.deepEqual([required.result, required.hitl, outcomeOf(required)], ['VALID', 'MISSING', 'not checked']);
  const none = await verdict({ required: false, approvals: [await approval({ approved_at: '2020-01-01T00:00:00Z' })] });
  assert.deepEqual([none.result, none.hitl, outcomeOf(none)], ['VALID', 'NOT_REQUIRED', undefined]);
});
