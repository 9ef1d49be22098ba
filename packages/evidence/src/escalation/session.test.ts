import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AuditEntry,
  approversDigest,
  type Expectations,
  FormatError,
  type JsonObject,
  readApprovers,
  verify,
} from '../index.ts';
import { stringifyJson } from '../json/stringify.ts';
import { approvedSession, type Step, type Told } from '../testing/escalation.ts';
import { newKey, type TestKey, timestamp } from '../testing/session.ts';

const key = await newKey();
const anna = await newKey();
const PATH: readonly Step[] = [['requested'], ['granted'], ['used']];
const KEYS = { approvers: { keys: [{ x: anna.x, source: 'anna.jwk' }] } };

/** What is said of approvals, by id: the outcome, and in full. */
async function said(
  told: Partial<Told> = {},
  given: Expectations = {},
  sign?: TestKey,
): Promise<Record<string, string>> {
  const file = await approvedSession(key, { steps: PATH, ...told }, sign);
  const report = await verify(stringifyJson(file as unknown as JsonObject), given);
  const other = report.checks.find(({ id, outcome }) => outcome === 'failed' && !id.startsWith('approvals.'));
  assert.equal(other, undefined, other?.detail);
  const about = report.checks.filter(({ id }) => id.startsWith('approvals.'));
  return Object.fromEntries(about.map(({ id, outcome, detail }) => [id, `${outcome}: ${detail}`]));
}

async function refused(told: Partial<Told>, why: RegExp): Promise<void> {
  assert.match((await said(told))['approvals.chain'] ?? 'nothing', /^failed: /, String(why));
  assert.match((await said(told))['approvals.chain'] ?? 'nothing', why);
}

test('a call that an operator let through is shown from request to use, as the word of the gateway [AARM-R4, G26]', async () => {
  const found = await said();
  assert.match(found['approvals.chain'] ?? '', /^proven: 1 asked for: 1 used once each/);
  assert.match(
    found['approvals.call.1'] ?? '',
    /^asserted: asked for \(entry 1\), granted by anna as finance through operator: asserted by the gateway \(entry 2\), used \(entry 3\)$/,
  );
});

test('a signature is proven under the key that was given, asserted without it, and failed when it is of something else', async () => {
  const call = async (told: Partial<Told>, given: Expectations, by?: TestKey) =>
    (await said(told, given, by))['approvals.call.1'] ?? '';
  assert.match(await call({}, KEYS, anna), /^proven: .*signed with the key that was given/);
  assert.match(await call({}, {}, anna), /^asserted: .*a key that was not given/);
  const others = (
    [
      ['reason', 'other'],
      ['signature', 'A'.repeat(86)],
    ] as const
  ).map(([name, value]): readonly Step[] => [['requested'], ['granted', { [name]: value }], ['used']]);
  for (const steps of others) assert.match(await call({ steps }, KEYS, anna), /^failed: .*not valid/);
});

test('whoever pins a key of an approver is not content with an approval that it did not sign', async () => {
  const file = await approvedSession(key, { steps: PATH });
  const report = await verify(stringifyJson(file as unknown as JsonObject), KEYS);
  const check = report.checks.find(({ id }) => id === 'approvals.call.1');
  assert.deepEqual([check?.required, check?.outcome], [true, 'asserted']);
});

test('the word of the agent’s own client is shown as that, and counts for no approver', async () => {
  const user = { channel: 'user', asserted_by: 'client', approvers: '', by: 'agent-a' };
  const asked: Step = ['requested', { approvers: '', channels: 'user' }];
  const found = await said({ steps: [asked, ['granted', user], ['used']] });
  assert.match(found['approvals.call.1'] ?? '', /^asserted: .*the word of the agent's own client/);
  await refused(
    { steps: [asked, ['granted', { ...user, approvers: 'finance' }], ['used']] },
    /counts the word of a client/,
  );
  await refused({ steps: [asked, ['granted', { ...user, asserted_by: 'gateway' }], ['used']] }, /whose word/);
  await refused(
    { steps: [['requested', { channels: 'operator,user' }], ['granted', user], ['used']] },
    /finance did not grant/,
  );
  await refused({ steps: [['requested', { approvers: '' }], ['granted', user], ['used']] }, /which was not asked/);
});

test('an approval that was not granted, in time, first, and of the same thing, lets nothing through [G26, AISVS-9.2.8]', async () => {
  const digest = { binding_digest: `sha256:${'9'.repeat(64)}` };
  const cases: [readonly Step[], RegExp][] = [
    [[['requested'], ['used']], /entry 2 uses an approval that nobody granted/],
    [[['granted'], ['requested'], ['used']], /entry 1 is of the approval .* which no earlier entry asks for/],
    [[['requested'], ['refused'], ['used']], /was refused before/],
    [[['requested'], ['granted'], ['refused'], ['used']], /was refused before/],
    [[['requested'], ['granted'], ['expired'], ['used']], /was expired before/],
    [[['requested'], ['granted'], ['used'], ['used']], /was used before/],
    [[['requested'], ['requested'], ['granted'], ['used']], /asks for the approval .* again/],
    [[['requested'], ['granted', digest], ['used']], /bound to something else/],
    [[['requested'], ['granted'], ['used', digest]], /bound to something else/],
    [[['requested'], ['granted'], ['used', { arguments_digest: digest.binding_digest }]], /with other arguments/],
    [[['requested'], ['granted', { approvers: 'legal' }], ['used']], /finance did not grant/],
    [[['requested', { session_id: 'another' }], ['granted'], ['used']], /in another session/],
    [[['requested', { tool: 'other' }], ['granted'], ['used']], /of another tool/],
    [[['requested', { policy_hash: digest.binding_digest }], ['granted'], ['used']], /another policy/],
    [[['requested', { catalog_hash: digest.binding_digest }], ['granted'], ['used']], /another policy or catalog/],
    [[['requested', { expires_at: timestamp(1_790_000_001) }], ['granted'], ['used']], /bound to something else/],
    [[['requested'], ['granted', { outstanding: 1 }], ['used']], /entry 3 uses an approval that was granted in part/],
    [[['requested'], ['granted', { channel: 'callback' }], ['used']], /callback, which was not asked/],
    [[['requested'], ['granted', { by: 7 }], ['used']], /says what no entry of an approval says/],
  ];
  for (const [steps, why] of cases) await refused({ steps }, why);
});

test('an approval that is used after it expired, or by a call of another tool, lets nothing through', async () => {
  const late = (entries: AuditEntry[]): void => {
    for (let more = 0; more < 70; more++)
      entries.splice(3, 0, {
        ...entries[0],
        entry_type: 'gateway_event',
        entry_id: crypto.randomUUID(),
        detail: null,
      } as AuditEntry);
  };
  await refused({ change: late }, /after the approval expired/);
  const elsewhere =
    (at: number) =>
    (entries: AuditEntry[]): void => {
      Object.assign(entries[at] ?? {}, { server_identity: 'https://elsewhere.example/mcp' });
    };
  await refused({ change: elsewhere(3) }, /for another tool/);
  await refused({ change: elsewhere(4) }, /of another tool than the approval/);
});

test('a call says that an approval let it through exactly when it used it', async () => {
  await refused({ steps: [] }, /says that an approval let it through, which it did not use/);
  await refused({ steps: [['requested'], ['granted']] }, /which it did not use/);
  await refused({ detail: { approval_id: '' } }, /does not say that an approval let it through/);
  const noCall = (entries: AuditEntry[]): void => {
    Object.assign(entries[4] ?? {}, { call_id: crypto.randomUUID(), detail: { compliance_domain: 'pci_data' } });
  };
  await refused({ change: noCall }, /no entry says what came of it/);
  const nobody = (entries: AuditEntry[]): void => void Object.assign(entries[3] ?? {}, { call_id: null });
  await refused({ change: nobody }, /uses an approval for no call/);
  const event = (entries: AuditEntry[]): void => {
    const [start] = entries;
    const told = { entry_type: 'gateway_event', entry_id: crypto.randomUUID(), detail: { approval_id: 'any' } };
    entries.splice(1, 0, { ...start, ...told } as AuditEntry);
  };
  assert.match((await said({ change: event }))['approvals.chain'] ?? '', /^proven/, 'only calls are let through');
});

test('what a call was given is what was asked about, by the entry of the call itself [AISVS-9.2.8]', async () => {
  const call = { request_payload_hash: `sha256:${'9'.repeat(64)}` };
  await refused({ call }, /entry 4 is of other arguments than the approval that it used/);
  const salted = { ...call, digest_salt_ref: '7d0a4f0e-1111-4222-8333-444455556666' };
  assert.match((await said({ call: salted }))['approvals.chain'] ?? '', /^proven/, 'other salts, other digests');
  const twice = [['granted', { outstanding: 1 }] as Step, ['granted', { outstanding: 0 }] as Step];
  assert.match((await said({ steps: [['requested'], ...twice, ['used']] }))['approvals.chain'] ?? '', /^proven/);
});

test('approvals that came to nothing are counted, and where there was none nothing is said', async () => {
  const detail = { approval_id: '' };
  const open = await said({ steps: [['requested']], detail });
  assert.deepEqual(Object.keys(open), ['approvals.chain']);
  assert.match(open['approvals.chain'] ?? '', /1 left open/);
  assert.deepEqual(await said({ steps: [], detail }), {});
  assert.match((await said({ steps: [], detail }, KEYS))['approvals.chain'] ?? '', /^proven: no call was held back/);
});

test('with the list of approvers at hand, it is the one committed to, and whoever approved is on it', async () => {
  const listed = async (item: JsonObject, by?: TestKey, hash?: string): Promise<string> => {
    const approvers = readApprovers(stringifyJson({ finance: item }));
    const commitments = { approvers_hash: hash ?? approversDigest(approvers) };
    return (
      (await said({ commitments }, { approvers: { list: { approvers, source: 'approvers.json' } } }, by))[
        'approvals.approvers'
      ] ?? ''
    );
  };
  assert.match(await listed({ operators: ['anna'] }), /^proven/);
  assert.match(await listed({ operators: ['anna'], keys: [anna.x], required_signature: true }, anna), /^proven/);
  assert.match(await listed({ operators: ['anna', 'Ada B.'] }), /^proven/, 'as the configuration may name them');
  assert.match(
    await listed({ operators: ['anna'] }, undefined, `sha256:${'0'.repeat(64)}`),
    /^failed: .*other approvers/,
  );
  assert.match(await listed({ operators: ['bob'] }), /^failed: entry 2 counts anna/);
  assert.match(await listed({ operators: ['anna'], keys: [anna.x], required_signature: true }), /^failed/);
  assert.match(await listed({ keys: [anna.x] }, anna), /^failed/);
});

test('a list of approvers has one digest, however it is written, and nothing in it that is not known', () => {
  const of = (value: JsonObject): string => approversDigest(readApprovers(stringifyJson(value)));
  assert.equal(
    of({ a: { operators: ['x', 'y'] }, b: { keys: [anna.x], required_signature: false } }),
    of({ b: { keys: [anna.x], operators: [] }, a: { required_signature: false, operators: ['y', 'x'] } }),
  );
  for (const wrong of [{ a: { keys: ['AAAA'] } }, { a: { others: [] } }, { a: { operators: ['ä'] } }, { 'a,b': {} }])
    assert.throws(() => readApprovers(stringifyJson(wrong)), FormatError);
});

test('nothing that stands in an entry of an approval makes the verifier throw', async () => {
  const names = [
    'approval_id',
    'expires_at',
    'approvers',
    'channels',
    'by',
    'signature',
    'signature_key_id',
    'asserted_by',
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.nat(2),
      fc.constantFrom(...names),
      fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string())),
      async (at, name, value) => {
        const steps = PATH.map(([action], i): Step => (i === at ? [action, { [name]: value as string }] : [action]));
        const file = await approvedSession(key, { steps });
        await verify(stringifyJson(file as unknown as JsonObject), KEYS);
      },
    ),
    { numRuns: 60 },
  );
});
