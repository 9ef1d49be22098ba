import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readEntry } from '../audit/chain-entry.ts';
import { parseJson } from '../json/parse.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject, JsonValue } from '../json/value.ts';
import { blank, makeSession, newKey, numbered, relink, type TestKey } from '../testing/session.ts';
import { altered, bitFlips, failures, open, outcomeOf, signJcs, signSorted } from '../testing/signed.ts';
import { CarriedReceipts, controllerKeyId } from './external.ts';
import { type ControllersGiven, checkExternalReceipts } from './verify.ts';

const CALL = '6f9619ff-8b86-4011-b42d-00c04fc964ff';

function unsigned(issuer: TestKey, callId = CALL): JsonObject {
  return {
    issuer: 'did:web:controller.example',
    issuer_key_id: controllerKeyId(issuer.x),
    evidence_hash: `sha256:${'e'.repeat(64)}`,
    evidence_type: 'controller-execution-receipt/v1',
    linked_call_id: callId,
  };
}

async function setUp() {
  const [issuer, gateway] = await Promise.all([newKey(), newKey()]);
  const given: ControllersGiven = { keys: [{ x: issuer.x, source: 'controller.jwk' }], claimKey: gateway.x };
  return { issuer, gateway, given, receipt: await signSorted(unsigned(issuer), issuer) };
}

const ask = (receipt: JsonValue, given: ControllersGiven, callId: string | null = CALL) =>
  checkExternalReceipts([{ at: 3, callId, receipt }], given);

const CONTROLLER = ['controller.form', 'controller.call', 'controller.signature', 'controller.independence'];

test('nothing, the wrong and the right key: an unknown issuer is unverified, not invalid [C-14]', async () => {
  const { given, receipt } = await setUp();
  const nothing = await ask(receipt, { ...given, keys: [] });
  assert.deepEqual(
    nothing.map(({ id }) => id),
    CONTROLLER,
  );
  assert.deepEqual([failures(nothing), outcomeOf(nothing, 'controller.signature')], [[], 'not checked']);
  const wrong = await ask(receipt, { ...given, keys: [{ x: (await newKey()).x, source: 'other.jwk' }] });
  assert.deepEqual([failures(wrong), outcomeOf(wrong, 'controller.signature')], [[], 'not checked']);
  const right = await ask(receipt, given);
  assert.deepEqual(
    right.map(({ outcome }) => outcome),
    ['proven', 'proven', 'proven', 'asserted'],
  );
  assert.equal(right.find(({ id }) => id === 'controller.signature')?.against, 'controller.jwk');
});

test('an unknown issuer fails where known ones were demanded [C-14]', async () => {
  const { given, receipt } = await setUp();
  const checks = await ask(receipt, { ...given, keys: [], demanded: true });
  assert.deepEqual(failures(checks), ['controller.signature']);
  const genuine = await ask(receipt, { ...given, demanded: true });
  assert.deepEqual(open(genuine), []);
});

test('a genuine receipt of another call fails, whether its key is known or not [D-37]', async () => {
  const { issuer, given } = await setUp();
  const other = await signSorted(unsigned(issuer, '00000000-0000-4000-8000-000000000000'), issuer);
  for (const keys of [given.keys, []]) {
    const checks = await ask(other, { ...given, keys });
    assert.deepEqual(failures(checks), ['controller.call']);
    assert.match(checks[1]?.detail ?? '', /^entry 3: EXTERNAL_EVIDENCE_VERIFICATION_FAILED: /);
  }
  assert.deepEqual(failures(await ask(other, given, null)), ['controller.call']);
});

test('two receipts that were swapped between two calls both fail [D-37]', async () => {
  const { issuer, given } = await setUp();
  const first = await signSorted(unsigned(issuer, 'a'), issuer);
  const second = await signSorted(unsigned(issuer, 'b'), issuer);
  const right = await checkExternalReceipts(
    [
      { at: 1, callId: 'a', receipt: first },
      { at: 2, callId: 'b', receipt: second },
    ],
    given,
  );
  assert.deepEqual(failures(right), []);
  const swapped = await checkExternalReceipts(
    [
      { at: 1, callId: 'a', receipt: second },
      { at: 2, callId: 'b', receipt: first },
    ],
    given,
  );
  assert.deepEqual(failures(swapped), ['controller.call']);
});

test('a receipt that another key signed, or that is signed over another form, is forged', async () => {
  const { issuer, given } = await setUp();
  const forged = await signSorted(unsigned(issuer), await newKey());
  assert.deepEqual(failures(await ask(forged, given)), ['controller.signature']);
  const exotic = { ...unsigned(issuer), issuer: 'Ofen größer 7' };
  assert.deepEqual(failures(await ask(await signSorted(exotic, issuer), given)), []);
  assert.deepEqual(failures(await ask(await signJcs(exotic, issuer), given)), ['controller.signature']);
});

test('a receipt has exactly its six members, in their forms', async () => {
  const { issuer, given } = await setUp();
  const cases: [string, unknown][] = [
    ['issuer', undefined],
    ['issuer', 7],
    ['issuer_key_id', controllerKeyId(issuer.x).toUpperCase()],
    ['issuer_key_id', controllerKeyId(issuer.x).slice(1)],
    ['evidence_hash', `sha256:${'e'.repeat(63)}`],
    ['evidence_hash', `sha384:${'e'.repeat(64)}`],
    ['evidence_hash', `sha512:${'e'.repeat(128)}`],
    ['evidence_type', 'note'],
    ['linked_call_id', null],
    ['extra', 'x'],
  ];
  for (const [path, value] of cases) {
    const receipt = await signSorted(altered(unsigned(issuer), path, value), issuer);
    assert.deepEqual(failures(await ask(receipt, given)), ['controller.form'], path);
  }
  assert.deepEqual(failures(await ask(unsigned(issuer), given)), ['controller.form']);
  const wide = await signSorted({ ...unsigned(issuer), evidence_hash: `sha384:${'e'.repeat(96)}` }, issuer);
  assert.deepEqual(failures(await ask(wide, given)), []);
});

test('one bad receipt among good ones fails, and one of an unknown issuer leaves the whole unchecked', async () => {
  const { issuer, given, receipt } = await setUp();
  const stranger = await newKey();
  const of = (value: JsonObject, at: number) => ({ at, callId: CALL, receipt: value });
  const forged = await signSorted(unsigned(issuer), stranger);
  const unknown = await signSorted(unsigned(stranger), stranger);
  const mixed = await checkExternalReceipts([of(receipt, 1), of(unknown, 2), of(receipt, 3)], given);
  assert.equal(outcomeOf(mixed, 'controller.signature'), 'not checked');
  const bad = await checkExternalReceipts([of(receipt, 1), of(unknown, 2), of(forged, 3)], given);
  assert.match(bad.find(({ id }) => id === 'controller.signature')?.detail ?? '', /^entry 3: /);
});

test('a receipt under the key of the gateway is its own word, and the report says so', async () => {
  const { gateway, given, receipt } = await setUp();
  const own = await signSorted(unsigned(gateway), gateway);
  const detail = async (value: JsonValue) =>
    (await ask(value, given)).find(({ id }) => id === 'controller.independence')?.detail;
  assert.match((await detail(own)) ?? '', /gateway itself/);
  assert.doesNotMatch((await detail(receipt)) ?? '', /gateway itself/);
});

test('a key that signs nothing safely is no key of a controller', async () => {
  const { given } = await setUp();
  const weak = `AQ${'A'.repeat(41)}`;
  const receipt = { ...unsigned({ x: weak } as TestKey), signature: 'A'.repeat(86) };
  const checks = await ask(receipt, { ...given, keys: [{ x: weak, source: 'weak' }] });
  assert.equal(outcomeOf(checks, 'controller.signature'), 'not checked');
});

test('the receipts of a chain are those in its entries; a chain without any raises no question', async () => {
  const { given, receipt } = await setUp();
  const session = await makeSession(await newKey());
  const call = {
    ...blank(session.claim.gateway.session_id, 'tool_call', 'public'),
    call_id: CALL,
    external_execution_evidence: receipt,
  };
  session.bundle.entries.splice(1, 0, call);
  numbered(session.bundle.entries);
  relink(session);
  const carried = new CarriedReceipts();
  for (const [at, entry] of session.bundle.entries.entries()) carried.see(readEntry(entry, at), at);
  assert.deepEqual(
    carried.list.map(({ at, callId }) => [at, callId]),
    [[1, CALL]],
  );
  assert.deepEqual(failures(await checkExternalReceipts(carried.list, given)), []);
  assert.deepEqual(await checkExternalReceipts([], given), []);
});

test('a genuine receipt with any bit flipped is no longer proven', async () => {
  const { given, receipt } = await setUp();
  for (const bytes of bitFlips(receipt)) {
    let flipped: JsonValue;
    try {
      flipped = parseJson(bytes);
    } catch {
      continue;
    }
    const checks = await ask(flipped, given);
    assert.ok(
      failures(checks).length > 0 || outcomeOf(checks, 'controller.signature') === 'not checked',
      stringifyJson(flipped),
    );
  }
});

test('any value in the place of a receipt gives checks, never an exception', async () => {
  const { given, receipt } = await setUp();
  const members = [
    'issuer',
    'issuer_key_id',
    'signature',
    'evidence_hash',
    'evidence_type',
    'linked_call_id',
    '__proto__',
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...members), fc.jsonValue())
    .map(([path, value]) => parseJson(JSON.stringify(altered(receipt, path, value))));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.json().map((text) => parseJson(text)),
        mutated,
      ),
      async (value) => {
        const checks = await ask(value, given);
        const [same] = [stringifyJson(value) === stringifyJson(receipt)];
        if (!same)
          assert.notEqual(
            outcomeOf(checks, 'controller.form') === 'proven' && outcomeOf(checks, 'controller.signature'),
            'proven',
          );
      },
    ),
    { numRuns: 400 },
  );
});
