import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJcs } from '../json/canonical.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import { APPROVED_NOW, approvalBy, approvedRecord, newReviewer, quorumOf, recordBody } from '../testing/approval.ts';
import { onEngine, throwing } from '../testing/engine.ts';
import { altered, bitFlips } from '../testing/signed.ts';
import { policyHash, type Quorum } from './quorum.ts';
import { type ApprovalKind, approvalPreimage, parseApprovalRecord } from './record.ts';
import { type ApprovalGiven, verifyApproval } from './verify.ts';

const ada = await newReviewer('ada');
const bob = await newReviewer('bob');
const quorum = quorumOf([ada, bob]);
const HASH = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const body = recordBody('catalog', quorum, HASH);
const record = await approvedRecord(body, [ada, bob]);
const given: ApprovalGiven = { kind: 'catalog', quorum, subjectId: 'main', hash: HASH, now: APPROVED_NOW };

async function problem(of: JsonObject, other: Partial<ApprovalGiven> = {}): Promise<string> {
  const result = await verifyApproval(stringifyJson(of), { ...given, ...other });
  return result.outcome === 'verified' ? 'verified' : `${result.outcome}: ${result.problem}`;
}

/** The problem of a record that `of` approve under a quorum that asks for other things. */
async function under(members: Partial<Quorum>, of = [ada, bob]): Promise<string> {
  const asked = quorumOf(members.reviewers ?? of, members);
  return problem(await approvedRecord(recordBody('catalog', asked, HASH), of), { quorum: asked });
}

test('a record that enough reviewers signed is verified, and says who they were and until when [D-25]', async () => {
  const result = await verifyApproval(stringifyJson(record), given);
  assert.ok(result.outcome === 'verified');
  assert.deepEqual(
    result.reviewers.map(({ keyId }) => keyId),
    ['key-of-ada', 'key-of-bob'],
  );
  assert.equal(result.expiresAt, APPROVED_NOW + 60);
  assert.match(result.digest, /^sha256:[0-9a-f]{64}$/);
});

test('a bundle is approved by the same rules under a profile of its own, and neither record passes for the other', async () => {
  const bundle = await approvedRecord(recordBody('bundle', quorum, HASH), [ada, bob]);
  assert.equal(await problem(bundle, { kind: 'bundle' }), 'verified');
  const swapped: [JsonObject, ApprovalKind][] = [
    [bundle, 'catalog'],
    [record, 'bundle'],
  ];
  for (const [of, kind] of swapped) assert.match(await problem(of, { kind }), /^malformed/);
});

test('reviewers sign the RFC 8785 form of record and approval, in UTF-16 order and without escapes [D-26]', () => {
  const preimage = approvalPreimage({ '\u{1f600}': 1, '\ufb33': 'é', approvals: [] }, { role: 'é', signature: 'x' });
  assert.equal(new TextDecoder().decode(preimage), '{"approval":{"role":"é"},"record":{"\u{1f600}":1,"\ufb33":"é"}}');
});

test('the hash of a policy is over the policy without its hash [D-25]', () => {
  assert.equal(policyHash(body.approval_policy as JsonObject), (body.approval_policy as JsonObject).policy_hash);
});

test('a record about something else, or out of turn, approves nothing', async () => {
  const cases: [Partial<ApprovalGiven>, RegExp][] = [
    [{ subjectId: 'other' }, /about main, not other/],
    [{ hash: OTHER }, /approves sha256:a+, not sha256:b+/],
    [{ sequence: 2 }, /sequence 1, not 2/],
    [{ leastSequence: 2 }, /2 is the least/],
    [{ previousRecordHash: OTHER }, /follows sha256:0+/],
    [{ previousHash: OTHER }, /replaces sha256:0+/],
  ];
  for (const [other, expected] of cases) assert.match(await problem(record, other), expected);
  assert.equal(await problem(record, { sequence: 1, leastSequence: 1 }), 'verified');
});

test('the quorum is the one that was asked for, not the one that the record names [D-25]', async () => {
  const lax = quorumOf([ada, bob], { threshold: 1, distinctPrincipals: false });
  const byOne = await approvedRecord(recordBody('catalog', lax, HASH), [ada]);
  assert.equal(await problem(byOne, { quorum: lax }), 'verified');
  assert.match(await problem(byOne), /is asked for/);
});

test('a policy that its hash does not cover is not believed, also when the hash is the expected one [D-25]', async () => {
  const named = recordBody('catalog', quorum, HASH);
  const lowered = { ...named, approval_policy: { ...(named.approval_policy as JsonObject), threshold: 1 } };
  assert.match(await problem(await approvedRecord(lowered, [ada])), /is not that of the policy/);
});

test('too few approvals are none', async () => {
  assert.match(await problem(await approvedRecord(body, [ada])), /1 of 2 approvals/);
  assert.match(await problem({ ...body, approvals: [] }), /0 of 2 approvals/);
  const none = quorumOf([ada], { threshold: 0 });
  assert.match(await problem({ ...body, approvals: [] }, { quorum: none }), /mismatch/);
});

test('a revoked key voids the record, and so does one that is nobody’s', async () => {
  const revoked = quorumOf([ada, bob], { revoked: ['key-of-bob'] });
  assert.match(await problem(record, { quorum: revoked }), /key-of-bob is revoked/);
  assert.match(await problem(record, { quorum: quorumOf([ada]) }), /key-of-bob is not that of a reviewer/);
});

test('one approval that does not hold fails a record that has enough others', async () => {
  const eve = await newReviewer('eve');
  const three = { ...record, approvals: [...(record.approvals as JsonObject[]), await approvalBy(eve, body)] };
  assert.match(await problem(three), /key-of-eve is not that of a reviewer/);
});

test('principal, issuer and role are those that the relying party knows of the key', async () => {
  const lead = { ...bob, role: 'lead' };
  const asked = quorumOf([ada, lead]);
  const own = recordBody('catalog', asked, HASH);
  const cases: [JsonObject, RegExp][] = [
    [{ principal_id: 'ada' }, /is not that of ada/],
    [{ issuer: 'someone' }, /not vouched for by someone/],
    [{ role: 'intern' }, /bob does not approve as intern/],
  ];
  for (const [members, expected] of cases) {
    const approvals = [await approvalBy(ada, own), await approvalBy(lead, own, members)];
    assert.match(await problem({ ...own, approvals }, { quorum: asked }), expected);
  }
  assert.equal(await problem(await approvedRecord(own, [ada, lead]), { quorum: asked }), 'verified');
});

test('an approval counts from its first second to before its last, and not without a clock', async () => {
  assert.equal(await problem(record, { now: APPROVED_NOW - 60 }), 'verified');
  assert.match(await problem(record, { now: APPROVED_NOW - 61 }), /still to come/);
  assert.equal(await problem(record, { now: APPROVED_NOW + 59 }), 'verified');
  assert.match(await problem(record, { now: APPROVED_NOW + 60 }), /has expired/);
  assert.match(await problem(record, { now: Number.NaN }), /still to come/);
  const empty = await approvalBy(bob, body, { approved_at: APPROVED_NOW, expires_at: APPROVED_NOW });
  assert.match(await problem({ ...body, approvals: [await approvalBy(ada, body), empty] }), /ends before it begins/);
});

test('one key counts once, also under two ids [D-25]', async () => {
  const lax = { distinctPrincipals: false };
  const twice = { ...ada, keyId: 'other-id', principal: 'ada-too' };
  assert.match(await under(lax, [ada, ada]), /key-of-ada approves twice/);
  assert.match(await under(lax, [ada, twice]), /other-id approves twice/);
});

test('two keys of one principal are two approvals only where the quorum allows it', async () => {
  const second = await newReviewer('ada', { keyId: 'second-key' });
  assert.match(await under({}, [ada, second]), /ada approves twice/);
  assert.equal(await under({ distinctPrincipals: false }, [ada, second]), 'verified');
});

test('roles that have to differ are those of the configuration, which a reviewer cannot choose', async () => {
  const distinct = { distinctRoles: true };
  const as = (role: string | null) => [
    { ...ada, role: 'security' },
    { ...bob, role },
  ];
  assert.equal(await under(distinct, as('owner')), 'verified');
  assert.match(await under(distinct, as('security')), /two approve as security/);
  assert.match(await under(distinct, as(null)), /bob has no role/);
});

test('a signature is over this record, this approval and by this key', async () => {
  const approvals = record.approvals as JsonObject[];
  const longer = approvals.map((approval) => ({ ...approval, expires_at: APPROVED_NOW + 61 }));
  assert.match(await problem({ ...record, approvals: longer }), /is not signed by the key key-of-ada/);
  assert.match(await problem({ ...record, change_set_digest: OTHER }), /is not signed/);
  const [first, second] = approvals;
  const swapped = [
    { ...first, signature: second?.signature ?? '' },
    { ...second, signature: first?.signature ?? '' },
  ];
  assert.match(await problem({ ...record, approvals: swapped }), /is not signed/);
});

test('whatever bit of a record is flipped, it is not approved any more', async () => {
  for (const flipped of bitFlips(record)) {
    const result = await verifyApproval(flipped, given);
    assert.notEqual(result.outcome, 'verified', new TextDecoder().decode(flipped));
  }
});

test('the members of a record are exactly those of the format', async () => {
  for (const [path, value] of [
    ['profile', 'tag:agentrust-io.com,2026:cmcp-catalog-approval-v2'],
    ['extra', 1],
    ['approval_policy.extra', 1],
    ['approvals.0.extra', 1],
    ['sequence', undefined],
    ['sequence', 0],
    ['sequence', true],
    ['approval_policy.threshold', 0],
    ['approval_policy.distinct_roles', 1],
    ['approvals.0.approved_at', true],
    ['approvals.0.expires_at', '1800000060'],
    ['approvals.0.signature', 'A'.repeat(85)],
    ['approvals.0.principal_id', 'a\u0000'],
    ['new_catalog_hash', HASH.toUpperCase()],
  ] as const) {
    assert.match(await problem(altered(record, path, value)), /^malformed/, path);
  }
  assert.match(await problem({ ...record, approvals: {} }), /^malformed/);
  const float = canonicalJcs(record).replace('"sequence":1', '"sequence":1.0');
  assert.equal((await verifyApproval(float, given)).outcome, 'malformed');
});

test('a record of any size or nesting is refused in its turn', async () => {
  for (const text of ['[]', '{', `{"a":${'['.repeat(20)}`, ' '.repeat(300 * 1024), '{"profile":1,"profile":1}']) {
    assert.equal((await verifyApproval(text, given)).outcome, 'malformed');
  }
});

test('whatever a file holds, the answer is a result and not an error', async () => {
  const members = fc.constantFrom(...Object.keys(record));
  await fc.assert(
    fc.asyncProperty(members, fc.jsonValue(), async (name, value) => {
      const result = await verifyApproval(JSON.stringify({ ...record, [name]: value }), given);
      assert.ok(['malformed', 'mismatch', 'verified'].includes(result.outcome));
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array(), async (bytes) => {
      assert.equal((await verifyApproval(bytes, given)).outcome, 'malformed');
    }),
  );
});

test('an engine without Ed25519 approves nothing', () =>
  onEngine(throwing('NotSupportedError'), async () => {
    assert.match(await problem(record), /no Ed25519/);
  }));

test('a record that was read keeps its text, so that its digest is that of the file', () => {
  assert.deepEqual(parseApprovalRecord(stringifyJson(record), 'catalog').raw, record);
});
