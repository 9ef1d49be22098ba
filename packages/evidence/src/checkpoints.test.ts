import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  type Checkpoint,
  type Expectations,
  type JsonObject,
  type Report,
  type SessionFile,
  stringifyJson,
  verify,
} from './index.ts';
import {
  adopt,
  blank,
  CATALOG_HASH,
  checkpoint,
  type EventSpec,
  makeSession,
  newKey,
  numbered,
  POLICY_HASH,
  relink,
  seal,
  sign,
  type TestKey,
} from './testing/session.ts';

const CALL: EventSpec = { kind: 'allow', tool: 'crm.query', domain: 'pii', dataClass: 'pii' };

let dead: TestKey;
let successor: TestKey;
let stranger: TestKey;

before(async () => {
  [dead, successor, stranger] = await Promise.all([newKey(), newKey(), newKey()]);
});

function pins(...keys: TestKey[]): Expectations {
  return {
    keys: keys.map(({ x }) => ({ x, source: 'given' })),
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    acceptSoftware: true,
  };
}

const check = (file: SessionFile, expectations: Expectations): Promise<Report> =>
  verify(stringifyJson(file), expectations);
const failures = (report: Report): string[] =>
  report.checks.filter((one) => one.outcome === 'failed').map((one) => one.id);
const extent = (report: Report): string | undefined => report.checks.find((one) => one.id === 'chain.extent')?.detail;

/** A session of three calls whose process died: its last checkpoint covers start and two calls, the third call was found. */
async function recoveredSession(detail: JsonObject = {}): Promise<SessionFile> {
  const file = await makeSession(dead, [CALL, CALL, CALL]);
  const end = file.bundle.entries.pop();
  if (end === undefined) throw new Error('no session_end');
  const old = await checkpoint(file, dead, 3);
  const took = blank(file.claim.gateway.session_id, 'recovered', 'pii');
  took.detail = {
    checkpoint_length: 3,
    checkpoint_tip: old.tip,
    checkpoint_key: dead.x,
    entries_recovered: 1,
    ...detail,
  };
  file.bundle.entries.push(took, end);
  numbered(file.bundle.entries);
  adopt(file.claim, successor);
  relink(file);
  file.checkpoints = [old, await checkpoint(file, successor, file.bundle.entries.length)];
  await sign(file, successor);
  return file;
}

test('a recovered session is never verified: it is proven up to the last checkpoint of a pinned older key [D-34]', async () => {
  const report = await check(await recoveredSession(), pins(dead, successor));
  assert.equal(report.verdict, 'unverified', report.summary);
  assert.match(extent(report) ?? '', /entries 0 to 2 are proven .* entries 3 to 5 are asserted/);
  assert.equal(report.checks.find((one) => one.id === 'summary.counts')?.outcome, 'asserted');
});

test('without a pin on the older key nothing of a recovered session is proven, and the flag is named', async () => {
  const report = await check(await recoveredSession(), pins(successor));
  assert.equal(report.verdict, 'unverified');
  assert.match(extent(report) ?? '', /not pinned, the rest is asserted/);
  assert.deepEqual(report.lacking, ['--key FILE']);
});

test('a pin on the older key alone shows what it covered, and does not trust the successor', async () => {
  const report = await check(await recoveredSession(), pins(dead));
  assert.equal(report.verdict, 'unverified', report.summary);
  assert.match(extent(report) ?? '', /entries 0 to 2 are proven/);
  assert.equal(report.checks.find((one) => one.id === 'key.pinned')?.outcome, 'asserted');
});

test('a successor whose predecessor is not pinned either is no trusted key, and contradicts those that are', async () => {
  const report = await check(await recoveredSession(), pins(stranger));
  assert.equal(report.verdict, 'refused');
  assert.ok(failures(report).includes('key.pinned'));
});

test('a recovery excuses no lie of the claim: what contradicts the chain is refused', async () => {
  const file = await recoveredSession();
  file.claim.gateway.call_summary.tool_calls_allowed += 1;
  await sign(file, successor);
  const report = await check(file, pins(dead, successor));
  assert.deepEqual(failures(report), ['summary.counts']);
});

test('a store that was rewritten under a pinned key contradicts its checkpoint and is refused [ATK-34] [D-34]', async () => {
  const file = await recoveredSession();
  const entry = file.bundle.entries[1];
  if (entry !== undefined) entry.policy_rule_matched = 'policy9';
  const old = file.checkpoints[0];
  relink(file);
  file.checkpoints = [...(old === undefined ? [] : [old]), await checkpoint(file, successor, 6)];
  await sign(file, successor);
  const report = await check(file, pins(dead, successor));
  assert.equal(report.verdict, 'refused');
});

test('a store that was rewritten with a key of the forger is not proven under the pins [ATK-34]', async () => {
  const file = await recoveredSession({ checkpoint_key: stranger.x });
  file.checkpoints[0] = await checkpoint(file, stranger, 3);
  const report = await check(file, pins(dead, successor));
  assert.equal(report.verdict, 'unverified');
  assert.match(extent(report) ?? '', /earlier key that is not pinned/);
});

test('a recovered session whose older checkpoint is missing, or covered nothing, is asserted as a whole', async () => {
  const missing = await recoveredSession();
  missing.checkpoints.shift();
  const nothing = await recoveredSession({
    checkpoint_length: 0,
    checkpoint_tip: 'genesis',
    checkpoint_key: 'none',
    entries_recovered: 4,
  });
  nothing.checkpoints.shift();
  for (const file of [missing, nothing]) {
    const report = await check(file, pins(dead, successor));
    assert.equal(report.verdict, 'unverified', report.summary);
    assert.match(extent(report) ?? '', /entries 0 to 5 are asserted/);
  }
});

const UNCLEAR: [string, JsonObject][] = [
  ['does not say how much was covered', { checkpoint_length: null }],
  ['names no key', { checkpoint_key: 7 }],
  ['names another tip', { checkpoint_tip: '00'.repeat(32) }],
  ['recovers more than there was', { entries_recovered: 2 }],
  ['covers more than there was', { checkpoint_length: 9, entries_recovered: -5, checkpoint_tip: null }],
  ['covers less than nothing', { checkpoint_length: -1, checkpoint_tip: null }],
  ['recovers less than nothing', { entries_recovered: -1 }],
  ['says that the stored chain was damaged', { damage: 'stored entry 2 does not continue the chain' }],
];

for (const [what, detail] of UNCLEAR) {
  test(`a recovery that ${what} refuses the file`, async () => {
    assert.ok(failures(await check(await recoveredSession(detail), pins(dead, successor))).includes('chain.recovery'));
  });
}

test('without its last checkpoint a session file is not verified: the end of the chain is not proven [D-34]', async () => {
  const file = await makeSession(dead, [CALL, CALL]);
  const none = await check({ ...file, checkpoints: [] }, pins(dead));
  assert.equal(none.verdict, 'unverified');
  const early = await check({ ...file, checkpoints: [await checkpoint(file, dead, 2)] }, pins(dead));
  assert.equal(early.verdict, 'unverified');
  assert.match(extent(early) ?? '', /cover 2 of 4 entries/);
});

test('a checkpoint that is forged, misplaced, superfluous or of an unknown key refuses the file', async () => {
  const file = await makeSession(dead, [CALL, CALL]);
  const last = await checkpoint(file, dead, 4);
  const other = await makeSession(dead, [CALL, CALL]);
  const lying = (alter: (copy: SessionFile) => void): Promise<Checkpoint> => {
    const copy = structuredClone(file);
    alter(copy);
    return checkpoint(copy, dead, 4);
  };
  const wrong = [
    [await lying((copy) => Object.assign(copy.claim.gateway, { session_id: 'another' }))],
    [await lying((copy) => Object.assign(copy.bundle.entries[3] ?? {}, { entry_hash: '00'.repeat(32) }))],
    [{ ...last, signature: (await checkpoint(file, stranger, 4)).signature }],
    [{ ...last, tip: '00'.repeat(32) }],
    [{ ...last, length: 5 }],
    [await checkpoint(other, dead, 4)],
    [await checkpoint(file, stranger, 2), last],
    [await checkpoint(file, dead, 2), last],
    [last, last],
  ];
  for (const [i, checkpoints] of wrong.entries()) {
    const report = await check({ ...file, checkpoints }, pins(dead, stranger));
    assert.deepEqual(failures(report), ['chain.checkpoints'], String(i));
  }
});

test('in a recovered session neither key may speak for the other’s part', async () => {
  const file = await recoveredSession();
  const [old, last] = file.checkpoints;
  if (old === undefined || last === undefined) throw new Error('no checkpoints');
  const early = await checkpoint(file, successor, 4);
  const late = await checkpoint(file, dead, 5);
  assert.deepEqual(failures(await check({ ...file, checkpoints: [old, early] }, pins(dead, successor))), [
    'chain.checkpoints',
  ]);
  for (const checkpoints of [
    [late, last],
    [last, old],
  ]) {
    const report = await check({ ...file, checkpoints }, pins(dead, successor));
    assert.deepEqual(failures(report), ['chain.checkpoints']);
  }
});

test('a receipt that a caller kept is found where it says, and nowhere else [W-14]', async () => {
  const file = await makeSession(dead, [CALL, CALL]);
  const entry = file.bundle.entries[2];
  const receipt = {
    call_id: String(entry?.call_id),
    session_id: file.claim.gateway.session_id,
    sequence: 2,
    entry_hash: String(entry?.entry_hash),
  };
  const ask = (receipts: Expectations['receipts'] & object): Promise<Report> =>
    check(file, { ...pins(dead), receipts });
  assert.equal((await ask([receipt])).verdict, 'verified');
  assert.equal((await ask([{ call_id: receipt.call_id, session_id: receipt.session_id }])).verdict, 'verified');
  for (const wrong of [
    { sequence: 1 },
    { entry_hash: '00'.repeat(32) },
    { call_id: 'another' },
    { session_id: 'another' },
  ]) {
    assert.deepEqual(failures(await ask([receipt, { ...receipt, ...wrong }])), ['receipt.2']);
  }
});

test('a receipt is of the first entry of its call', async () => {
  const file = await makeSession(dead, [CALL, { kind: 'mcp_request' }, { kind: 'mcp_request' }]);
  const call_id = 'one call';
  for (const i of [2, 3]) Object.assign(file.bundle.entries[i] ?? {}, { call_id });
  await seal(file, dead);
  const ask = async (sequence: number): Promise<Report> =>
    check(file, { ...pins(dead), receipts: [{ call_id, session_id: file.bundle.session_id, sequence }] });
  assert.equal((await ask(2)).verdict, 'verified');
  assert.deepEqual(failures(await ask(3)), ['receipt.1']);
});

test('a receipt without a place, of a call that is not in the chain, refuses the file', async () => {
  const file = await makeSession(dead, [CALL]);
  const receipts = [{ call_id: 'another', session_id: file.claim.gateway.session_id }];
  assert.deepEqual(failures(await check(file, { ...pins(dead), receipts })), ['receipt.1']);
});

test('a receipt of a call in the asserted part of a recovered session proves nothing', async () => {
  const file = await recoveredSession();
  const found = file.bundle.entries[3];
  const receipt = { call_id: String(found?.call_id), session_id: file.claim.gateway.session_id };
  const report = await check(file, { ...pins(dead, successor), receipts: [receipt] });
  assert.equal(report.checks.find((one) => one.id === 'receipt.1')?.outcome, 'asserted');
});

test('sealing a recovered session as if it had not been recovered leaves the older key unnamed, and is refused', async () => {
  const file = await recoveredSession();
  const [old] = file.checkpoints;
  file.bundle.entries = file.bundle.entries.filter((entry) => entry.entry_type !== 'recovered');
  numbered(file.bundle.entries);
  await seal(file, successor);
  if (old !== undefined) file.checkpoints.unshift(old);
  assert.deepEqual(failures(await check(file, pins(dead, successor))), ['chain.checkpoints']);
});
