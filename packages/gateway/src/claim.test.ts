import assert from 'node:assert/strict';
import { createHash, createPrivateKey, sign } from 'node:crypto';
import test from 'node:test';
import { type AuditEntry, claimDigest, claimPreimage } from '@cmcp/evidence';
import fc from 'fast-check';
import { callDraft, commitments, RANKS } from './audit/fixtures.test.ts';
import { countEntry, emptyTally, MAX_TRANSCRIPT_CALLS, type Tally } from './audit/tally.ts';
import { asciiName, buildClaim, type ClaimInput, readCommitment } from './claim.ts';

function tallied(...entries: Partial<AuditEntry>[]): Tally {
  const tally = emptyTally();
  for (const entry of entries) countEntry(tally, { ...callDraft('c'), ...entry } as AuditEntry, RANKS);
  return tally;
}

const ROOT = '981069c465be3005ed0de3cbc51869037a80a2e2d7296e0edbd65cbc460bfba3';

/** The sample of wire-formats section 23: RFC 8032's first key, no calls. */
function sample(more: Partial<ClaimInput> = {}): ClaimInput {
  return {
    sessionId: '11111111-1111-4111-8111-111111111111',
    commitment: readCommitment({
      bundle_hash: 'sha256:0f30eae7f46868c8250b1b78be3bfd0cd25b247c0c110271ebd599e7aa5a0e74',
      catalog_hash: 'sha256:d7fc3e42744ea15a93f6c7309c08722bec66939c55338bafec0774ee63ac8b00',
      mode: 'enforcing',
      policy_version: '0.1.0',
    }),
    chain: { root: ROOT, tip: ROOT, length: 1 },
    tally: tallied({ entry_type: 'session_start' }),
    number: 1,
    previous: null,
    nowMicros: 1_787_336_580_999_999,
    attestedMicros: 1_787_336_580_123_456,
    evidence: null,
    publicKey: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    gatewayVersion: '0.0.0',
    ...more,
  };
}

test('a claim is, byte for byte, the sample that the reference verifier accepts', () => {
  const claim = buildClaim(sample());
  const preimage = claimPreimage(claim);
  const hashed = createHash('sha256').update(preimage).digest('hex');
  assert.equal(hashed, '36de8bd600326b64998e0cc9b71e43f3d536e065c82e68cb97c0922a1ef0ad70');
  const key = createPrivateKey({
    key: {
      kty: 'OKP',
      crv: 'Ed25519',
      d: Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex').toString('base64url'),
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    },
    format: 'jwk',
  });
  const signature = sign(null, preimage, key).toString('base64url');
  assert.equal(
    claimDigest({ ...claim, signature }),
    'sha256:0ee358851f0307aef38b623513bd5e0d29c388ae19096dbbc23511be1fd9ec3b',
  );
});

test('every call is in exactly one counter and one line, whatever its end [W-09]', () => {
  const entryType = fc.constantFrom('tool_call', 'egress_denied', 'fault', 'mcp_request', 'session_reset', 'recovered');
  const decision = fc.constantFrom('allow', 'deny', 'redact', 'advisory_deny', 'step_up', 'defer', 'fault', 'n/a', 'x');
  const entry = fc.record({ entry_type: entryType, policy_decision: decision, tool_name: fc.string() });
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const tally = tallied(...(entries as Partial<AuditEntry>[]));
      const calls = entries.filter(({ entry_type }) => ['tool_call', 'egress_denied', 'fault'].includes(entry_type));
      assert.equal(tally.calls, calls.length);
      assert.equal(tally.allowed + tally.denied + tally.faulted, tally.calls);
      assert.equal(tally.transcript?.length, tally.calls);
      assert.equal(tally.faulted, tally.transcript?.filter((line) => line.decision === 'fault').length);
    }),
  );
});

test('a claim holds only printable ASCII and integers, also over entries that someone edited', () => {
  const anything = fc.anything();
  const entry = fc.record({
    entry_type: fc.constantFrom('tool_call', 'fault', 'session_start'),
    tool_name: anything,
    effective_data_class: anything,
    session_sensitivity_after: anything,
    detail: anything,
  });
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const claim = buildClaim(sample({ tally: tallied(...(entries as Partial<AuditEntry>[])) }));
      JSON.stringify(claim, (_, value) => {
        if (typeof value === 'string') assert.match(value, /^[\x20-\x7e]*$/);
        if (typeof value === 'number') assert.ok(Number.isSafeInteger(value));
        return value;
      });
    }),
  );
});

test('the highest sensitivity stays when an operator resets, and a tie keeps the earlier label', () => {
  const labels = (...after: string[]): string | null =>
    tallied(...after.map((label) => ({ session_sensitivity_after: label }))).maxSensitivity;
  assert.equal(labels('public', 'confidential', 'public'), 'confidential');
  assert.equal(labels('hipaa_phi', 'pii'), 'hipaa_phi');
  assert.equal(labels('confidential', 'unheard of'), 'unheard of');
});

test('above ten thousand calls the transcript lines are left out, the count stays', () => {
  const tally = emptyTally();
  const entry = callDraft('c') as AuditEntry;
  for (let i = 0; i < MAX_TRANSCRIPT_CALLS; i++) countEntry(tally, entry, RANKS);
  assert.equal(buildClaim(sample({ tally })).trace.tool_transcript.entries?.length, MAX_TRANSCRIPT_CALLS);
  countEntry(tally, entry, RANKS);
  const { entries, call_count } = buildClaim(sample({ tally })).trace.tool_transcript;
  assert.deepEqual([entries, call_count], [undefined, MAX_TRANSCRIPT_CALLS + 1]);
});

test('an attestation is stale after its validity, and never later than the claim', () => {
  const day = 86_400_000_000;
  const at = sample();
  assert.equal(buildClaim({ ...at, nowMicros: at.attestedMicros + day }).gateway.attestation_stale, false);
  assert.equal(buildClaim({ ...at, nowMicros: at.attestedMicros + day + 1 }).gateway.attestation_stale, true);
  const early = buildClaim({ ...at, attestedMicros: at.nowMicros + day });
  assert.equal(early.gateway.attestation_generated_at, '2026-08-21T18:23:00.999999+00:00');
  assert.equal(early.trace.iat, 1_787_336_580);
});

test('a mode that is not known is refused, never softened', () => {
  for (const mode of ['lenient', 'toString', 'enforce', '']) {
    assert.throws(() => readCommitment(commitments({ mode })), /unknown mode/);
  }
  assert.equal(readCommitment(commitments({ mode: 'silent' })).enforcementMode, 'silent');
});

test('any name becomes printable, bounded and stable', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (name) => {
      const ascii = asciiName(name);
      assert.match(ascii, /^[\x20-\x7e]{0,256}$/);
      assert.equal(asciiName(ascii), ascii);
    }),
  );
  assert.equal(asciiName('crm.query'), 'crm.query');
  assert.equal(asciiName('caf\u00e9 100%\n'), 'caf%C3%A9 100%25%0A');
  assert.equal(asciiName('\ud800'), '%EF%BF%BD');
  const long = 'a'.repeat(257);
  assert.match(asciiName(long), /^a{239}~[0-9a-f]{16}$/);
  assert.notEqual(asciiName(long), asciiName(`${long}a`));
  assert.notEqual(asciiName('\u00e9'.repeat(100)), asciiName('\u00e9'.repeat(101)));
});
